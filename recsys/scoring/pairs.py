"""Tables that name items for some users alone: what one may not get, or what only one may get."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from recsys import tables
from recsys.scoring.ragged import Ragged, ragged

TABLE: Final = "table"
PLACE: Final = "place"


class Pairs(NamedTuple):
    """Users and the catalogue indices that tables name for them.

    ``rows`` has a user_id as it was given, ``item`` and ``table``, all distinct. Item 0 is an id
    that the catalogue lacks: it says that the user is named, and nothing else. Takes about 24 bytes
    a row for as long as the job runs.
    """

    rows: pl.DataFrame
    tables: int  # how many were read

    def of(self, users: pl.Series) -> "Named":
        """What the tables name for each of these users: items of any of the tables."""
        found = self._found(users)
        return _named(found, users=users.len(), item=found[tables.ITEM] > 0)

    def of_all(self, users: pl.Series, *, last: bool) -> "Named":
        """The same, of items that every table that names the user also names for it.

        With ``last`` the last table names everybody, some for nothing.
        """
        found = self._found(users)
        named = pl.col(TABLE).n_unique().over(PLACE)
        agreed = pl.col(TABLE).n_unique().over(PLACE, tables.ITEM)
        alike = (pl.col(tables.ITEM) > 0) & (named == agreed)
        if last:
            alike &= pl.col(TABLE).max().over(PLACE, tables.ITEM) == self.tables - 1
        given = _named(found, users=users.len(), item=found.select(alike).to_series())
        return given._replace(users=given.users | last)

    def _found(self, users: pl.Series) -> pl.DataFrame:
        """Rows of these users with the user's place; ids of two types meet as text."""
        rows, asked = self.rows, users.alias(tables.USER_ID).to_frame().with_row_index(PLACE)
        if asked[tables.USER_ID].dtype != rows[tables.USER_ID].dtype:
            text = pl.col(tables.USER_ID).cast(pl.String)
            rows, asked = rows.with_columns(text), asked.with_columns(text)
        return asked.join(rows, on=tables.USER_ID)


class Named(NamedTuple):
    """What some users are named for."""

    items: Ragged
    users: np.ndarray  # bool [user]: named at all, if only for items that the catalogue lacks


def gather(parts: Sequence[pl.DataFrame]) -> Pairs:
    """One table of many, each with user_id and ``item``; ids of different types become text."""
    if len({part[tables.USER_ID].dtype for part in parts}) > 1:
        parts = [part.with_columns(pl.col(tables.USER_ID).cast(pl.String)) for part in parts]
    numbered = [
        part.unique().with_columns(pl.lit(place).alias(TABLE)) for place, part in enumerate(parts)
    ]
    return Pairs(pl.concat(numbered), tables=len(parts))


def _named(found: pl.DataFrame, *, users: int, item: pl.Series) -> Named:
    """``item`` says which of the rows name an item."""
    there = np.zeros(users, dtype=bool)
    there[found[PLACE].to_numpy()] = True
    kept = found.filter(item).select(PLACE, tables.ITEM).unique().sort(PLACE, tables.ITEM)
    return Named(ragged(kept[PLACE].to_numpy(), kept[tables.ITEM].to_numpy(), users=users), there)
