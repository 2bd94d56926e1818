"""A few candidates that one vector of the user finds in an index, read exactly: an approximation.

Ranked by the read weights that hold before anybody asks, a score is one product, and a graph of
neighbours (HNSW, Malkov and Yashunin 2016) finds the largest products without touching most
candidates. Whatever it does not find is missing from the list: this road proves nothing.
"""

import threading
from typing import Any, Final

import numpy as np

from recsys.scoring.certified import one_vector
from recsys.scoring.last_hop import Brought, Contenders, Slots

WIDE: Final = 10  # times k candidates are looked for, besides those that a user may not get
NEIGHBOURS: Final = 32  # of a candidate in the graph
CARE: Final = 200  # candidates looked at to place one, and at least to find some


class Approximate:
    """Candidates of a job in an index; the same candidates give the same index, made by one thread.

    Neighbours are those with large products. Lengths made equal by a further axis (Bachrach et al.
    2014) took three times as long to place and found fewer where a few items are long.
    """

    def __init__(self, brought: Brought) -> None:
        from usearch.index import Index  # ONNX Runtime crashes where it is loaded after this

        self.brought = brought
        vectors = np.hstack([brought.answers, brought.bias[:, None]]).astype(np.float32)
        self._index = Index(
            ndim=vectors.shape[1],
            metric="ip",
            dtype="f32",
            connectivity=NEIGHBOURS,
            expansion_add=CARE,
            expansion_search=CARE,
        )
        places = np.arange(len(vectors), dtype=np.uint64)
        self._index.add(places, vectors, threads=1)
        self._alone = threading.Lock()  # the index promises nothing to two threads at once

    def contenders(self, slots: Slots, *, excluded: np.ndarray, k: int) -> Contenders:
        """The best ``k`` of those found for each user, which need not be the best there are."""
        users, count = len(slots.user), len(self.brought.items)
        asks = np.hstack([one_vector(slots), np.ones((users, 1), np.float32)])
        most = int((excluded > 0).sum(axis=1).max(initial=0))
        with self._alone:
            found: Any = self._index.search(asks, min(WIDE * k + most, count), threads=1)
        place = np.asarray(found.keys, dtype=np.int64).reshape(users, -1)
        counts = found.counts if users > 1 else [place.shape[1]]  # one user's come without
        there = np.arange(place.shape[1]) < np.reshape(counts, (users, 1))
        there &= ~self._excluded(place, excluded)
        user, column = np.nonzero(there)
        place = place[user, column]
        score = self.brought.read_pairs(slots, user, place)
        items = self.brought.contenders(user, place, score, users=users, k=k)
        return Contenders(items, 0, len(place))

    def _excluded(self, place: np.ndarray, excluded: np.ndarray) -> np.ndarray:
        """Which of the places ``[user, n]`` the user may not get."""
        row, hidden = self.brought.hidden(excluded)
        count = len(self.brought.items)
        pair = np.arange(len(place))[:, None] * count + np.minimum(place, count - 1)
        return np.isin(pair, row * count + hidden)
