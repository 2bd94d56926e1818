"""Lists as a bundle gives them, and how those of two parts of the catalogue become one."""

from typing import NamedTuple

import numpy as np


class Recommendations(NamedTuple):
    """The best candidates of each user, best first; equal scores stand by catalogue index."""

    items: np.ndarray  # int64 [user, k]: 0 where nothing was left to recommend
    scores: np.ndarray  # float32 [user, k]: meaningless where items is 0
    because_items: np.ndarray | None  # int64 [user, k, reason]: 0 for no reason
    because_weights: np.ndarray | None  # float32 [user, k, reason]


def merge(best: Recommendations, found: Recommendations, *, k: int) -> Recommendations:
    """The best ``k`` of two lists per user, where every index of ``found`` is the higher one."""
    items = np.concatenate([best.items, found.items], axis=1)
    scores = np.concatenate([best.scores, found.scores], axis=1)
    order = np.lexsort((-scores, items == 0), axis=1)[:, :k]  # stable: ties stay by index
    return Recommendations(
        items=np.take_along_axis(items, order, axis=1),
        scores=np.take_along_axis(scores, order, axis=1),
        because_items=_choose(best.because_items, found.because_items, order=order),
        because_weights=_choose(best.because_weights, found.because_weights, order=order),
    )


def _choose(
    best: np.ndarray | None, found: np.ndarray | None, *, order: np.ndarray
) -> np.ndarray | None:
    """Reasons, or their weights, in the order of the merged list."""
    if best is None or found is None:
        return None
    both = np.concatenate([best, found], axis=1)
    return np.take_along_axis(both, order[:, :, None], axis=1)
