"""Interactions parted by user, in bounded memory: one pass over the table fills one file.

The part of a row is a hash of its user, so a part holds all rows of its users; an index of the file
is written last. The hash is that of polars, which a new version may change: ``PROBE`` goes into
whatever compares two jobs.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from recsys import tables
from recsys.errors import InputError
from recsys.folder import write_whole
from recsys.parted import Parted, Parting, pieces
from recsys.scoring.rows import WHY, judged

PROBE: Final = [int(pl.Series([given]).hash(seed=0)[0]) for given in ("recsys", 1)]
KEPT: Final = (tables.USER_ID, tables.ITEM_ID, tables.TIMESTAMP, tables.BEHAVIOUR, tables.FAULT)


class Spill(NamedTuple):
    """Some parts of a table, on disk; read one at a time."""

    parted: Parted  # rows have ``why`` where they are no events
    job: str  # that it was made for
    parts: tuple[int, ...]  # that were asked for
    text_users: bool  # else they are integers


def count(frame: pl.LazyFrame) -> int:
    """Rows of a table.

    Raises:
        InputError: There are none.
    """
    rows: int = frame.select(pl.len()).collect(engine="streaming").item()
    if not rows:
        message = "histories hold no interaction: give a table with at least one row"
        raise InputError(message)
    return rows


def spill(
    frame: pl.LazyFrame,
    path: Path,
    *,
    job: str,
    parts: int,
    wanted: Collection[int],
    tolerated: float,
) -> None:
    """Writes the wanted ones of ``parts`` parts to ``path``, then their index beside it.

    Every row of the table is looked at, whichever parts are wanted, so that all shards of a job
    come to the same verdict.

    Args:
        frame: As :func:`recsys.tables.interactions` returns it.
        path: The file to write.
        job: Name of the job, for the index.
        parts: All rows of a user are in one part however many there are.
        wanted: Parts from 0.
        tolerated: Share of the rows that may be unusable.

    Raises:
        InputError: More rows than that have no user, item or readable time.
    """
    path.with_suffix(".json").unlink(missing_ok=True)
    asked = np.isin(np.arange(parts), list(wanted))
    rows = bad = 0
    text_users, first_bad = False, None
    with Parting(path, parts=parts) as filling:
        for piece in pieces(_needed(frame)):
            piece = judged(piece)
            unusable = piece[WHY].is_not_null()
            rows, bad = rows + piece.height, bad + int(unusable.sum())
            first_bad = piece if first_bad is None and bad else first_bad
            text_users = text_users or not _plain(piece.filter(~unusable)[tables.USER_ID])
            part = (piece[tables.USER_ID].hash(seed=0) % parts).to_numpy()
            filling.scatter(piece, part=part, wanted=asked)
    if first_bad is not None and bad > tolerated * rows:
        _refuse(first_bad, bad=bad, rows=rows, tolerated=tolerated)
    index = {
        "job": job,
        "parts": sorted(wanted),
        "edges": filling.edges,
        "sums": filling.sums,
        "text_users": text_users,
    }
    write_whole(path.with_suffix(".json"), json.dumps(index).encode())


def found(path: Path) -> Spill | None:
    """What :func:`spill` has written to ``path``; nothing where it did not come to its end."""
    index = path.with_suffix(".json")
    if not index.is_file():
        return None
    said: dict[str, Any] = json.loads(index.read_bytes())
    parted = Parted(path, said["edges"], said["sums"], remedy="run again with restart=true")
    return Spill(parted, said["job"], tuple(said["parts"]), said["text_users"])


def _needed(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The table without the columns that no list depends on."""
    names = frame.collect_schema().names()
    return frame.select(name for name in KEPT if name in names)


def _plain(users: pl.Series) -> bool:
    """Whether every user is an integer or its text as it is printed; then they are integers."""
    return not users.len() or tables.canonical(users).dtype != pl.String


def _refuse(piece: pl.DataFrame, *, bad: int, rows: int, tolerated: float) -> None:
    """Says what is wrong with the first bad rows, in the words of every other stage."""
    limit = f"{bad} of {rows} rows cannot be used, max_quarantined={tolerated}"
    try:
        tables.check(piece)
    except InputError as error:
        message = f"{error} ({limit})"
        raise InputError(message) from None
    reason = piece[WHY].drop_nulls()[0]
    message = f"{limit}, the first because of '{reason}': correct or drop them, or raise it"
    raise InputError(message)
