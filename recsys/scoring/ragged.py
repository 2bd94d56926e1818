"""Rows of different lengths as two flat arrays, and the same as a padded rectangle."""

from typing import NamedTuple

import numpy as np


class Ragged(NamedTuple):
    """Catalogue indices of many users: those of user ``u`` from ``offset[u]`` to ``offset[u + 1]``.

    A row may be empty. Indices rise within a row and are at least 1.
    """

    offset: np.ndarray  # int64 [user + 1]
    item: np.ndarray  # int64 [entry]

    def padded(self, users: np.ndarray) -> np.ndarray:
        """int64 ``[user, entry]`` of these users, zeros at the end; at least one wide."""
        place, present = places(self.offset[users], self.offset[users + 1])
        return padded(self.item, place=place, present=present)


def nothing(users: int) -> Ragged:
    """No entry for any of so many users."""
    return Ragged(np.zeros(users + 1, dtype=np.int64), np.zeros(0, dtype=np.int64))


def ragged(user: np.ndarray, item: np.ndarray, *, users: int) -> Ragged:
    """Pairs sorted by user, then item."""
    return Ragged(offsets(user, users=users), item.astype(np.int64, copy=False))


def offsets(user: np.ndarray, *, users: int) -> np.ndarray:
    """Where each user's stretch begins among sorted places of users, and where the last ends."""
    return np.concatenate([[0], np.cumsum(np.bincount(user, minlength=users))])


def places(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places ``[start, end)`` of each row side by side, at least one wide, and which exist."""
    width = max(int((end - start).max(initial=0)), 1)
    place = start[:, None] + np.arange(width)
    return place, place < end[:, None]


def padded(values: np.ndarray, *, place: np.ndarray, present: np.ndarray) -> np.ndarray:
    """int64 values at these places, 0 where there is none."""
    if not len(values):
        return np.zeros(place.shape, dtype=np.int64)
    return np.where(present, values[np.where(present, place, 0)], 0).astype(np.int64, copy=False)
