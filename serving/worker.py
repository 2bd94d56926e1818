"""One process of the service: from the bundle on disk to open connections, and back."""

import asyncio
import logging
import os
import signal
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Final, NamedTuple

from recsys.errors import ConfigError, RecsysError
from serving import keys, logs, model
from serving.api.surface import NAMES, surface
from serving.door import Door
from serving.logs import facts
from serving.measured import families
from serving.metrics import Metrics
from serving.routes import Routes
from serving.service import Service
from serving.settings import Access, Settings
from serving.store.contract import StoreError
from serving.swap import Watch
from serving.wire import Wire

CANNOT: Final = 2  # exit status of a process that cannot start, and never will
BEAT: Final = 0.5  # seconds between two looks at slow connections and at the parent

if TYPE_CHECKING:
    from serving.traces import Traces

logger = logging.getLogger(__name__)


class Place(NamedTuple):
    """Which of the processes this is."""

    number: int
    numbers: Path  # the file of metrics that all share
    supervised: bool  # by a parent, without which this process ends


def run(settings: Settings, listening: socket, place: Place) -> None:
    """Serves until it is told to end, then finishes what it has begun.

    Raises:
        RecsysError: The bundle, the keys or the certificate cannot be used.
        StoreError: The store cannot.
    """
    with asyncio.Runner(loop_factory=_loop()) as runner:
        runner.run(_serve(settings, listening, place))


def supervised(settings: Settings, listening: socket, place: Place) -> None:
    """The same as the whole of a child process."""
    logs.start()
    try:
        run(settings, listening, place)
    except (RecsysError, StoreError) as error:
        logger.error("%s", error, extra=facts(event="cannot start"))
        sys.exit(CANNOT)


async def _serve(settings: Settings, listening: socket, place: Place) -> None:
    ending, loop = _ending(), asyncio.get_running_loop()
    taken = model.signature(settings.bundle)
    context, callers = _context(settings.access), _callers(settings)
    traces = _traces() if settings.traces else None
    service = _service(settings, place)
    door = Door(
        Routes(surface(service)),
        callers,
        service.metrics,
        log_requests=settings.log_requests,
        traced=traces,
    )
    wire = Wire(door, settings.limits, refused=door.refused)
    server = await loop.create_server(wire.connection, sock=listening, ssl=context)
    watch = Watch(service, settings.bundle, device=settings.device, taken=taken)
    chores = [
        asyncio.create_task(watch.run(seconds=settings.lifetime.watch_seconds)),
        asyncio.create_task(_beat(wire, service, ending, supervised=place.supervised)),
    ]
    told = facts(event="ready", device=service.model.bundle.device, model=service.model.version)
    logger.info("serving on port %d", listening.getsockname()[1], extra=told)
    await ending.wait()
    await _end(settings, service, door, wire, server)
    for chore in chores:
        chore.cancel()
    service.close()
    if traces is not None:
        traces.close()
    logger.info("ended", extra=facts(event="ended"))


def _service(settings: Settings, place: Place) -> Service:
    """The model and the store of the settings, warm."""
    metrics = Metrics(families(NAMES), place.numbers, worker=place.number, workers=settings.workers)
    return Service(
        model.load(settings.bundle, device=settings.device),
        settings.store(),
        caps=settings.caps,
        budget=settings.budget,
        tile=settings.tile,
        metrics=metrics,
    )


def _traces() -> "Traces":
    """Raises ConfigError where OpenTelemetry is not installed."""
    try:
        from serving import traces
    except ModuleNotFoundError as error:
        message = f"traces=true needs package '{error.name}': pip install 'recsys[traces]'"
        raise ConfigError(message) from error
    return traces.exporting()


def _callers(settings: Settings) -> keys.Keys:
    """The keys; of a rate, each process holds its share."""
    callers = keys.gather(settings.access.keys, os.environ.get(keys.VARIABLE))
    rate = settings.access.rate
    return keys.Keys(callers, rate=None if rate is None else rate / settings.workers)


async def _end(
    settings: Settings, service: Service, door: Door, wire: Wire, server: asyncio.Server
) -> None:
    """Not ready, then no new connections, then no requests; what is being answered is answered."""
    service.draining = True
    logger.info("ending", extra=facts(event="draining", active=door.active))
    await asyncio.sleep(settings.lifetime.drain_seconds)
    server.close()
    wire.close()
    loop = asyncio.get_running_loop()
    latest = loop.time() + settings.lifetime.grace_seconds
    while wire.open and loop.time() < latest:
        await asyncio.sleep(0.02)
    wire.abort()


async def _beat(wire: Wire, service: Service, ending: asyncio.Event, *, supervised: bool) -> None:
    """Chores of every half second; never returns."""
    parent = os.getppid()
    while True:
        await asyncio.sleep(BEAT)
        wire.sweep()
        service.measure(connections=len(wire.open))
        if supervised and os.getppid() != parent:
            ending.set()


def _ending() -> asyncio.Event:
    """Set by the signals that end a process."""
    ending, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    return ending


def _context(access: Access) -> ssl.SSLContext | None:
    """For TLS, where a certificate is named."""
    if access.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(access.certificate, access.private_key)
    except (OSError, ssl.SSLError) as error:
        message = f"tls.certificate='{access.certificate}' cannot be used: give PEM files"
        raise ConfigError(message) from error
    return context


def _loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """The faster loop, where there is one for this system."""
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop
