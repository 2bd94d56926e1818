"""Interactions in numbers, some users at a time, and how they are packed into histories."""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.data.histories import Piece
from recsys.timestamps import ORDER, TICKS

Mask = NDArray[np.bool_]


class Events(NamedTuple):
    """Interactions as parallel arrays, oldest first within each user, users in order of id."""

    user: NDArray[np.int32]  # place among the ids of all users
    item: NDArray[np.int32]  # place among the ids of all items
    tick: NDArray[np.int64]  # microseconds since 1970, or the place in an order
    behaviour: NDArray[np.uint8]  # 0 is none, k is the kth by name

    @property
    def size(self) -> int:
        """Number of events."""
        return len(self.user)

    def at(self, places: Mask | NDArray[np.integer]) -> "Events":
        """The events of this mask, or at these places."""
        return Events(
            user=self.user[places],
            item=self.item[places],
            tick=self.tick[places],
            behaviour=self.behaviour[places],
        )

    def rows(self) -> pl.DataFrame:
        """The same as a table, one column an array."""
        return pl.DataFrame(self._asdict())


def of(rows: pl.DataFrame) -> Events:
    """Events of a table with a column an array, as it is sorted."""
    return Events(*(rows[name].to_numpy() for name in Events._fields))


def in_order(events: Events) -> Events:
    """Sorted by user and time; ties keep the order in which they came."""
    user, tick = events.user, events.tick
    ascending = (user[1:] > user[:-1]) | ((user[1:] == user[:-1]) & (tick[1:] >= tick[:-1]))
    if ascending.all():
        return events
    keys = pl.DataFrame({"user": user, "tick": tick})
    order = keys.select(pl.arg_sort_by("user", "tick", maintain_order=True)).to_series()
    return events.at(order.to_numpy())


def pack(events: Events, *, index: NDArray[np.int32], clock: str) -> Piece:
    """Sorted events as histories hold them.

    Args:
        events: Of some users, sorted.
        index: Catalogue index of each item by its place.
        clock: ``order`` keeps times as they are, ``seconds`` turns microseconds into them.
    """
    time = events.tick if clock == ORDER else events.tick // TICKS
    return Piece(item=index[events.item], time=time, behaviour=events.behaviour)
