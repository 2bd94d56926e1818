"""How alike to a candidate a user's slots can be at most, known for groups of candidates.

With an anchor a of the slot's item, k q <= a q + |k - a| for every query q no longer than one. So
with the largest a q of each group of candidates in a table, one row of it for each of a user's
slots bounds the cosines of all candidates. Where keys are made of the item alone, anchors are the
keys and the bound is the largest cosine of the group; other keys make it wider, never wrong.
"""

from typing import Final

import numpy as np

from recsys.runtime import Bundle, Events
from recsys.scoring.last_hop import Brought, Slots

GROUPS: Final = 128  # of candidates with queries alike
ROUNDS: Final = 3  # of k-means that make them
MOST: Final = 2**32  # products that a table may take: it is left out for larger catalogues
TOGETHER: Final = 2048  # items at a time
SLACK: Final = 1e-4  # of a cosine times its strength; what float32 may be off
NOWHERE: Final = -1e3  # below any cosine times its strength


class Anchors:
    """The table, for each head ``[item + 1, group]``; row 0, of no item, knows nothing: zeros."""

    def __init__(self, bundle: Bundle, brought: Brought) -> None:
        self._keys = _keys(bundle)
        self.group = [_grouped(queries) for queries in brought.queries]
        self._table = [
            _largest(self._keys[:, head], queries, group=self.group[head])
            for head, queries in enumerate(brought.queries)
        ]

    def largest(self, slots: Slots, *, head: int) -> np.ndarray:
        """A bound of k q for all filled slots, and of 0 for the null slot: ``[user, group]``."""
        assert slots.item is not None
        away = slots.keys[:, head] - self._keys[slots.item, head]
        further = np.sqrt(np.einsum("usp,usp->us", away, away))
        further[slots.weights[:, head] == 0] = NOWHERE
        alike = np.take(self._table[head], slots.item, axis=0)
        alike += further[:, :, None]
        return np.asarray(alike.max(axis=1).clip(min=0))


def anchored(bundle: Bundle, brought: Brought) -> Anchors | None:
    """Anchors, where slots are of items and the table is not too dear."""
    items, heads = len(brought.items), len(brought.queries)
    known = "slot_item" in bundle.manifest["graphs"]["look"]["outputs"]
    if not known or items * bundle.items * heads > MOST:
        return None
    return Anchors(bundle, brought)


def _keys(bundle: Bundle) -> np.ndarray:
    """The key of each item in a history of nothing else, ``[item + 1, head, part]``; row 0 is 0."""
    found = []
    for first in range(1, bundle.items + 1, TOGETHER):
        item = np.arange(first, min(first + TOGETHER, bundle.items + 1))[:, None]
        state = bundle.encode(Events(item, np.zeros_like(item), np.zeros_like(item)))
        looked = bundle.look(state)
        own = (looked["slot_item"] == item).argmax(axis=1)
        found.append(looked["slot_keys"][np.arange(len(item)), :, own])
    keys = np.concatenate(found)
    return np.concatenate([np.zeros_like(keys[:1]), keys])


def _grouped(queries: np.ndarray) -> np.ndarray:
    """Which group each candidate is in: k-means from evenly spread ones; any grouping is right."""
    means = queries[np.linspace(0, len(queries) - 1, min(GROUPS, len(queries))).astype(int)]
    group = (queries @ means.T).argmax(axis=1)
    for _ in range(ROUNDS):
        for number in np.unique(group):
            mean = queries[group == number].mean(axis=0)
            means[number] = mean / max(float(np.linalg.norm(mean)), 1e-6)
        group = (queries @ means.T).argmax(axis=1)
    return np.unique(group, return_inverse=True)[1]


def _largest(keys: np.ndarray, queries: np.ndarray, *, group: np.ndarray) -> np.ndarray:
    order = np.argsort(group, kind="stable")
    cuts = np.flatnonzero(np.diff(group[order], prepend=-1))
    across = np.ascontiguousarray(queries[order].T)
    tiles = range(0, len(keys), TOGETHER)
    parts = [np.maximum.reduceat(keys[at : at + TOGETHER] @ across, cuts, axis=1) for at in tiles]
    return np.concatenate(parts) + np.float32(SLACK)
