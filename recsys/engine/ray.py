"""Parts answered on a Ray cluster: an actor a worker, which opens the bundle once.

Every actor reads the parted histories and writes its parts in the job's folder, so ``out`` and the
bundle lie where all machines see them. A part whose actor or machine dies goes to another actor.
"""

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

from recsys.errors import ArtifactError, ConfigError, RecsysError
from recsys.scoring.partition import Receipt, Work, Worker

Waiting = dict[Any, tuple[Any, int | None]]  # a future to its actor, and the part it answers


class Ray:
    """The same parts by many processes.

    Args:
        address: Of a cluster, or null for one on this machine that ends with the job.
        workers: Actors at once; more than the cluster has room for wait for their place.
        cpus: Processors an actor holds.
        gpus: Devices an actor holds; with ``device=cuda`` give 1.
        retries: How often a part is given to another actor before the job fails.

    Raises:
        ConfigError: The package ``ray`` is not installed.
    """

    def __init__(
        self, *, address: str | None, workers: int, cpus: float, gpus: float, retries: int
    ) -> None:
        self.address = address
        self.workers = workers
        self.cpus = cpus
        self.gpus = gpus
        self.retries = retries
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ModuleNotFoundError as error:
            message = "engine=ray needs the package ray: pip install 'recsys[ray]'"
            raise ConfigError(message) from error
        self._ray: Any = ray

    def run(self, work: Work, parts: Sequence[int]) -> Iterator[Receipt]:
        """The receipts of these parts, in the order in which they are done.

        Raises:
            ArtifactError: A part failed with its actor more than ``retries`` times.
        """
        ours = not self._ray.is_initialized()
        if ours:
            settings = {} if self.address else {"include_dashboard": False}
            self._ray.init(address=self.address, log_to_driver=False, **settings)
        waiting: Waiting = {}
        try:
            yield from self._answer(work, deque(parts), waiting)
        finally:
            for actor, _ in waiting.values():
                self._ray.kill(actor)
            if ours:
                self._ray.shutdown()

    def _answer(self, work: Work, parts: deque[int], waiting: Waiting) -> Iterator[Receipt]:
        """Gives every actor that is ready a part, until none is left; starts actors for dead ones.

        An actor that never finds a machine is only waited for while there is no other.
        """
        losses: Counter[int | None] = Counter()
        missing = set(parts)
        for _ in range(min(self.workers, len(parts))):
            self._start(work, waiting)
        while missing:
            future = self._ray.wait(list(waiting), num_returns=1)[0][0]
            actor, part = waiting.pop(future)
            receipt, lost = self._receipt(future)
            if lost is not None:
                losses[part] += 1
                if losses[part] > self.retries:
                    what = "no worker starts" if part is None else f"part {part} fails"
                    message = f"{what} on the cluster ({lost}): run again, which goes on from here"
                    raise ArtifactError(message)
                parts.extendleft([] if part is None else [part])
                self._start(work, waiting)
                continue
            if part is not None and receipt is not None:
                missing.discard(part)
                yield receipt
            if parts:
                part = parts.popleft()
                waiting[actor.answer.remote(part)] = (actor, part)

    def _start(self, work: Work, waiting: Waiting) -> None:
        """A new actor, which is ready when its first future is."""
        actor = self._ray.remote(num_cpus=self.cpus, num_gpus=self.gpus)(Worker).remote(work)
        waiting[actor.ready.remote()] = (actor, None)

    def _receipt(self, future: Any) -> tuple[Receipt | None, str | None]:  # noqa: ANN401
        """What an actor says, or why it cannot; errors of the job are raised as themselves."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(future), None
        except errors.RayTaskError as error:
            if isinstance(error.cause, RecsysError | OSError):
                raise error.cause from None
            raise
        except (errors.RayActorError, errors.WorkerCrashedError, errors.ObjectLostError) as error:
            return None, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
