"""A service as it is run: processes of its own, asked over loopback."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds to start or to end, on a machine that is busy


class Running:
    """A started service; ``lines`` are those of its log so far."""

    def __init__(self, process: subprocess.Popen, log: Path) -> None:
        self.process, self.log = process, log
        self.port = self._port()
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line[0] == "{"]

    def happened(self, event: str, *, times: int = 1) -> list[dict]:
        """The lines of an event, once there are so many."""
        latest = time.monotonic() + PATIENCE
        while time.monotonic() < latest:
            found = [line for line in self.lines if line.get("event") == event]
            if len(found) >= times:
                return found
            assert self.process.poll() is None or event == "ended", self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(f"no {event} in {self.log.read_text()}")

    def end(self) -> int:
        """Asks it to end; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def _port(self) -> int:
        latest = time.monotonic() + PATIENCE
        while time.monotonic() < latest:
            if found := re.search(r"serving on port (\d+)", self.log.read_text()):
                return int(found[1])
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())


@contextmanager
def running(bundle: Path, folder: Path, *settings: str, **variables: str) -> Iterator[Running]:
    """The service of a bundle with a store in ``folder``, ended when the block is left."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    command = [sys.executable, "-m", "recsys.cli", "serve", f"bundle={bundle}", "port=0"]
    store = f"store.path={folder / 'states.db'}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, store, *settings], stderr=file, stdout=file, env=environment
        )
    try:
        yield Running(process, log)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()


def client(service: Running) -> httpx.Client:
    """A client with time enough for a busy machine."""
    return httpx.Client(base_url=service.url, timeout=PATIENCE, trust_env=False)
