"""A table of any length comes in: wanted rows go to disk, first as they are, then in numbers.

Both passes hold the distinct ids and a piece of the rows at a time.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys import tables
from recsys.data.events import Events
from recsys.data.numbering import Distinct, Numbering
from recsys.data.selection import Selection
from recsys.errors import InputError
from recsys.parted import Parted, Parting

BEHAVIOURS: Final = 255  # a behaviour is one byte, and 0 is none
KEPT: Final = (*tables.INTERACTIONS, tables.BEHAVIOUR)


class Intake(NamedTuple):
    """The wanted rows of a table on disk, and what it held."""

    parted: Parted  # in the order of the table
    clock: str
    users: Numbering
    items: Numbering
    behaviours: list[str]  # by name
    rows: int  # of the table
    given_users: int  # of the table
    dropped: dict[str, int]  # by rule

    @property
    def kept(self) -> int:
        """Number of wanted rows."""
        return self.rows - sum(self.dropped.values())


def take(pieces: Iterable[pl.DataFrame], path: Path, *, selection: Selection) -> Intake:
    """Writes the wanted rows to ``path`` and learns which ids there are.

    Args:
        pieces: Of a normalised and checked table; at least one row.
        path: The file to write.
        selection: Says which rows are wanted.

    Raises:
        InputError: A rule cannot be used or leaves nothing, ids are decimals in text, or there are
            more behaviours than a byte holds.
    """
    given, kept = _Ids(), _Ids()
    rows, lost, clock = 0, Counter[str](), ""
    with Parting(path, parts=0) as parting:
        for piece in pieces:
            wanted, dropped = selection.rows(piece)
            rows, clock = rows + piece.height, tables.clock(piece.schema)
            lost.update(dropped)
            kept.add(wanted)
            if dropped:
                given.add(piece)
            parting.append(wanted.select(name for name in KEPT if name in wanted.columns))
    given = given if lost else kept
    selection.check(given.behaviours.values() if lost else None, rows=rows, lost=lost)
    return Intake(
        parted=parting.parted,
        clock=clock,
        users=Numbering(kept.users.values()),
        items=Numbering(kept.items.values()),
        behaviours=_named(kept.behaviours.values()),
        rows=rows,
        given_users=given.users.values().len(),
        dropped=dict(lost),
    )


def number(intake: Intake, path: Path, *, parts: int) -> Parted:
    """Writes the same rows in numbers; a part holds all events of its users, parts rise by user.

    Args:
        intake: What was taken.
        path: The file to write.
        parts: Into how many, of equally many users.
    """
    with Parting(path, parts=parts) as parting:
        for piece in intake.parted.each():
            events = _numbered(piece, intake)
            part = events.user.astype(np.int64) * parts // len(intake.users)
            parting.scatter(events.rows(), part=part, wanted=np.ones(parts, dtype=np.bool_))
    return parting.parted


class _Ids:
    """Distinct users, items and behaviours of some rows."""

    def __init__(self) -> None:
        self.users, self.items, self.behaviours = Distinct(), Distinct(), Distinct()

    def add(self, rows: pl.DataFrame) -> None:
        """Looks at further rows."""
        self.users.add(rows[tables.USER_ID])
        self.items.add(rows[tables.ITEM_ID])
        self.behaviours.add(_behaviours(rows))


def _behaviours(rows: pl.DataFrame) -> pl.Series:
    """Names of the behaviours; null throughout where the table has none."""
    if tables.BEHAVIOUR in rows.columns:
        return rows[tables.BEHAVIOUR]
    return pl.repeat(None, rows.height, dtype=pl.String, eager=True)


def _named(distinct: pl.Series) -> list[str]:
    names = distinct.drop_nulls().sort()
    if names.len() > BEHAVIOURS:
        message = (
            f"{tables.BEHAVIOUR} has {names.len()} values, such as '{names[0]}', but at most "
            f"{BEHAVIOURS} are possible: choose another column or keep fewer with behaviours=[...]"
        )
        raise InputError(message)
    return names.to_list()


def _numbered(rows: pl.DataFrame, intake: Intake) -> Events:
    return Events(
        user=intake.users.places(rows[tables.USER_ID]),
        item=intake.items.places(rows[tables.ITEM_ID]),
        tick=rows[tables.TIMESTAMP].cast(pl.Int64).to_numpy(),
        behaviour=_coded(_behaviours(rows), names=intake.behaviours),
    )


def _coded(behaviours: pl.Series, *, names: list[str]) -> NDArray[np.uint8]:
    place = behaviours.cast(pl.Enum(names)).to_physical().cast(pl.Int16) + 1
    return place.fill_null(0).cast(pl.UInt8).to_numpy()
