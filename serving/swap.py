"""A new bundle in the old one's place, while requests are being answered.

The new one is loaded, verified and warmed beside the old one; then one reference changes. Batches
that are being answered end with the model they began with. A bundle that is damaged, incomplete or
answers nonsense changes nothing but a line of log and a number.
"""

import asyncio
import logging
from functools import partial
from pathlib import Path

from recsys.errors import RecsysError
from serving import model
from serving.logs import facts
from serving.service import Service

logger = logging.getLogger(__name__)


class Watch:
    """Looks at the bundle's folder again and again."""

    def __init__(self, service: Service, folder: Path, *, device: str, taken: str | None) -> None:
        """A watch; ``taken`` is the signature of the bundle that is being served."""
        self._service = service
        self._folder = folder
        self._device = device
        self._done = taken  # the newest signature that was taken or refused

    async def run(self, *, seconds: float) -> None:
        """Never returns."""
        while True:
            await asyncio.sleep(seconds)
            await self.look()

    async def look(self) -> None:
        """Takes the bundle in the folder, if it is another one."""
        found = model.signature(self._folder)
        if found is None or found == self._done:  # none: it is just being exchanged
            return
        loop, service = asyncio.get_running_loop(), self._service
        try:
            new = await loop.run_in_executor(
                None, partial(model.load, self._folder, device=self._device)
            )
            service.take(await loop.run_in_executor(None, service.states_of, new))
        except Exception as error:  # whatever is wrong with it, the old one goes on
            if model.signature(self._folder) == found:  # else files changed under the reading
                self._done = found
                service.metrics.add("recsys_swaps", "refused")
                why = str(error) if isinstance(error, RecsysError) else type(error).__name__
                logger.error("the new bundle is not used: %s", why, extra=facts(event="refused"))
            return
        self._done = found
        service.metrics.add("recsys_swaps", "taken")
        logger.info("serving model %s", new.version, extra=facts(event="swapped"))
