"""Peak memory of ``recsys score`` at two numbers of users: it has to be flat.

    python -m benchmarks.score_memory [--users 10000 1000000] [--events 50] [--bundle BUNDLE]

Histories are simulated (users in random order, times rising, items by popularity) and written in
pieces. Each job is a process of its own; its peak is what the kernel counted (ru_maxrss).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from tests.tiny_bundle import world, write_bundle

ROOT = Path(__file__).resolve().parent.parent
PIECE = 250_000  # rows simulated at once
SCHEMA = {"user_id": pl.Int64, "item_id": pl.Int64, "timestamp": pl.Int64}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, nargs=2, default=[10_000, 1_000_000])
    parser.add_argument("--events", type=int, default=50)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("settings", nargs="*", help="of recsys score: k=100")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = options.bundle or tiny(Path(folder) / "bundle")
        peaks = [
            measure(
                Path(folder), bundle, users=users, events=options.events, settings=options.settings
            )
            for users in options.users
        ]
    print(
        f"peak at {options.users[1]:,} users / at {options.users[0]:,}: {peaks[1] / peaks[0]:.3f}"
    )


def tiny(folder: Path) -> Path:
    """The bundle of the tests at the size of MovieLens-1M."""
    return write_bundle(folder, world(3416, values=1000), history=50)


def measure(folder: Path, bundle: Path, *, users: int, events: int, settings: list[str]) -> float:
    """Peak MiB of one job, printed with its time."""
    histories = folder / f"histories-{users}.parquet"
    ids = pl.read_parquet(bundle / "catalogue.parquet")["item_id"]
    write(histories, ids, users=users, events=events)
    out = folder / f"lists-{users}"
    started = time.perf_counter()
    job = subprocess.Popen(
        [sys.executable, "-m", "recsys.score", f"bundle={bundle}", f"histories={histories}",
         f"out={out}", *settings],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, usage = os.wait4(job.pid, 0)
    job.returncode = os.waitstatus_to_exitcode(status)
    if job.returncode:
        sys.exit(f"score ended with {job.returncode}")
    peak, processor = usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime
    wall = time.perf_counter() - started
    print(
        f"{users:>9,} users, {users * events:>11,} events: peak {peak:,.0f} MiB, "
        f"{wall:.1f} s, {processor:.1f} CPU-s, {users / processor:,.0f} users/CPU-s"
    )
    return peak


def write(path: Path, ids: pl.Series, *, users: int, events: int) -> None:
    """Simulated interactions, a piece at a time."""

    def pieces(*_: object) -> Iterator[pl.DataFrame]:
        random, total = np.random.default_rng(7), users * events
        for start in range(0, total, PIECE):
            rows = min(PIECE, total - start)
            item = (len(ids) ** random.random(rows) - 1).astype(np.int64)
            yield pl.DataFrame(
                {
                    "user_id": random.integers(0, users, rows),
                    "item_id": ids.gather(item),
                    "timestamp": np.arange(start, start + rows) // 3 + 1_600_000_000,
                }
            )

    schema = SCHEMA | {"item_id": ids.dtype}
    register_io_source(pieces, schema=schema).sink_parquet(path, row_group_size=PIECE)


if __name__ == "__main__":
    main()
