"""CPU seconds and memory of preparing MovieLens-1M, beside merely reading the same file.

    python benchmarks/prepare.py DATASETS/ml-1m

The folder holds ``ml-1m_sas.txt.gz`` (pairs in order of time) and ``ratings_untimed.csv.gz``, from
which a plain CSV of ratings with times is made first; its times are the places in each user's
order, a minute apart. Each case is a process of its own; imports are not counted.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

CASES = ("pairs", "ratings")


def main() -> None:
    if sys.argv[1] == "--child":
        measure(*sys.argv[2:])
        return
    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as work:
        files = {"pairs": folder / "ml-1m_sas.txt.gz", "ratings": Path(work) / "ratings.csv"}
        child("make", folder / "ratings_untimed.csv.gz", files["ratings"])
        print(f"{'case':<8} {'read CPU s':>10} {'prepare CPU s':>13} {'ratio':>6} {'RSS + MB':>8}")
        for case in CASES:
            found = json.loads(child(case, files[case], Path(work) / case))
            ratio = found["prepare"] / found["read"]
            print(f"{case:<8} {found['read']:>10.2f} {found['prepare']:>13.2f}", end=" ")
            print(f"{ratio:>6.1f} {found['megabytes']:>8.0f}")


def child(case: str, source: Path, out: Path) -> str:
    command = [sys.executable, __file__, "--child", case, str(source), str(out)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def measure(case: str, path: str, out: str) -> None:
    if case == "make":
        make_ratings(path, out)
        return
    from recsys.data.selection import Selection
    from recsys.data.split import LeaveOneOut
    from recsys.prepare import prepare
    from recsys.source.contract import Source
    from recsys.source.sequences import Sequences
    from recsys.source.table import Table

    names = {"user_id": "user", "item_id": "movie", "timestamp": "time", "rating": "rating"}
    sources: dict[str, Callable[[], Source]] = {
        "pairs": lambda: Sequences(path, layout="pairs", separator=" "),
        "ratings": lambda: Table(
            path,
            columns=names,
            separator=None,
            header=True,
            time_unit="s",
            items=None,
            item_columns={},
            list_separator="|",
        ),
    }
    selection = Selection(
        behaviours=None, min_rating=None, history_cap=None, user_core=1, item_core=1
    )
    before, started = peak_megabytes(), time.process_time()
    prepare(
        sources[case](),
        Path(out),
        selection=selection,
        splitter=LeaveOneOut(),
        extends=None,
        overwrite=False,
        options={},
    )
    seconds, megabytes = time.process_time() - started, peak_megabytes() - before
    started = time.process_time()
    read(path, case)
    found = {"prepare": seconds, "megabytes": megabytes, "read": time.process_time() - started}
    print(json.dumps(found))


def read(path: str, case: str) -> None:
    import polars as pl

    separator = " " if case == "pairs" else ","
    pl.read_csv(path, separator=separator, has_header=case != "pairs")


def make_ratings(source: str, target: str) -> None:
    import polars as pl

    place = pl.col("chron_pos").fill_null(0)
    ratings = pl.read_csv(source).with_columns(time=956_703_932 + 60 * place)
    ratings.select("user", "movie", "rating", "time").write_csv(target)


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
