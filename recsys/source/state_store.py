"""Interactions out of the online service's own file, while the service goes on writing to it.

The embedded store logs every event in one SQLite file. One read transaction copies the log, as it
stood at one moment, into Parquet files; whoever reads this source reads those, as often as need be.
"""

import atexit
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import polars as pl

from recsys import tables
from recsys.errors import InputError
from recsys.folder import fingerprint, published

ROWS: Final = 250_000  # in memory at once
READ: Final = "SELECT user, item, time, behaviour FROM events ORDER BY user, position"
SCHEMA: Final = {
    tables.USER_ID: pl.String,
    tables.ITEM_ID: pl.String,
    tables.TIMESTAMP: pl.Int64,
    tables.BEHAVIOUR: pl.String,
}


class StateStore:
    """The event log of an embedded state store.

    Args:
        path: The store's file.
        time_unit: ``s``, or ``order`` where the service logs an order.
        snapshot: Folder that keeps the copy, or is it where it exists already, so that a job which
            was killed goes on with the same events; null makes a copy that ends with the process.
    """

    def __init__(self, path: str, *, time_unit: str, snapshot: str | None) -> None:
        self.path, self.time_unit = Path(path), time_unit
        self._kept = None if snapshot is None else Path(snapshot)
        self._own: Path | None = None

    def interactions(self) -> pl.LazyFrame:
        """One row an event, user after user, each user's in the order of the log.

        Raises:
            InputError: There is no such file, or it is no state store or holds no event.
        """
        return tables.interactions(pl.scan_parquet(self._files()), time_unit=self.time_unit)

    def items(self) -> None:
        """Nothing is known about the items."""
        return

    def describe(self) -> dict[str, Any]:
        """Path, and the checksums of the copy: another moment is another input."""
        return {
            "kind": "state_store",
            "path": str(self.path),
            "files": {file.name: fingerprint(file) for file in self._files()},
            "time": "order" if self.time_unit == "order" else "seconds",
        }

    def _files(self) -> list[Path]:
        """The copy, made when first asked for."""
        if self._kept is not None:
            if not self._kept.exists():
                with published(self._kept, overwrite=False) as folder:
                    _copy(self.path, folder)
            return sorted(self._kept.glob("*.parquet"))
        if self._own is None:
            self._own = Path(tempfile.mkdtemp(prefix="recsys-snapshot-"))
            atexit.register(shutil.rmtree, self._own, ignore_errors=True)
            _copy(self.path, self._own)
        return sorted(self._own.glob("*.parquet"))


def _copy(path: Path, folder: Path) -> None:
    """Writes the log into files of at most ``ROWS`` events."""
    if not path.is_file():
        message = f"no file at '{path}': set source.path to the file of an embedded state store"
        raise InputError(message)
    made = 0
    try:
        for made, rows in enumerate(_pieces(path), start=1):
            frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
            frame.write_parquet(folder / f"events-{made:05}.parquet")
    except sqlite3.Error as error:
        message = f"'{path}' cannot be read as a state store ({error}): give the store's own file"
        raise InputError(message) from error
    if not made:
        message = f"the state store '{path}' holds no event: nothing can be read from it yet"
        raise InputError(message)


def _pieces(path: Path) -> Iterator[list[tuple[Any, ...]]]:
    """The log at one moment; a read transaction lets writers go on."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        connection.execute("BEGIN")
        cursor = connection.execute(READ)
        while rows := cursor.fetchmany(ROWS):
            yield rows
