"""The items: which index stands for which item_id, how often it was trained on, what it is."""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.errors import InputError
from recsys.tables import COUNT, ITEM, ITEM_ID


def number(item_ids: pl.Series, *, extends: Path | None) -> pl.DataFrame:
    """``item`` (Int32, from 1) and ``item_id`` for these distinct ids; 0 stays for padding.

    A fresh catalogue is sorted by id. One that ``extends`` an older keeps all of its indices, also
    of items that are gone, and appends the new ids, sorted: ids are never renumbered.

    Raises:
        InputError: There is no such catalogue, or its ids are of another type.
    """
    fresh = item_ids.rename(ITEM_ID).sort()
    if extends is not None:
        known = _known(extends)[ITEM_ID]
        if known.dtype == pl.String:
            fresh = fresh.cast(pl.String).sort()
        if known.dtype != fresh.dtype:
            message = (
                f"{ITEM_ID} is {fresh.dtype} but {known.dtype} in the catalogue '{extends}': "
                "prepare without extends or write the ids as before"
            )
            raise InputError(message)
        fresh = known.append(fresh.filter(~fresh.is_in(known.implode())))
    return pl.DataFrame({ITEM: np.arange(1, fresh.len() + 1, dtype=np.int32), ITEM_ID: fresh})


def indices(catalogue: pl.DataFrame, item_ids: pl.Series) -> NDArray[np.int32]:
    """The index of each of these ids; 0 for one that is not in the catalogue."""
    ids = item_ids.rename(ITEM_ID).cast(catalogue.schema[ITEM_ID]).to_frame()
    found = ids.join(catalogue, on=ITEM_ID, how="left", maintain_order="left")
    return found[ITEM].fill_null(0).to_numpy()


def describe(
    catalogue: pl.DataFrame,
    *,
    counts: NDArray[np.int64],
    features: pl.DataFrame | None,
    extends: Path | None,
) -> pl.DataFrame:
    """The catalogue with ``count`` and, where known, title, categories and other columns.

    Args:
        catalogue: From :func:`number`.
        counts: Training events of each item, by index - 1.
        features: One row an item with ``item_id``; items of no interaction are left out.
        extends: The older catalogue, whose features stand where the new ones say nothing.

    Raises:
        InputError: The features have no ``item_id``, or name an item twice.
    """
    described = catalogue.with_columns(pl.Series(COUNT, counts, dtype=pl.Int64))
    known = [_matched(features, catalogue)] if features is not None else []
    if extends is not None:
        known.append(_known(extends).drop(ITEM, COUNT))
    if not known:
        return described
    newest = pl.concat(known, how="diagonal_relaxed").unique(
        ITEM_ID, keep="first", maintain_order=True
    )
    return described.join(newest, on=ITEM_ID, how="left", maintain_order="left")


def _matched(features: pl.DataFrame, catalogue: pl.DataFrame) -> pl.DataFrame:
    """The features of the catalogue's items, with ids of its type."""
    if ITEM_ID not in features.columns:
        message = f"the items table has no column '{ITEM_ID}': name it in source.item_columns"
        raise InputError(message)
    ids = pl.col(ITEM_ID).cast(catalogue.schema[ITEM_ID], strict=False)
    matched = features.with_columns(ids).join(catalogue.select(ITEM_ID), on=ITEM_ID, how="semi")
    twice = matched.filter(pl.col(ITEM_ID).is_duplicated())
    if twice.height:
        value = twice[ITEM_ID][0]
        message = f"{ITEM_ID} '{value}' has several rows in the items table: keep one row an item"
        raise InputError(message)
    return matched.drop(ITEM, COUNT, strict=False)


def _known(extends: Path) -> pl.DataFrame:
    if not extends.is_file():
        message = f"extends='{extends}' is no file: give the catalogue.parquet to extend"
        raise InputError(message)
    return pl.read_parquet(extends)
