"""At most so many of a category in a list: the best that may stand together, taken from the top."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from recsys import tables
from recsys.errors import ConfigError, InputError
from recsys.runtime import Recommendations
from recsys.scoring.candidates import identified, lookup

DEEPER: Final = 4  # times as many candidates are asked for as have been


class Quotas(NamedTuple):
    """How many items of each category a list may hold, and the categories of each item.

    Category 0 is none: it has no limit and fills up rows.
    """

    limit: np.ndarray  # int64 [category]
    categories: np.ndarray  # int64 [item + 1, place]


def read_quotas(catalogue: pl.DataFrame, *, quota: int | None, category: str) -> Quotas | None:
    """The limits that ``quota`` and ``category`` set; none where ``quota`` is ``None``.

    Args:
        catalogue: As in a bundle.
        quota: The most items of one category in a list.
        category: A column of the catalogue, text or lists of text, or the path of a table with
            columns ``item_id`` and ``category``. An item may have several, which all count.

    Raises:
        ConfigError: The quota is no whole number of at least 1.
        InputError: There is no such column and no such table.
    """
    if quota is None:
        return None
    if not isinstance(quota, int) or quota < 1:
        message = f"quota is a whole number of at least 1, but is {quota}: set quota=1 or more"
        raise ConfigError(message)
    pairs = _pairs(catalogue, category).drop_nulls().unique().sort(tables.ITEM, tables.CATEGORY)
    code = pairs[tables.CATEGORY].rank("dense").to_numpy().astype(np.int64)
    item = pairs[tables.ITEM].to_numpy()
    place = np.arange(len(item)) - np.searchsorted(item, item)
    categories = np.zeros((catalogue.height + 1, int(place.max(initial=0)) + 1), dtype=np.int64)
    categories[item, place] = code
    limit = np.full(int(code.max(initial=0)) + 1, quota)
    limit[0] = np.iinfo(np.int64).max
    return Quotas(limit, categories)


def within(quotas: Quotas, lists: Recommendations, *, k: int) -> Recommendations:
    """From the top of each list, whatever still has room in all of its categories, up to ``k``."""
    users, depth = lists.items.shape
    count = np.zeros((users, len(quotas.limit)), dtype=np.int64)
    taken = np.zeros((users, depth), dtype=bool)
    row, length = np.arange(users)[:, None], np.zeros(users, dtype=np.int64)
    for place in range(depth):
        item = lists.items[:, place]
        its = quotas.categories[item]
        room = (count[row, its] < quotas.limit[its]).all(axis=1)
        take = (item > 0) & room & (length < k)
        taken[:, place], length = take, length + take
        np.add.at(count, (row, its), take[:, None] & (its > 0))
    first = np.argsort(~taken, axis=1, kind="stable")[:, :k]
    kept = _chosen(lists, first)
    return kept._replace(items=np.where(np.take_along_axis(taken, first, axis=1), kept.items, 0))


def filled(
    quotas: Quotas, ask: Callable[[int], Recommendations], *, k: int, candidates: int
) -> Recommendations:
    """Lists of ``k`` within the quotas, as if every candidate had been ranked.

    Args:
        quotas: Of the catalogue.
        ask: The best so many of each user.
        k: Length of the lists.
        candidates: How many there are to ask for.
    """
    depth = k
    while True:
        depth = min(depth * DEEPER, max(candidates, 1))
        lists = ask(depth)
        found = within(quotas, lists, k=k)
        full = (found.items > 0).sum(axis=1) == min(k, found.items.shape[1])
        if depth >= candidates or (full | (lists.items[:, -1] == 0)).all():
            return found


def _chosen(lists: Recommendations, place: np.ndarray) -> Recommendations:
    """Other places of the lists, with their scores and reasons."""
    because, weights = lists.because_items, lists.because_weights
    return Recommendations(
        items=np.take_along_axis(lists.items, place, axis=1),
        scores=np.take_along_axis(lists.scores, place, axis=1),
        because_items=None if because is None else _along(because, place),
        because_weights=None if weights is None else _along(weights, place),
    )


def _along(reasons: np.ndarray, place: np.ndarray) -> np.ndarray:
    return np.take_along_axis(reasons, place[:, :, None], axis=1)


def _pairs(catalogue: pl.DataFrame, category: str) -> pl.DataFrame:
    """``item`` and ``category``, one row for each category of an item."""
    if category in catalogue.columns:
        pairs = catalogue.select(tables.ITEM, pl.col(category).alias(tables.CATEGORY))
        listed = isinstance(pairs.schema[tables.CATEGORY], pl.List)
        return pairs.explode(tables.CATEGORY) if listed else pairs
    try:
        frame = identified(category, tables.ITEM_ID, tables.CATEGORY).collect()
    except InputError as error:
        columns = ", ".join(catalogue.columns)
        message = f"category='{category}' is no column of the catalogue ({columns}): {error}"
        raise InputError(message) from error
    found = lookup(frame[tables.ITEM_ID], catalogue=catalogue).alias(tables.ITEM)
    return frame.select(found, tables.CATEGORY)
