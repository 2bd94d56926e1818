"""The last hop outside its graph: what slots and candidates bring, and any candidate read by numpy.

With w, k, v of the slots and q, z, y, b of a candidate, its score is
u y + b + the sum over heads of sum(w exp(k q) (v z)) / (1 + sum(w exp(k q))).
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from recsys.runtime import Bundle

ROUNDING: Final = 1e-4  # of a score, relative where it is above one; what float32 may be off
SHARP: Final = 3.0  # longest key of a user; weights then differ by exp(6) and more
OUT: Final = -1e30  # the score of what may not be listed; finite, so that sums with it are numbers
FIRST: Final = 4  # times k candidates are read at first
TOGETHER: Final = 8  # users read at once where each has candidates of its own


class Slots(NamedTuple):
    """The last hop of some users."""

    user: np.ndarray  # [user, width]
    weights: np.ndarray  # [user, head, slot]
    keys: np.ndarray  # [user, head, slot, part]
    values: np.ndarray  # [user, head, slot, part]
    item: np.ndarray | None  # [user, slot]: where slots are events

    def of(self, users: np.ndarray | slice) -> "Slots":
        """Some of the users."""
        return Slots(
            user=self.user[users],
            weights=self.weights[users],
            keys=self.keys[users],
            values=self.values[users],
            item=None if self.item is None else self.item[users],
        )

    @property
    def sharp(self) -> bool:
        """Whether candidates ask so pointedly that a slot or two decide what each is told."""
        return bool((self.keys**2).sum(axis=-1).max(initial=0) >= SHARP**2)


class Contenders(NamedTuple):
    """Candidates among which the best of each user are, and what it took to know."""

    items: np.ndarray  # int64 [user, few]: rising; 0, for none, in front
    at_once: int  # users of whom the first reading already proved it
    read: int  # candidates read one by one, of all users together


def joined(some: Contenders, rest: Contenders) -> Contenders:
    """Those of some users and of others after them."""
    wide = max(some.items.shape[1], rest.items.shape[1])
    items = [np.pad(one, [(0, 0), (wide - one.shape[1], 0)]) for one in (some.items, rest.items)]
    return Contenders(np.concatenate(items), some.at_once + rest.at_once, some.read + rest.read)


def spoken(looked: dict[str, np.ndarray]) -> Slots:
    """What ``look`` of a bundle gave, in order."""
    return Slots(
        user=looked["user_vector"],
        weights=looked["slot_weights"],
        keys=looked["slot_keys"],
        values=looked["slot_values"],
        item=looked.get("slot_item"),
    )


class Brought:
    """Candidates as the last hop sees them, for all users the same."""

    def __init__(self, bundle: Bundle, *, items: np.ndarray) -> None:
        asked = bundle.ask(items)
        self.items = items  # rising
        self.bias = asked["biases"]
        self.queries, self.told = _by_head(asked["slot_queries"]), _by_head(asked["slot_answers"])
        self.width = asked["user_answers"].shape[1]
        self.codes = asked.get("slot_codes")
        told = asked["slot_answers"].reshape(len(items), -1)
        self.answers = np.hstack([asked["user_answers"], told])  # what one vector can be told by
        self._queries = asked["slot_queries"].reshape(len(items), -1)

    def read(self, slots: Slots, place: np.ndarray) -> np.ndarray:
        """Exact scores ``[user, n]`` of the candidates at these places ``[user, n]``."""
        query, answer = np.take(self._queries, place, axis=0), np.take(self.answers, place, axis=0)
        score = (answer[..., : self.width] @ slots.user[:, :, None])[..., 0] + self.bias[place]
        part, start = slots.keys.shape[-1], self.width
        for head in range(slots.keys.shape[1]):
            mine = slice(head * part, (head + 1) * part)
            loud = query[..., mine] @ slots.keys[:, head].transpose(0, 2, 1)
            np.exp(loud, out=loud)
            told = loud @ _weighed(slots, head=head)
            asked = answer[..., start + mine.start : start + mine.stop]
            score += np.einsum("unp,unp->un", told[..., :-1], asked) / (1 + told[..., -1])
        return score

    def read_pairs(self, slots: Slots, user: np.ndarray, place: np.ndarray) -> np.ndarray:
        """The same for pairs of a user, rising, and a place; users with about as many together."""
        score = np.empty(len(user), np.float32)
        for users, pair, there in together(user):
            score[pair[there]] = self.read(slots.of(users), place[pair])[there]
        return score

    def hidden(self, excluded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Users, and places of what they may not get."""
        row, column = np.nonzero(excluded)
        item = excluded[row, column]
        place = np.searchsorted(self.items, item).clip(max=len(self.items) - 1)
        there = self.items[place] == item
        return row[there], place[there]

    def contenders(
        self, user: np.ndarray, place: np.ndarray, score: np.ndarray, *, users: int, k: int
    ) -> np.ndarray:
        """Of pairs and their scores, those that reach the k-th best: items ``[user, few]``."""
        enough = score >= least(user, score, users=users, k=k)[user]
        user, item = user[enough], self.items[place[enough]]
        count = np.bincount(user, minlength=users)
        found = np.zeros((users, int(count.max(initial=0))), np.int64)
        order = np.lexsort((item, user))
        user, item = user[order], item[order]
        column = np.arange(len(user)) + found.shape[1] - np.cumsum(count)[user]
        found[user, column] = item
        return found


