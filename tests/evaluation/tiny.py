"""Small data sets in memory, whose right answers can be said beforehand."""

from pathlib import Path

import numpy as np
import polars as pl

from recsys.data.histories import Histories
from recsys.data.prepared import Prepared
from recsys.data.split import LeaveOneOut, training_events
from recsys.tables import COUNT, ITEM, ITEM_ID, USER_ID


def prepared(histories, *, items, times=None, splitter=None):
    """These lists of items 1..items, by default leave-one-out; names are u0, ... and i1, ..."""
    item = np.concatenate([np.asarray(history, dtype=np.int32) for history in histories])
    length = np.array([len(history) for history in histories])
    offset = np.concatenate([[0], length.cumsum()]).astype(np.int64)
    order = np.arange(len(item)) - np.repeat(offset[:-1], length) + 1
    time = order if times is None else np.concatenate(times)
    events = Histories(offset, item, time.astype(np.int64), np.zeros(len(item), dtype=np.uint8))
    split = (splitter or LeaveOneOut()).split(events, clock="order")
    count = np.bincount(item[training_events(split, events)], minlength=items + 1)[1:]
    index = np.arange(1, items + 1, dtype=np.int32)
    names = [f"i{name}" for name in index]
    catalogue = pl.DataFrame({ITEM: index, ITEM_ID: names, COUNT: count})
    users = pl.Series(USER_ID, [f"u{user}" for user in range(len(histories))])
    manifest = {"behaviours": [], "time": "order", "checksum": "tiny"}
    return Prepared(Path("tiny"), catalogue, users, events, split, manifest)


def checkerboard(*, side):
    """Two parities of ``side`` items; a user has all of one, in a circle begun at any place.

    The last event of each user is the only item of the own parity that was not seen before, so
    who has learned the parity recommends it first. Every item is equally popular.
    """
    circle = np.arange(2 * side).reshape(side, 2).T + 1  # odd items, even items
    histories = [np.roll(circle[parity], -start) for start in range(side) for parity in (0, 1)]
    return prepared(histories, items=2 * side)
