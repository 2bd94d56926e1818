"""The histories of one part as flat arrays, and padded batches of users with similar lengths."""

from typing import NamedTuple

import numpy as np
import polars as pl

from recsys import tables
from recsys.runtime import Events


class Histories(NamedTuple):
    """All events of some users, oldest first, and the distinct items that each has seen.

    Events of user ``u`` stand at ``offset[u]`` to ``offset[u + 1]``, the items it has seen at
    ``seen_offset[u]`` to ``seen_offset[u + 1]``. A user may have none.
    """

    users: pl.Series  # as written out, in the order of their first row
    offset: np.ndarray  # int64 [user + 1]
    item: np.ndarray  # int32 [event]: catalogue indices, none is 0
    time: np.ndarray  # int64 [event]: seconds, or an order
    behaviour: np.ndarray  # uint8 [event]
    seen_offset: np.ndarray  # int64 [user + 1]
    seen: np.ndarray  # int64 [seen]: catalogue indices, rising within a user
    duplicates: int  # rows left out because an equal one was there


def arrange(rows: pl.DataFrame, *, items: int) -> Histories:
    """Sorts the rows of a part by user and time; rows of equal time keep the order of the table.

    Rows with item 0 give a user but no event. Of rows equal in user, item, time and behaviour the
    first is kept.

    Args:
        rows: As :meth:`recsys.scoring.spill.Spill.read` returns them.
        items: Size of the catalogue.
    """
    users = rows.select(pl.col(tables.USER_ID).unique(maintain_order=True))
    place = rows.join(users.with_row_index(), on=tables.USER_ID, how="left", maintain_order="left")
    known = rows[tables.ITEM].to_numpy() > 0
    user = place["index"].to_numpy()[known]
    rows = rows.filter(known)
    order = _by_user_and_time(user, rows[tables.TIMESTAMP].to_physical().to_numpy())
    user, rows = user[order], rows[order]
    first = ~_repeated(user, rows, items=items)
    user, kept = user[first], rows.filter(first)
    seen_user, seen = _distinct(user, kept[tables.ITEM].to_numpy(), items=items)
    return Histories(
        users=users[tables.USER_ID],
        offset=_offsets(user, users=users.height),
        item=kept[tables.ITEM].to_numpy(),
        time=kept.select(tables.seconds(kept.schema)).to_series().to_numpy(),
        behaviour=kept[tables.BEHAVIOUR].to_numpy(),
        seen_offset=_offsets(seen_user, users=users.height),
        seen=seen,
        duplicates=rows.height - kept.height,
    )


def batches(histories: Histories, *, history: int, size: int) -> list[np.ndarray]:
    """Places of users, ``size`` at a time, so that those of a batch need about the same padding."""
    length = np.minimum(np.diff(histories.offset), history)
    order = np.lexsort((np.diff(histories.seen_offset), length))
    return [order[start : start + size] for start in range(0, len(order), size)]


def events(histories: Histories, users: np.ndarray, *, history: int) -> Events:
    """The newest ``history`` events of these users, oldest first, padding at the end."""
    end = histories.offset[users + 1]
    start = np.maximum(histories.offset[users], end - history)
    place, present = _places(start, end)
    return Events(
        item=_padded(histories.item, place=place, present=present),
        time=_padded(histories.time, place=place, present=present),
        behaviour=_padded(histories.behaviour, place=place, present=present),
    )


def seen_items(histories: Histories, users: np.ndarray) -> np.ndarray:
    """int64 ``[user, exclusion]``: every item of the whole history of these users, then zeros."""
    place, present = _places(histories.seen_offset[users], histories.seen_offset[users + 1])
    return _padded(histories.seen, place=place, present=present)


def _by_user_and_time(user: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Stable order by user, then time; two stable sorts are 3 times quicker than a lexsort."""
    by_time = np.argsort(time, kind="stable")
    small = user.astype(np.uint16) if user.max(initial=0) < 2**16 else user
    return by_time[np.argsort(small[by_time], kind="stable")]


def _repeated(user: np.ndarray, rows: pl.DataFrame, *, items: int) -> np.ndarray:
    """Which sorted rows equal an earlier one; looked for only among rows of one user and time."""
    repeated = np.zeros(len(user), dtype=bool)
    time = rows[tables.TIMESTAMP].to_physical().to_numpy()
    changes = (user[1:] != user[:-1]) | (time[1:] != time[:-1])
    moment = np.concatenate([[0], np.cumsum(changes)])[: len(user)]
    tied = np.flatnonzero(np.bincount(moment)[moment] > 1) if len(user) else moment
    item, behaviour = rows[tables.ITEM].to_numpy()[tied], rows[tables.BEHAVIOUR].to_numpy()[tied]
    key = (moment[tied] * (items + 1) + item) * 256 + behaviour
    order = np.argsort(key, kind="stable")
    again = np.flatnonzero(key[order][1:] == key[order][:-1]) + 1
    repeated[tied[order[again]]] = True
    return repeated


def _distinct(user: np.ndarray, item: np.ndarray, *, items: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct pairs by user, then item; this is 10 times quicker than numpy's unique."""
    pair = np.sort(user.astype(np.int64) * (items + 1) + item)
    pair = pair[np.concatenate([[True], pair[1:] != pair[:-1]])[: len(pair)]]
    return pair // (items + 1), pair % (items + 1)


def _offsets(user: np.ndarray, *, users: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(user, minlength=users))])


def _places(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places ``[start, end)`` of each row side by side, at least one wide, and which exist."""
    width = max(int((end - start).max(initial=0)), 1)
    place = start[:, None] + np.arange(width)
    return place, place < end[:, None]


def _padded(values: np.ndarray, *, place: np.ndarray, present: np.ndarray) -> np.ndarray:
    if not len(values):
        return np.zeros(place.shape, dtype=np.int64)
    return np.where(present, values[np.where(present, place, 0)], 0).astype(np.int64, copy=False)
