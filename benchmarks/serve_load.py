"""What the service does when asked for more than it can answer, and after very many requests.

    python -m benchmarks.serve_load BUNDLE PREPARED [--requests 1000000] [--seconds 8] [--workers 1]

Users and requests are those of `benchmarks.serve`, over loopback. Overload: what 64 connections get
is the capacity. Then three times as many connections as may wait ask about twice as often as that,
each with pauses, while a few callers of our own time their replies. Soak: 64 connections, as fast
as they are answered, in slices; the memory of the server after each.
"""

import argparse
import asyncio
import random
import re
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.serve import OURS, STORE, ask, command, questions, resident, server

CONNECTIONS = 64
WAITING = 1024  # as conf/serve.yaml
CROWD = 3 * WAITING
CALLERS = 64  # of our own
PAUSE = 0.1  # seconds between two requests of one of them
SLICES = 10
END = b"\r\n\r\n"
COUNTING = """
refused, other = 0, 0
local crowd
function setup(thread) crowd = thread end
function delay() return math.random(0, 2 * pause) end
function response(status)
  if status == 429 then refused = refused + 1 elseif status ~= 200 then other = other + 1 end
end
function done(all)
  local broken = all.errors.connect + all.errors.read + all.errors.write + all.errors.timeout
  print("counted", all.requests, crowd:get("refused"), crowd:get("other") + broken)
end
"""


async def callers(port: int, users: list[str], seconds: float) -> list[tuple[int, float]]:
    """Statuses, and seconds until they came, of callers who pause between requests."""
    until = time.perf_counter() + seconds
    parts = await asyncio.gather(*(_caller(port, users, until) for _ in range(CALLERS)))
    return [reply for part in parts for reply in part]


async def _caller(port: int, users: list[str], until: float) -> list[tuple[int, float]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = []
    while time.perf_counter() < until:
        body = b'{"user_id": %b, "k": 10}' % random.choice(users).encode()
        started = time.perf_counter()
        writer.write(b"POST /recommend HTTP/1.1\r\nHost: localhost\r\n")
        writer.write(
            b"Content-Type: application/json\r\nContent-Length: %d" % len(body) + END + body
        )
        head = (await reader.readuntil(END)).lower()
        await reader.readexactly(int(re.search(rb"content-length: *(\d+)", head)[1]))
        found.append((int(head.split()[1]), time.perf_counter() - started))
        await asyncio.sleep(random.uniform(0, 2 * PAUSE))
    writer.close()
    return found


def overload(port: int, users: list[str], script: Path, *, capacity: float, seconds: float) -> None:
    """A crowd that asks for twice the capacity, and callers in it."""
    pause = CROWD / (2 * capacity) - WAITING / capacity / 2  # half of them wait for an answer
    crowd = script.with_name("crowd.lua")
    crowd.write_text(script.read_text() + f"pause = {max(0, round(1000 * pause))}" + COUNTING)
    command = ["wrk", "-t1", f"-c{CROWD}", f"-d{seconds + 2:g}s", "-s", str(crowd)]
    started = subprocess.Popen(
        [*command, f"http://127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True
    )
    time.sleep(1)
    replies = asyncio.run(callers(port, users, seconds))
    told = started.communicate()[0]
    asked, refused, other = map(int, re.search(r"counted\s+(\d+)\s+(\d+)\s+(\d+)", told).groups())
    rate = asked / (seconds + 2)
    print(
        f"overload: capacity {capacity:.0f}/s, asked {rate:.0f}/s ({rate / capacity:.2f} times),"
        f" refused with 429 {refused / asked:.3f}, otherwise failed {other}"
    )
    let_in = 1000 * np.array([wait for status, wait in replies if status == 200])
    turned_away = 1000 * np.array([wait for status, wait in replies if status == 429])
    strange = len(replies) - len(let_in) - len(turned_away)
    for name, waits in (("let in", let_in), ("told 429", turned_away)):
        middle, slow = np.percentile(waits, [50, 99]) if len(waits) else (np.nan, np.nan)
        print(f"  callers {name}: {len(waits)}, p50 {middle:.0f} ms, p99 {slow:.0f} ms")
    print(f"  callers told anything else: {strange}")


def soak(pid: int, port: int, script: Path, *, requests: int, capacity: float) -> None:
    """So many requests at least, in slices."""
    done, failed, sizes = 0, 0, [resident(pid)]
    print(f"soak: {sizes[0]:.1f} MiB before", flush=True)
    while done < requests:
        seconds = max(1, round(min(requests / SLICES, requests - done) / capacity))
        found = ask(pid, port, script, connections=CONNECTIONS, seconds=seconds)
        done, failed = done + found.requests, failed + found.failed
        sizes.append(resident(pid))
        print(
            f"  {done:8} requests, {sizes[-1]:.1f} MiB, {found.microseconds:.0f} us of processor"
            f" time a request, {found.rate:.0f}/s, p99 {found.slow}, {failed} failed",
            flush=True,
        )
    print(f"soak: {sizes[1]:.1f} MiB after the first slice, {sizes[-1]:.1f} after the last")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--port", type=int, default=8769)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        users, script = questions(folder, bundle=given.bundle, prepared=given.prepared)
        store, port = folder / STORE, given.port
        words = command(OURS, bundle=given.bundle, store=store, port=port, workers=given.workers)
        with server(words, port, folder / "ours.log") as ours:
            found = ask(ours.pid, port, script, connections=CONNECTIONS, seconds=3)
            overload(port, users, script, capacity=found.rate, seconds=given.seconds)
            soak(ours.pid, port, script, requests=given.requests, capacity=found.rate)


if __name__ == "__main__":
    main()
