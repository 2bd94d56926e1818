"""What live memory costs: CPU microseconds an event or a user, on real histories.

    python -m benchmarks.stores BUNDLE PREPARED [--users 1000] [--rounds 5]

Users of the prepared folder are logged with all their events. Then rows take turns, and the least
CPU time of the rounds counts; of Redis the server's own CPU stands apart. ``kept`` reads a state
that is up to date, ``recall`` the same through the bundle's states; ``one new`` recalls users who
have had one event since, ``first`` users who have no state.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import polars as pl

from recsys import runtime, tables
from recsys.data.prepared import Prepared, load
from serving.states import States
from serving.store.contract import Store, Write
from serving.store.embedded import Embedded
from serving.store.redis import Redis
from tests.serving.store.private_redis import PrivateRedis

SIZES = (1, 16, 64)
ROUNDS_OF = 128  # users a round, in calls of each size
TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    bundle = runtime.load(given.bundle, graphs=("encode", "write"), device="cpu")
    writes = events(load(given.prepared), users=given.users)
    for kind in (embedded, redis):
        with tempfile.TemporaryDirectory() as folder, kind(Path(folder)) as (store, server):
            measure(kind.__name__, store, bundle, writes, rounds=given.rounds, server=server)


@contextmanager
def embedded(folder: Path) -> Iterator[tuple[Store, int | None]]:
    store = Embedded(folder / "states.db", busy_seconds=60)
    yield store, None
    megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    print(f"embedded: {megabytes:.1f} MB on disk")
    store.close()


@contextmanager
def redis(folder: Path) -> Iterator[tuple[Store, int | None]]:
    with PrivateRedis(folder) as server:
        store = Redis(server.url, prefix="", durable=True, timeout_seconds=60)
        yield store, server.process.pid
        store.close()


def events(prepared: Prepared, *, users: int) -> list[list[Write]]:
    """The whole histories of the first users, a list for each."""
    catalogue = pl.read_parquet(prepared.folder / "catalogue.parquet")
    names = dict(zip(catalogue[tables.ITEM], catalogue[tables.ITEM_ID].cast(str), strict=True))
    past = prepared.histories
    found = []
    for user in range(users):
        place = slice(past.offset[user], past.offset[user + 1])
        pairs = zip(past.item[place].tolist(), past.time[place].tolist(), strict=True)
        found.append([Write(str(user), names[item], at, None, None) for item, at in pairs])
    return found


def measure(
    kind: str,
    store: Store,
    bundle: runtime.Bundle,
    writes: list[list[Write]],
    *,
    rounds: int,
    server: int | None,
) -> None:
    every = sum(map(len, writes))
    cost = timed(lambda: fill(store, writes), server=server)
    print(f"{kind}: {len(writes)} users, {every} events; us an event {told(cost, per=every)}")
    states, users = States(store, bundle), [history[0].user for history in writes]
    first = timed(lambda: list(states.rebuild(size=64)), server=server)
    print(f"{kind} first, 64 at once: us a user {told(first, per=len(users))}")
    fresh = count()
    ways: dict[str, Callable[[list[str]], object]] = {
        "append": lambda some: store.append([new(user, next(fresh)) for user in some]),
        "one new": states.recall,
        "kept": lambda some: store.read(some, model=states.model),
        "recall": states.recall,
    }
    for size in SIZES:
        calls = [users[at : at + size] for at in range(0, ROUNDS_OF, size)]
        best = dict.fromkeys(ways, (float("inf"), float("inf")))
        for _ in range(rounds):
            for name, way in ways.items():
                spent = timed(partial(each, way, calls), server=server)
                best[name] = min(best[name], spent)
        row = ", ".join(f"{name} {told(best[name], per=ROUNDS_OF)}" for name in ways)
        print(f"{kind}, {size} at once: us a user: {row}")
    one = timed(lambda: store.forget(users[-1:]), server=server)
    print(f"{kind}: forget one user: ms {told(one, per=1000)}")


def fill(store: Store, writes: list[list[Write]]) -> None:
    for history in writes:
        store.append(history)


def each(way: Callable[[list[str]], object], calls: list[list[str]]) -> None:
    for some in calls:
        way(some)


def new(user: str, number: int) -> Write:
    """An event later than all others, told apart by its id."""
    return Write(user, "1", 2**40 + number, None, f"new-{number}")


def timed(work: Callable[[], object], *, server: int | None) -> tuple[float, float]:
    """CPU seconds of this process and of the server."""
    before, began = ticks(server), time.process_time()
    work()
    return time.process_time() - began, (ticks(server) - before) / TICK


def ticks(server: int | None) -> int:
    if server is None:
        return 0
    words = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


def told(cost: tuple[float, float], *, per: int) -> str:
    mine, of_server = (1e6 * seconds / per for seconds in cost)
    return f"{mine:.1f}" + (f" + {of_server:.1f}" if of_server else "")


if __name__ == "__main__":
    main()
