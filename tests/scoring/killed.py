"""A scoring job on the tiny bundle that kills itself the moment it touches a certain file.

    python -m tests.scoring.killed FOLDER [EVENT PATTERN | NUMBER]

EVENT is one of the audit events of Python below, and the kill comes before it happens to a path in
FOLDER that ends with PATTERN; or before the NUMBER-th of all such events. Without either, the job
runs to its end and prints how many there were.
"""

import errno
import os
import signal
import sys
from pathlib import Path

import polars as pl

from recsys import runtime
from recsys.engine.local import Local
from recsys.scoring.checks import Limits
from recsys.scoring.job import Output, Result, Standard, score
from recsys.scoring.plan import Options
from recsys.scoring.shard import WHOLE, Shard
from recsys.sink.parquet import Parquet
from recsys.source.table import Table

EVENTS = ("open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree")
STRICT = Limits(short=None, uncovered=None, repeated=0, seen=0, drift=None, users_lost=None)
STANDARD = Standard(STRICT, max_quarantined=0.5, yesterday=None)
OPTIONS = Options(
    k=4,
    seen="exclude",
    allow=None,
    deny=None,
    rerank=None,
    quota=None,
    category="categories",
    road="full",
    batch_size=8,
    tile=None,
    threads=1,
    part_rows=60,
)


def table(path: Path) -> Table:
    """A source as ``histories=`` makes it."""
    names = ("user_id", "item_id", "timestamp")
    return Table(
        str(path),
        columns={name: name for name in names},
        separator=None,
        header=True,
        time_unit="s",
        items=None,
        item_columns={},
        list_separator="|",
    )


def job(folder: Path, *, out: str = "out", **changes: object) -> Result:
    """Scores ``FOLDER/histories.parquet`` with ``FOLDER/bundle`` to ``FOLDER/out``."""
    settings = {
        "options": OPTIONS,
        "standard": STANDARD,
        "engine": Local(),
        "shard": WHOLE,
        "sink": Parquet(),
        "restart": False,
        "overwrite": True,
    } | changes
    sink, overwrite, restart = (settings.pop(name) for name in ("sink", "overwrite", "restart"))
    return score(
        lambda: runtime.load(folder / "bundle", graphs=("encode", "recommend"), device="cpu"),
        table(folder / "histories.parquet"),
        Output(folder / out, sink, overwrite=overwrite, restart=restart),
        **settings,
    )


class Deadly(Parquet):
    """A sink that ends the process which uses it."""

    def encode(self, table: pl.DataFrame) -> bytes:
        os._exit(1)


class Full(Parquet):
    """A sink for which there is no room."""

    def encode(self, table: pl.DataFrame) -> bytes:
        raise OSError(errno.ENOSPC, "no room on the disk")


class Killer:
    """An audit hook that counts what happens below a folder."""

    def __init__(self, folder: Path, when: list[str]) -> None:
        self.folder, self.when, self.count = str(folder), when, 0

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        if event not in EVENTS or not any(str(arg).startswith(self.folder) for arg in args[:2]):
            return
        self.count += 1
        if self.when == [str(self.count)] or self._meant(event, args):
            os.kill(os.getpid(), signal.SIGKILL)

    def _meant(self, event: str, args: tuple[object, ...]) -> bool:
        if len(self.when) < 2 or event != self.when[0]:
            return False
        return any(str(arg).endswith(self.when[1]) for arg in args[:2])


def main() -> None:
    folder = Path(sys.argv[1])
    shard = os.environ.get("SHARD")
    changes = {"shard": Shard(*map(int, shard.split("/")))} if shard else {}
    killer = Killer(folder, sys.argv[2:])
    sys.addaudithook(killer)
    job(folder, **changes)
    sys.stdout.write(f"{killer.count}\n")


if __name__ == "__main__":
    main()
