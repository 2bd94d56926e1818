"""A Redis server of a test's own: on a free port of this machine, in a folder of its own."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

BINARY = shutil.which("redis-server")
DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")


class PrivateRedis:
    """A server that can be killed and started again on the same files."""

    def __init__(self, folder: Path, *options: str):
        self.folder, self.options = folder, options or DURABLE
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        place = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder))
        command = [BINARY, *place, "--loglevel", "warning", *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._wait()

    def kill(self):
        """As kill -9 does: nothing is written any more."""
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.kill()
        self.start()

    def _wait(self):
        for _ in range(1000):
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as line:
                    line.sendall(b"PING\r\n")
                    if line.recv(64).startswith(b"+PONG"):
                        return
            except ConnectionError:
                pass
            time.sleep(0.02)
        raise TimeoutError(f"redis-server does not answer on port {self.port}")