def proved(
    brought: Brought,
    slots: Slots,
    likely: np.ndarray,
    *,
    excluded: np.ndarray,
    k: int,
    left: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> Contenders:
    """Those among the likeliest and among all that these leave in.

    Args:
        brought: The candidates.
        slots: Of some users.
        likely: ``[user, candidate]``, by which the first are chosen; written to: the first and what
            a user may not get are ``OUT`` in it when ``left`` is called.
        excluded: int64 ``[user, exclusion]``, 0 where a user has fewer.
        k: Length of the lists.
        left: From what another candidate of each user must reach to be listed, users, rising, and
            places of all that are not ``OUT`` and may.
    """
    likely[brought.hidden(excluded)] = OUT
    first = best_places(likely, n=min(FIRST * k, likely.shape[1]))
    there = np.take_along_axis(likely, first, axis=1) > OUT / 2
    score = np.where(there, brought.read(slots, first), np.float32(OUT))
    lowest = least_of_rows(score, k=k)
    np.put_along_axis(likely, first, OUT, axis=1)
    user, place = left(lowest)
    users = len(slots.user)
    at_once, read = users - len(np.unique(user)), int(there.sum()) + len(place)
    more = brought.read_pairs(slots, user, place)
    near, nearer = score >= reached(lowest)[:, None], more >= lowest[user]
    items = brought.contenders(
        np.append(np.nonzero(near)[0], user[nearer]),
        np.append(first[near], place[nearer]),
        np.append(score[near], more[nearer]),
        users=users,
        k=k,
    )
    return Contenders(items, at_once, read)


def together(user: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs of a user, rising, and something, for users with about as many at a time.

    Yields:
        The users, the places of their pairs ``[user, pair]``, and which of these are there.
    """
    count = np.bincount(user)
    start = np.cumsum(count) - count
    some = np.argsort(-count, kind="stable")[: np.count_nonzero(count)]
    for first in range(0, len(some), TOGETHER):
        users = some[first : first + TOGETHER]
        column = np.arange(count[users[0]])
        there = column < count[users, None]
        yield users, np.where(there, start[users, None] + column, 0), there


def least(user: np.ndarray, score: np.ndarray, *, users: int, k: int) -> np.ndarray:
    """What candidates must reach, or come near to, to be among the best ``k`` of each user."""
    order = np.lexsort((-score, user))
    count = np.bincount(user, minlength=users)
    last = np.cumsum(count) - count + k - 1
    lowest = np.full(users, -np.inf, np.float32)
    full = count >= k
    lowest[full] = score[order[last[full]]]
    lowest[full] -= ROUNDING * np.maximum(np.abs(lowest[full]), 1)
    return lowest


def least_of_rows(score: np.ndarray, *, k: int) -> np.ndarray:
    """The same for scores ``[user, n]``; what is out counts for nothing."""
    if score.shape[1] < k:
        return np.full(len(score), -np.inf, np.float32)
    lowest = np.partition(score, score.shape[1] - k, axis=1)[:, score.shape[1] - k]
    lowest = lowest - ROUNDING * np.maximum(np.abs(lowest), 1)
    return np.where(lowest > OUT / 2, lowest, np.float32(-np.inf))


def reached(lowest: np.ndarray) -> np.ndarray:
    """The same for comparisons: what is out does not reach even minus infinity."""
    return np.maximum(lowest, np.float32(OUT / 2))


def best_places(scores: np.ndarray, *, n: int) -> np.ndarray:
    """Places ``[user, n]`` of the ``n`` best, in no order.

    Each of them is in one of the ``n`` groups with the largest maxima, so few are compared.
    """
    users, count = scores.shape
    deep = max(int((count / n) ** 0.5), 1)
    groups = count // deep
    if deep == 1 or groups <= n:
        return np.argpartition(scores, count - n, axis=1)[:, count - n :]
    largest = scores[:, : deep * groups].reshape(users, deep, groups).max(axis=1)
    group = np.argpartition(largest, groups - n, axis=1)[:, groups - n :]
    inside = (group[:, None] + groups * np.arange(deep)[None, :, None]).reshape(users, -1)
    rest = np.broadcast_to(np.arange(deep * groups, count), (users, count - deep * groups))
    place = np.concatenate([inside, rest], axis=1)
    some = np.take_along_axis(scores, place, axis=1)
    chosen = np.argpartition(some, some.shape[1] - n, axis=1)[:, some.shape[1] - n :]
    return np.take_along_axis(place, chosen, axis=1)


def _weighed(slots: Slots, *, head: int) -> np.ndarray:
    """Values and a one of each slot, times its weight: ``[user, slot, part + 1]``."""
    values, weights = slots.values[:, head], slots.weights[:, head, :, None]
    return np.concatenate([values * weights, weights], axis=2)


def _by_head(vectors: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(vectors.transpose(1, 0, 2))
