"""The newest events of users, in the order in which scoring would read them.

Scoring sorts a user's events by time, those of one time in the order of the table, leaves out an
event equal to an earlier one in item, time and behaviour, and reads the newest ones. Here the same
is done when only the newest ones are at hand and some more come in.
"""

from typing import Final, NamedTuple

import numpy as np

from recsys.scoring.ragged import offsets

NEVER: Final = np.iinfo(np.int64).min  # before any time


class Flat(NamedTuple):
    """Events of several users one behind the other, all int64 ``[event]``."""

    user: np.ndarray  # places of users, rising
    item: np.ndarray
    time: np.ndarray
    behaviour: np.ndarray

    def at(self, chosen: np.ndarray) -> "Flat":
        """Some of the events: a mask or their places."""
        return Flat(*(field[chosen] for field in self))


class Window(NamedTuple):
    """The newest events of each user, after more have come in."""

    events: Flat  # oldest first
    added: Flat  # of those that came in, the ones that are no repetition, oldest first
    in_order: np.ndarray  # bool [user]: none of them is earlier than an event that was there
    changed: np.ndarray  # bool [user]: some of them are among the newest
    dropped: np.ndarray  # int64 [user]: time of the newest event that is not; NEVER for none


def advanced(events: Flat, *, new: np.ndarray, dropped: np.ndarray, history: int) -> Window:
    """The newest ``history`` events of each user.

    Args:
        events: Of a user first the window there was, then what came in, by position.
        new: bool ``[event]``: it came in.
        dropped: As a window tells it; no event that came in may be of exactly that time.
        history: Events that are read of a user.
    """
    users = len(dropped)
    first = ~_repeated(events)
    events, new = events.at(first), new[first]
    order = np.lexsort((events.time, events.user))
    moved = order != np.arange(len(order))
    events, new = events.at(order), new[order]
    end = offsets(events.user, users=users)[1:]
    age = end[events.user] - 1 - np.arange(len(order))
    newest = age < history
    if not newest.all():  # the last of those cut off is the newest of them
        dropped = dropped.copy()
        cut = events.at(~newest)
        np.maximum.at(dropped, cut.user, cut.time)
    return Window(
        events=events.at(newest),
        added=events.at(new),
        in_order=np.bincount(events.user[moved], minlength=users) == 0,
        changed=np.bincount(events.user[newest & new], minlength=users) > 0,
        dropped=dropped,
    )


def _repeated(events: Flat) -> np.ndarray:
    """Which events equal an earlier one of their user."""
    order = np.lexsort((events.behaviour, events.item, events.time, events.user))
    sorted_events = events.at(order)
    same = np.logical_and.reduce([field[1:] == field[:-1] for field in sorted_events])
    repeated = np.zeros(len(order), dtype=bool)
    repeated[order[1:][same]] = True
    return repeated
