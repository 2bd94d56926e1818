"""Which items may be recommended: the catalogue, narrowed by tables of allowed and denied ids."""

from typing import NamedTuple

import numpy as np
import polars as pl

from recsys import tables
from recsys.errors import ConfigError, InputError
from recsys.source.table import files, scan


class Candidates(NamedTuple):
    """Items that may be recommended, and the ids in the filters that the catalogue lacks."""

    items: np.ndarray  # int64, rising catalogue indices
    unknown: int  # ids of the filters, counted once each, that no item has


def choose(catalogue: pl.DataFrame, *, allow: str | None, deny: str | None) -> Candidates:
    """Items of the catalogue that ``allow`` names, or all, without those that ``deny`` names.

    Args:
        catalogue: As in a bundle.
        allow: Path of a table (Parquet, CSV) with a column ``item_id``, or ``None``.
        deny: The same.

    Raises:
        InputError: A table is missing or has no ``item_id``.
        ConfigError: Nothing is left.
    """
    chosen, unknown = np.ones(catalogue.height, dtype=bool), 0
    if allow is not None:
        named, missing = _named(catalogue, path=allow)
        chosen, unknown = chosen & named, unknown + missing
    if deny is not None:
        named, missing = _named(catalogue, path=deny)
        chosen, unknown = chosen & ~named, unknown + missing
    if not chosen.any():
        message = (
            f"allow={allow} and deny={deny} leave none of the {catalogue.height} items of the "
            "bundle: check that their item_id are those of the training data"
        )
        raise ConfigError(message)
    items = np.sort(catalogue[tables.ITEM].to_numpy()[chosen]).astype(np.int64)
    return Candidates(items=items, unknown=unknown)


def lookup(ids: pl.Series, *, catalogue: pl.DataFrame) -> pl.Series:
    """Catalogue index of each id, null where the catalogue does not know it.

    An integer and its text are the same id when the two sides differ in type; ``007`` is not 7.
    """
    known = catalogue.select(tables.ITEM_ID, tables.ITEM)
    asked = ids.alias(tables.ITEM_ID).to_frame()
    if ids.dtype != known[tables.ITEM_ID].dtype:
        text = pl.col(tables.ITEM_ID).cast(pl.String)
        known, asked = known.with_columns(text), asked.with_columns(text)
    return asked.join(known, on=tables.ITEM_ID, how="left", maintain_order="left")[tables.ITEM]


def _named(catalogue: pl.DataFrame, *, path: str) -> tuple[np.ndarray, int]:
    """Which items the table names, and how many of its ids are no item."""
    frame = scan(files(path), separator=None, header=True)
    schema = frame.collect_schema()
    kind = schema.get(tables.ITEM_ID)
    if kind is None or not (kind.is_integer() or kind == pl.String):
        given = ", ".join(f"'{name}' {kind}" for name, kind in schema.items())
        message = (
            f"'{path}' has no column '{tables.ITEM_ID}' of text or integers, it has {given}: "
            "rename or cast the column that holds the ids"
        )
        raise InputError(message)
    ids = frame.select(pl.col(tables.ITEM_ID).drop_nulls().unique()).collect()[tables.ITEM_ID]
    found = lookup(ids, catalogue=catalogue)
    known = found.drop_nulls()
    return catalogue[tables.ITEM].is_in(known.implode()).to_numpy(), found.len() - known.len()
