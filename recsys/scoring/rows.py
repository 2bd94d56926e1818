"""Which rows of a table are events, what becomes of the others, and the numbers the rest turn into.

A row without a user, an item or a readable time is no event and tells of no user: it is set aside
with the reason. A row whose item or behaviour training did not know is no event either, but names
a user, who gets a list.
"""

from typing import Final, NamedTuple

import polars as pl

from recsys import tables
from recsys.scoring.candidates import lookup
from recsys.timestamps import ORDER

WHY: Final = "why"
LONGEST_ID: Final = 1024  # bytes; longer is no id but a text that slipped a column
EARLIEST, LATEST = pl.datetime(1900, 1, 1), pl.datetime(2200, 1, 1)
LARGEST_ORDER: Final = 2**62  # differences of two of them are numbers still
EXAMPLES: Final = 5  # unknown ids that the summary names
REASONS: Final = ("no user", "no item", "id too long", "no time", "time out of range")


class Codes(NamedTuple):
    """How the ids and names of a table become the numbers that the bundle was trained with."""

    catalogue: pl.DataFrame
    behaviours: tuple[str, ...]  # empty where training knew none; then they are not looked at
    text_users: bool  # users come out as text, else as integers


class Counts(NamedTuple):
    """What some rows held."""

    interactions: int = 0
    unknown_item_rows: int = 0  # the catalogue lacks their item
    unknown_behaviour_rows: int = 0  # of known items, but training kept no such behaviour
    quarantined_rows: int = 0  # no event at all
    unknown_items: tuple[object, ...] = ()  # the first of their ids


class Coded(NamedTuple):
    """Rows in numbers, rows set aside, and how many there were of each."""

    rows: pl.DataFrame  # user_id, item (0 where it cannot be used), timestamp, behaviour
    aside: pl.DataFrame  # user_id, item_id, timestamp as text, why
    counts: Counts


def judged(chunk: pl.DataFrame) -> pl.DataFrame:
    """The same rows with ``why``, one of ``REASONS`` or null for an event.

    Args:
        chunk: Of a table as :func:`recsys.tables.interactions` returns it.
    """
    user, item, moment = (pl.col(name) for name in tables.INTERACTIONS)
    if tables.clock(chunk.schema) == ORDER:
        strange = (moment > LARGEST_ORDER) | (moment < -LARGEST_ORDER)
    else:
        strange = (moment < EARLIEST) | (moment >= LATEST)
    long = [
        pl.col(name).str.len_bytes() > LONGEST_ID
        for name in (tables.USER_ID, tables.ITEM_ID)
        if chunk.schema[name] == pl.String
    ]
    tests = (
        user.is_null(),
        item.is_null(),
        pl.any_horizontal(False, *long),
        moment.is_null(),
        strange,
    )
    reasons = [pl.when(test).then(pl.lit(why)) for test, why in zip(tests, REASONS, strict=True)]
    return chunk.with_columns(pl.coalesce(*reasons).alias(WHY))


def code(chunk: pl.DataFrame, *, codes: Codes) -> Coded:
    """Judged rows in numbers; an item or behaviour that training did not know makes ``item`` 0."""
    aside = chunk.filter(pl.col(WHY).is_not_null())
    good = chunk.filter(pl.col(WHY).is_null())
    text_items = codes.catalogue[tables.ITEM_ID].dtype == pl.String
    ids = good[tables.ITEM_ID] if text_items else tables.canonical(good[tables.ITEM_ID])
    item = lookup(ids, catalogue=codes.catalogue)
    strange = good[tables.ITEM_ID].filter(item.is_null())
    behaviour = _behaviour(good, behaviours=codes.behaviours)
    kept = item.is_not_null() & behaviour.is_not_null()
    rows = good.select(
        pl.col(tables.USER_ID).cast(pl.String if codes.text_users else pl.Int64),
        item.fill_null(0).zip_with(kept, pl.Series([0], dtype=item.dtype)).alias(tables.ITEM),
        pl.col(tables.TIMESTAMP),
        behaviour.fill_null(0).alias(tables.BEHAVIOUR),
    )
    counts = Counts(
        interactions=chunk.height,
        unknown_item_rows=strange.len(),
        unknown_behaviour_rows=good.height - int(kept.sum()) - strange.len(),
        quarantined_rows=aside.height,
        unknown_items=tuple(strange.unique(maintain_order=True).head(EXAMPLES)),
    )
    return Coded(rows=rows, aside=_as_text(aside), counts=counts)


def _as_text(aside: pl.DataFrame) -> pl.DataFrame:
    """Rows set aside as people can look for them; a time that could not be read as it was given."""
    given = [pl.col(name) for name in (tables.TIMESTAMP, tables.FAULT) if name in aside.columns]
    return aside.select(
        pl.col(tables.USER_ID).cast(pl.String).str.head(LONGEST_ID),
        pl.col(tables.ITEM_ID).cast(pl.String).str.head(LONGEST_ID),
        pl.coalesce(column.cast(pl.String) for column in given).alias(tables.TIMESTAMP),
        pl.col(WHY),
    )


def _behaviour(chunk: pl.DataFrame, *, behaviours: tuple[str, ...]) -> pl.Series:
    """0 where none is given, null where training did not know it."""
    if tables.BEHAVIOUR not in chunk.columns or not behaviours:
        return pl.repeat(0, chunk.height, dtype=pl.UInt8, eager=True)
    places = range(1, len(behaviours) + 1)
    given = chunk[tables.BEHAVIOUR]
    code = given.replace_strict(behaviours, places, default=None, return_dtype=pl.UInt8)
    return code.zip_with(given.is_not_null(), pl.Series([0], dtype=pl.UInt8))
