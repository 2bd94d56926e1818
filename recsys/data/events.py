"""From a checked interactions table to histories: number the ids, choose events, sort, pack."""

from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys import tables
from recsys.data.histories import Histories
from recsys.errors import InputError
from recsys.timestamps import ORDER, TICKS

BEHAVIOURS: Final = 255  # a behaviour is one byte, and 0 is none

Mask = NDArray[np.bool_]


class Events(NamedTuple):
    """Interactions as parallel arrays, oldest first within each user, users in order of id."""

    user: NDArray[np.int32]  # place in ``user_ids``
    item: NDArray[np.int32]  # place in ``item_ids``
    tick: NDArray[np.int64]  # microseconds since 1970, or the place in an order
    behaviour: NDArray[np.uint8]  # 0 is none, k is ``behaviours[k - 1]``
    user_ids: pl.Series  # distinct, sorted; some may have no event
    item_ids: pl.Series  # distinct, sorted; some may have no event
    behaviours: list[str]

    @property
    def size(self) -> int:
        """Number of events."""
        return len(self.user)

    def at(self, places: Mask | NDArray[np.integer]) -> "Events":
        """The events of this mask, or at these places."""
        return self._replace(
            user=self.user[places],
            item=self.item[places],
            tick=self.tick[places],
            behaviour=self.behaviour[places],
        )


def events(frame: pl.DataFrame) -> Events:
    """Numbers the ids of a checked interactions table and sorts it, stably, by user and time.

    Raises:
        InputError: Ids are decimals in text, or there are more behaviours than a byte holds.
    """
    user_ids, user = _numbered(frame[tables.USER_ID])
    item_ids, item = _numbered(frame[tables.ITEM_ID])
    behaviours, behaviour = _behaviours(frame)
    tick = frame[tables.TIMESTAMP].cast(pl.Int64).to_numpy()
    order = _order(user, tick)
    unsorted = Events(user, item, tick, behaviour, user_ids, item_ids, behaviours)
    return unsorted if order is None else unsorted.at(order)


def pack(chosen: Events, *, index: NDArray[np.int32], clock: str) -> Histories:
    """The histories of the users that have events.

    Args:
        chosen: At least one event.
        index: Catalogue index of each of ``chosen.item_ids``; 0 where an id has no event.
        clock: ``order`` keeps times as they are, ``seconds`` turns microseconds into them.
    """
    lengths = np.bincount(chosen.user)
    offset = np.concatenate([[0], np.cumsum(lengths[lengths > 0])]).astype(np.int64)
    time = chosen.tick if clock == ORDER else chosen.tick // TICKS
    return Histories(offset=offset, item=index[chosen.item], time=time, behaviour=chosen.behaviour)


def users(chosen: Events) -> pl.Series:
    """Ids of the users that have events, sorted: the order of the histories."""
    return chosen.user_ids.gather(np.flatnonzero(np.bincount(chosen.user)))


def items(chosen: Events) -> pl.Series:
    """Ids of the items that have events, sorted."""
    return chosen.item_ids.gather(np.flatnonzero(np.bincount(chosen.item)))


def _numbered(ids: pl.Series) -> tuple[pl.Series, NDArray[np.int32]]:
    """The distinct ids, sorted, and the place of each row's id among them."""
    distinct = tables.canonical(ids.unique())
    if distinct.dtype == pl.Int64:
        numbers, place = np.unique(ids.cast(pl.Int64).to_numpy(), return_inverse=True)
        return pl.Series(ids.name, numbers), place.astype(np.int32)
    distinct = distinct.sort()
    place = ids.cast(pl.Enum(distinct)).to_physical().to_numpy()
    return distinct, place.astype(np.int32)


def _behaviours(frame: pl.DataFrame) -> tuple[list[str], NDArray[np.uint8]]:
    if tables.BEHAVIOUR not in frame.columns:
        return [], np.zeros(frame.height, dtype=np.uint8)
    names = frame[tables.BEHAVIOUR]
    distinct = names.unique().drop_nulls().sort()
    if distinct.len() > BEHAVIOURS:
        message = (
            f"{tables.BEHAVIOUR} has {distinct.len()} values, such as '{distinct[0]}', but at most "
            f"{BEHAVIOURS} are possible: choose another column or keep fewer with behaviours=[...]"
        )
        raise InputError(message)
    place = names.cast(pl.Enum(distinct)).to_physical().cast(pl.Int16) + 1
    return distinct.to_list(), place.fill_null(0).cast(pl.UInt8).to_numpy()


def _order(user: NDArray[np.int32], tick: NDArray[np.int64]) -> NDArray[np.integer] | None:
    """Places that sort by user, then time, then place; none where the events lie like that."""
    ascending = (user[1:] > user[:-1]) | ((user[1:] == user[:-1]) & (tick[1:] >= tick[:-1]))
    if ascending.all():
        return None
    keys = pl.DataFrame({"user": user, "tick": tick})
    return keys.select(pl.arg_sort_by("user", "tick", maintain_order=True)).to_series().to_numpy()
