"""What one list costs over HTTP: our service and naive ones, in turn, asked by wrk over loopback.

    recsys prepare ... out=PREPARED; recsys train ... run=RUN; recsys export run=RUN out=BUNDLE
    python -m benchmarks.serve BUNDLE PREPARED [--rounds 3] [--seconds 3] [--connections 1 16 64]

Every user of the prepared folder is in the store with all events and a kept state; each request
asks for the top 10 of one of them at random. Processor time is that of all processes of the server,
from /proc; the least of the rounds is shown, because neighbours only add to it. Rates and waits are
wall time and mean little on a machine that others use.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from recsys import runtime, tables
from recsys.data.prepared import Prepared, load
from serving.states import States
from serving.store.contract import Write
from serving.store.embedded import Embedded

TICKS = os.sysconf("SC_CLK_TCK")
OURS = "recsys serve"
NAIVE = "FastAPI, naive"
LITSERVE = "LitServe"  # where it is installed
STORE = "states.db"
SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function()
  local user = users[math.random(#users)]
  return wrk.format(nil, "/recommend", nil, '{"user_id": ' .. user .. ', "k": 10}')
end
"""


class Measured(NamedTuple):
    """One run of wrk."""

    requests: int
    failed: int
    microseconds: float  # of processor time, a request
    rate: float
    middle: str
    slow: str  # 99 %


def fill(store: Path, prepared: Prepared, bundle: runtime.Bundle) -> list[str]:
    """All histories as events, and a state for each user; the users."""
    embedded = Embedded(store, busy_seconds=5)
    ids = [None, *prepared.catalogue[tables.ITEM_ID].cast(str).to_list()]
    names = prepared.users.cast(str).to_list()
    histories = prepared.histories
    for place, user in enumerate(names):
        part = slice(*histories.offset[place : place + 2])
        pairs = zip(histories.item[part].tolist(), histories.time[part].tolist(), strict=True)
        embedded.append([Write(user, ids[item], when, None, None) for item, when in pairs])
    for _ in States(embedded, bundle).rebuild(size=64):
        pass
    embedded.close()
    return names


def questions(folder: Path, *, bundle: Path, prepared: Path) -> tuple[list[str], Path]:
    """A filled store in this folder: its users, and the script by which wrk asks for them."""
    users = fill(folder / STORE, load(prepared), runtime.load(bundle, device="cpu"))
    script = folder / "ask.lua"
    script.write_text("users = {" + ",".join(users) + "}" + SCRIPT)
    return users, script


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


def spent(pid: int) -> float:
    """Seconds of processor time of a server so far."""
    ticks = 0
    for member in family(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def resident(pid: int) -> float:
    """MiB of memory of a server now."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def ask(pid: int, port: int, script: Path, *, connections: int, seconds: float) -> Measured:
    """wrk, once."""
    before = spent(pid)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-s", str(script)]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=True
    )
    took, told = spent(pid) - before, done.stdout
    requests = int(re.search(r"(\d+) requests in", told)[1])
    failed = re.findall(r"Non-2xx or 3xx responses: (\d+)", told)
    failed += re.findall(r"(?:connect|read|write|timeout) (\d+)", told)  # of connections
    return Measured(
        requests,
        sum(map(int, failed)),
        1e6 * took / requests,
        requests / seconds,
        re.search(r"^ +50%\s+(\S+)", told, re.MULTILINE)[1],
        re.search(r"^ +99%\s+(\S+)", told, re.MULTILINE)[1],
    )


@contextmanager
def server(words: list[str], port: int, log: Path) -> Iterator[subprocess.Popen]:
    """A server, once it answers; ended at the end."""
    with log.open("w") as file:
        process = subprocess.Popen(words, stdout=file, stderr=file)
    try:
        started = time.perf_counter()
        while not answers(port):
            assert process.poll() is None, log.read_text()
            assert time.perf_counter() - started < 120, log.read_text()
            time.sleep(0.05)
        print(
            f"{log.stem}: started in {time.perf_counter() - started:.1f} s of wall time,", end=" "
        )
        print(f"{spent(process.pid):.2f} s of processor time, {resident(process.pid):.0f} MiB")
        yield process
    finally:
        children = family(process.pid)[1:] if process.poll() is None else []
        process.terminate()
        process.wait(60)
        for child in children:  # LitServe leaves its own behind
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def answers(port: int) -> bool:
    body = json.dumps({"user_id": 1, "k": 1}).encode()
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/recommend", body)
    asked.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(asked, timeout=10) as reply:
            return reply.status == 200
    except OSError:
        return False


def command(name: str, *, bundle: Path, store: Path, port: int, workers: int = 1) -> list[str]:
    """How this service is started."""
    if name == OURS:
        words = [f"bundle={bundle}", f"store.path={store}", f"port={port}", f"workers={workers}"]
        return [sys.executable, "-m", "recsys.cli", "serve", *words]
    module = {NAIVE: "benchmarks.serve_naive", LITSERVE: "benchmarks.serve_litserve"}[name]
    return [sys.executable, "-m", module, str(bundle), str(store), str(port)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--port", type=int, default=8765)
    given = parser.parse_args()
    names = [OURS, NAIVE, *([LITSERVE] if find_spec("litserve") else [])]
    ports = {name: given.port + place for place, name in enumerate(names)}
    with tempfile.TemporaryDirectory() as folder_name, ExitStack() as started:
        folder, pids = Path(folder_name), {}
        _, script = questions(folder, bundle=given.bundle, prepared=given.prepared)
        for name, port in ports.items():
            store, log = folder / STORE, folder / f"{name.split(',')[0]}.log"
            words = command(
                name, bundle=given.bundle, store=store, port=port, workers=given.workers
            )
            pids[name] = started.enter_context(server(words, port, log)).pid
        compare(pids, ports, script, given)


def compare(
    pids: dict[str, int], ports: dict[str, int], script: Path, given: argparse.Namespace
) -> None:
    """Rounds in turn; the least processor time of each."""
    for connections in given.connections:
        best: dict[str, Measured] = {}
        for _ in range(given.rounds):
            for name, pid in pids.items():
                found = ask(
                    pid, ports[name], script, connections=connections, seconds=given.seconds
                )
                had = best.get(name, found)
                best[name] = min(had, found, key=lambda one: one.microseconds)
        for name, found in best.items():
            print(
                f"{connections:3} connections, {name:15} {found.microseconds:6.0f} us a request,"
                f" {found.rate:6.0f}/s, p50 {found.middle}, p99 {found.slow},"
                f" {found.failed} failed, {resident(pids[name]):.0f} MiB"
            )
        for name in list(best)[1:]:
            print(f"    {name}: {best[name].microseconds / best[OURS].microseconds:.2f} times ours")


if __name__ == "__main__":
    main()
