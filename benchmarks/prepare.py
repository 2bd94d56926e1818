"""CPU seconds and memory of preparing MovieLens-1M, beside merely reading the same file.

    python -m benchmarks.prepare DATASETS/ml-1m
    python -m benchmarks.prepare --rows 1000000 10000000

With ``--rows`` tables of so many rows are simulated instead (100,000 users, 20,000 items, Parquet,
rows in order of time), split by global time.

The folder holds ``ml-1m_sas.txt.gz`` (pairs in order of time) and ``ratings_untimed.csv.gz``, from
which a plain CSV of ratings with times is made first; its times are the places in each user's
order, a minute apart. Each case is a process of its own; imports are not counted. RSS is the most
that the kernel counted, files in memory included; the process's own memory (RssAnon) is sampled.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

USERS, ITEMS = 100_000, 20_000  # simulated


def main() -> None:
    if sys.argv[1] == "--child":
        measure(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rows", type=int, nargs="+", default=[])
    options = parser.parse_args()
    if (options.folder is None) == (not options.rows):
        parser.error("give the folder of MovieLens-1M, or --rows")
    print(f"{'case':<9} {'read CPU s':>10} {'prepare CPU s':>13} {'ratio':>6}", end=" ")
    print(f"{'RSS + MB':>8} {'own + MB':>8}")
    with tempfile.TemporaryDirectory() as work:
        if options.folder is not None:
            movielens(options.folder, Path(work))
        for rows in options.rows:
            path = Path(work) / "rows.parquet"
            child("simulate", path, str(rows))
            report("simulated", path, Path(work) / f"out-{rows}", rows=rows)


def movielens(folder: Path, work: Path) -> None:
    files = {"pairs": folder / "ml-1m_sas.txt.gz", "ratings": work / "ratings.csv"}
    child("make", folder / "ratings_untimed.csv.gz", str(files["ratings"]))
    for case, path in files.items():
        report(case, path, work / case)


def report(case: str, path: Path, out: Path, *, rows: int | None = None) -> None:
    found = json.loads(child(case, path, str(out)))
    ratio = found["prepare"] / found["read"]
    print(f"{case:<9} {found['read']:>10.2f} {found['prepare']:>13.2f} {ratio:>6.1f}", end=" ")
    print(f"{found['megabytes']:>8.0f} {found['own']:>8.0f}", end=" ")
    print("" if rows is None else f"{rows:,} rows", flush=True)


def child(case: str, source: Path, out: str) -> str:
    command = [sys.executable, "-m", "benchmarks.prepare", "--child", case, str(source), out]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def measure(case: str, path: str, out: str) -> None:
    if case == "make":
        make_ratings(path, out)
        return
    if case == "simulate":
        simulate(Path(path), rows=int(out))
        return
    from recsys.data.selection import Selection
    from recsys.data.split import GlobalTime, LeaveOneOut
    from recsys.prepare import prepare
    from recsys.source.contract import Source
    from recsys.source.sequences import Sequences
    from recsys.source.table import Table

    def table(columns: dict[str, str]) -> Table:
        return Table(
            path,
            columns=columns,
            separator=None,
            header=True,
            time_unit="s",
            items=None,
            item_columns={},
            list_separator="|",
        )

    names = {"user_id": "user", "item_id": "movie", "timestamp": "time", "rating": "rating"}
    sources: dict[str, Callable[[], Source]] = {
        "pairs": lambda: Sequences(path, layout="pairs", separator=" "),
        "ratings": lambda: table(names),
        "simulated": lambda: table({name: name for name in ("user_id", "item_id", "timestamp")}),
    }
    by_time = GlobalTime(valid=0.1, test=0.1, valid_from=None, test_from=None)
    selection = Selection(
        behaviours=None, min_rating=None, history_cap=None, user_core=1, item_core=1
    )
    own = Own()
    before, started = peak_megabytes(), time.process_time()
    prepare(
        sources[case](),
        Path(out),
        selection=selection,
        splitter=by_time if case == "simulated" else LeaveOneOut(),
        extends=None,
        overwrite=False,
        options={},
    )
    seconds, megabytes = time.process_time() - started, peak_megabytes() - before
    found = {"prepare": seconds, "megabytes": megabytes, "own": own.stop()}
    started = time.process_time()
    read(path, case)
    print(json.dumps(found | {"read": time.process_time() - started}))


def read(path: str, case: str) -> None:
    import polars as pl

    if case == "simulated":
        pl.read_parquet(path)
        return
    separator = " " if case == "pairs" else ","
    pl.read_csv(path, separator=separator, has_header=case != "pairs")


def make_ratings(source: str, target: str) -> None:
    import polars as pl

    place = pl.col("chron_pos").fill_null(0)
    ratings = pl.read_csv(source).with_columns(time=956_703_932 + 60 * place)
    ratings.select("user", "movie", "rating", "time").write_csv(target)


def simulate(path: Path, *, rows: int) -> None:
    import polars as pl

    from benchmarks.score_memory import write

    write(path, pl.Series(range(ITEMS)), users=USERS, events=rows // USERS)


class Own:
    """The most memory of the process itself since this was made, in MB, sampled."""

    def __init__(self) -> None:
        self.before = self.most = self.now()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def now(self) -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

    def watch(self) -> None:
        while not self.ended.wait(0.005):
            self.most = max(self.most, self.now())

    def stop(self) -> float:
        self.ended.set()
        self.thread.join()
        return self.most - self.before


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
