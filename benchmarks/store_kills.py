"""Writers to a store, and a Redis server, killed again and again: nothing lost, nothing twice.

    python -m benchmarks.store_kills [--kills 100] [--seed 0]

Two processes of three clients each write to two users, four events a call, and keep states beside
them. Every kill is SIGKILL at a random moment: of a writer, and for Redis in half of the cases of
the server. A client sends what it was not told of once more under the same event ids. At the end
the logs are compared with what the clients were told.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

from serving.store.embedded import Embedded
from serving.store.redis import Redis
from tests.serving.store.killed import Found, killing
from tests.serving.store.private_redis import PrivateRedis


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name, attempt in (("embedded", embedded), ("redis", redis)):
        with tempfile.TemporaryDirectory() as folder:
            found = attempt(Path(folder), kills=given.kills, seed=given.seed)
        print(f"{name}: {', '.join(f'{key} {value}' for key, value in found._asdict().items())}")
        print(f"{name}: {'clean' if found.clean else 'NOT CLEAN'}")


def embedded(folder: Path, *, kills: int, seed: int) -> Found:
    make = partial(Embedded, folder / "states.db", busy_seconds=60)
    return killing(make, folder, kills=kills, seed=seed)


def redis(folder: Path, *, kills: int, seed: int) -> Found:
    with PrivateRedis(folder) as server:
        make = partial(Redis, server.url, prefix="", durable=True, timeout_seconds=10)
        return killing(make, folder, kills=kills, seed=seed, kill_server=server.restart)


if __name__ == "__main__":
    main()
