"""Several processes behind one port: one that dies is started again, all end together."""

import logging
import multiprocessing
import signal
import socket
import tempfile
import time
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from recsys.errors import ConfigError
from serving import logs, worker
from serving.logs import facts
from serving.settings import Settings
from serving.worker import CANNOT, Place

BACKLOG: Final = 2048
PAUSE: Final = 1.0  # seconds before a dead worker's successor starts

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> int:
    """Serves until a signal ends it; the exit status.

    Raises:
        RecsysError: The port is taken, or the bundle or the keys cannot be used.
    """
    logs.start()
    with _listening(settings) as listening, tempfile.TemporaryDirectory(prefix="recsys-") as folder:
        numbers = Path(folder) / "metrics"
        if settings.workers == 1:
            worker.run(settings, listening, Place(0, numbers, supervised=False))
            return 0
        numbers.touch()
        return _Workers(settings, listening, numbers).run()


class _Workers:
    """The worker processes, by their numbers."""

    def __init__(self, settings: Settings, listening: socket.socket, numbers: Path) -> None:
        self._settings = settings
        self._listening = listening
        self._numbers = numbers
        self._context = multiprocessing.get_context("spawn")
        self._alive: dict[int, BaseProcess] = {}
        self._ending = False
        self._status = 0

    def run(self) -> int:
        """Until all have ended."""
        for ends in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ends, lambda *_: self._end())
        for number in range(self._settings.workers):
            self._start(number)
        while self._alive:
            wait([process.sentinel for process in self._alive.values()], timeout=1)
            self._look()
        return self._status

    def _start(self, number: int) -> None:
        place = Place(number, self._numbers, supervised=True)
        process = self._context.Process(
            target=worker.supervised, args=(self._settings, self._listening, place)
        )
        process.start()
        self._alive[number] = process

    def _look(self) -> None:
        """Replaces those that died; one that cannot start ends all."""
        for number, process in list(self._alive.items()):
            if process.is_alive():
                continue
            del self._alive[number]
            if process.exitcode == CANNOT and not self._ending:
                self._status = CANNOT
                self._end()
            elif not self._ending:
                told = facts(event="died", worker=number, status=process.exitcode)
                logger.error("a worker died and is started again", extra=told)
                time.sleep(PAUSE)
                if not self._ending:
                    self._start(number)

    def _end(self) -> None:
        self._ending = True
        for process in self._alive.values():
            if process.is_alive():
                process.terminate()


def _listening(settings: Settings) -> socket.socket:
    """The port, open to connections that wait until somebody takes them."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        where = f"host={settings.host} port={settings.port}"
        message = f"{where} cannot be opened ({error.strerror}): choose another"
        raise ConfigError(message) from error
    listening.listen(BACKLOG)
    listening.setblocking(False)
    return listening
