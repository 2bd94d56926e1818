"""What the lists of some users hold, and what should never be in them."""

from typing import NamedTuple

import numpy as np

from recsys.runtime import Recommendations
from recsys.scoring.histories import Histories


class Tally(NamedTuple):
    """Counts of users and lists; those of parts add up to that of the job."""

    users: int = 0
    recommendations: int = 0
    users_without_known_item: int = 0
    users_with_short_list: int = 0  # fewer than k, none at all included
    users_without_list: int = 0
    duplicate_rows: int = 0
    quarantined_users: int = 0  # their scores are no numbers
    lists_with_repeats: int = 0
    lists_with_seen_items: int = 0  # where seen items were to be left out


def count(histories: Histories, lists: Recommendations, *, k: int, seen_is_wrong: bool) -> Tally:
    """What these lists hold; the checks look at the lists alone, not at how they were made."""
    lengths = np.count_nonzero(lists.items, axis=1)
    return Tally(
        users=len(histories.users),
        recommendations=int(lengths.sum()),
        users_without_known_item=int((np.diff(histories.offset) == 0).sum()),
        users_with_short_list=int((lengths < k).sum()),
        users_without_list=int((lengths == 0).sum()),
        duplicate_rows=histories.duplicates,
        lists_with_repeats=_repeats(lists.items),
        lists_with_seen_items=_seen(histories, lists.items) if seen_is_wrong else 0,
    )


def _repeats(items: np.ndarray) -> int:
    ordered = np.sort(items, axis=1)
    return int(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] > 0)).any(axis=1).sum())


def _seen(histories: Histories, items: np.ndarray) -> int:
    """Lists with an item of the user's history; items seen lie sorted by user, then item."""
    had = histories.seen
    width = max(int(items.max(initial=0)), int(had.item.max(initial=0))) + 1
    owner = np.repeat(np.arange(len(histories.users)), np.diff(had.offset))
    seen = owner * width + had.item
    pair = np.arange(len(items))[:, None] * width + items
    place = np.searchsorted(seen, pair)
    known = place < len(seen)
    hit = known & (items > 0)
    hit[known] &= seen[place[known]] == pair[known]
    return int(hit.any(axis=1).sum())
