"""Lists of all users of a part: the bundle asked batch by batch, the answer as one table."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import polars as pl

from recsys import tables
from recsys.errors import ArtifactError
from recsys.runtime import Bundle, Recommendations
from recsys.scoring.histories import Histories, batches, events, seen_items


class Question(NamedTuple):
    """What is asked of the bundle for every user."""

    candidates: np.ndarray  # int64, rising catalogue indices
    k: int
    exclude_seen: bool
    batch_size: int  # users asked about at once
    tile: int | None  # candidates read at once; None for all
    threads: int  # batches at once


def recommend(bundle: Bundle, histories: Histories, *, question: Question) -> Recommendations:
    """Lists of all users, in their order; batches run beside each other, one thread each."""
    groups = batches(histories, history=bundle.history, size=question.batch_size)

    def ask(users: np.ndarray) -> Recommendations:
        excluded = np.zeros((len(users), 1), dtype=np.int64)
        return bundle.recommend(
            bundle.encode(events(histories, users, history=bundle.history)),
            candidates=question.candidates,
            excluded=seen_items(histories, users) if question.exclude_seen else excluded,
            k=question.k,
            tile=question.tile,
        )

    with ThreadPoolExecutor(question.threads) as pool:
        found = list(pool.map(ask, groups))
    return _in_order(found, order=np.concatenate(groups))


def as_table(users: pl.Series, lists: Recommendations, *, item_ids: pl.Series) -> pl.DataFrame:
    """A row for each recommendation: ``user_id, rank, item_id, score``, with reasons ``because``.

    Args:
        users: As many as there are lists.
        lists: Places with item 0 give no row.
        item_ids: By catalogue index; null at 0.

    Raises:
        ArtifactError: A score is no number, as a model that diverged gives.
    """
    row, place = np.nonzero(lists.items)
    if not np.isfinite(lists.scores[row, place]).all():
        message = "the bundle gives scores that are no numbers: train again and export that run"
        raise ArtifactError(message)
    columns = {
        tables.USER_ID: users.gather(row),
        tables.RANK: pl.Series(place + 1, dtype=pl.Int32),
        tables.ITEM_ID: item_ids.gather(lists.items[row, place]),
        tables.SCORE: pl.Series(lists.scores[row, place], dtype=pl.Float32),
    }
    if lists.because_items is not None and lists.because_weights is not None:
        items, weights = lists.because_items[row, place], lists.because_weights[row, place]
        columns[tables.BECAUSE] = _reasons(items, weights, item_ids=item_ids)
    return pl.DataFrame(columns)


def _reasons(items: np.ndarray, weights: np.ndarray, *, item_ids: pl.Series) -> pl.Series:
    """``[row, reason]`` as lists of item_id and weight, without the empty places.

    (Lists cut from a rectangle: 3 times quicker than a group by, 15 times than dropping nulls.)
    """
    last = np.argsort(items == 0, axis=1, kind="stable")
    items, weights = np.take_along_axis(items, last, 1), np.take_along_axis(weights, last, 1)
    flat = pl.DataFrame(
        {
            tables.ITEM_ID: item_ids.gather(items.ravel()),
            tables.WEIGHT: pl.Series(weights.ravel(), dtype=pl.Float32),
        }
    ).to_struct()
    full = flat.reshape(items.shape).arr.to_list() if len(items) else flat.implode().clear()
    counted = pl.DataFrame({tables.BECAUSE: full, tables.COUNT: (items > 0).sum(axis=1)})
    return counted.select(pl.col(tables.BECAUSE).list.head(tables.COUNT)).to_series()


def _in_order(found: Sequence[Recommendations], *, order: np.ndarray) -> Recommendations:
    """Batches joined, each user at its own place."""
    back = np.empty_like(order)
    back[order] = np.arange(len(order))

    def joined(arrays: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(_equally_wide(arrays))[back]

    reasons = [batch.because_items for batch in found if batch.because_items is not None]
    weights = [batch.because_weights for batch in found if batch.because_weights is not None]
    return Recommendations(
        items=joined([batch.items for batch in found]),
        scores=joined([batch.scores for batch in found]),
        because_items=joined(reasons) if reasons else None,
        because_weights=joined(weights) if weights else None,
    )


def _equally_wide(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Zeros at the end of the last axis where a batch of short histories gave fewer reasons."""
    width = max(array.shape[-1] for array in arrays)
    return [
        np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, width - array.shape[-1])])
        for array in arrays
    ]
