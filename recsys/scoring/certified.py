"""The best candidates without reading most of them, and the proof that none was missed.

A candidate's score is s = u y + b + sum over heads of m, and m is a mean of what the slots answer,
weighed by w exp(k q). Were all cosines k q zero, the weights were the same for all candidates and
the mean one product with a vector of the user: that is retrieval. For one head, with p the weights
w made to sum to one (the null slot among them, which answers 0), a what slots answer and
x = k q - E[k q], every mean under p,

    m - E[a] = Cov(exp(x), a) / E[exp(x)]              and so (Cauchy and Schwarz, Jensen)
    m - E[a] <= sd(a) sqrt(E[exp(2 x)] - 1)            where, as x <= B and E[x] = 0 (Bennett 1962),
    E[exp(2 x)] <= (B^2 exp(-2 v / B) + v exp(2 B)) / (B^2 + v),   v = Var(x).

Both variances are quadratic forms in what the candidate alone brings, so the bounds of all
candidates are matrix products over users, whatever the number of slots. A candidate whose bound
does not reach the k-th best of those that were read cannot be in the list.
"""

from typing import Final, NamedTuple

import numpy as np

from recsys.runtime import Bundle, Held, State

FIRST: Final = 8  # times k candidates are read at first
TABLES_BYTES: Final = 2**29  # products of the candidates are kept where they take no more
TILE: Final = 4096  # candidates whose products are made at a time where they are not kept
ROUNDING: Final = 1e-4  # of a score, relative where it is above one; what float32 may be off
FAINT: Final = 1e-5  # of a variance, relative to the largest there can be; the same


class Contenders(NamedTuple):
    """Candidates among which the best of each user are, and what it took to know."""

    items: list[np.ndarray]  # of each user: int64, rising; few more than k
    at_once: int  # users of whom the first reading already proved it
    read: int  # candidates read one by one, of all users together


class _Slots(NamedTuple):
    """The last hop of one user."""

    user: np.ndarray  # [width]
    weights: np.ndarray  # [head, slot]
    keys: np.ndarray  # [head, slot, part]
    values: np.ndarray  # [head, slot, part]


class Catalogue:
    """Candidates of a job as the last hop sees them, for all users the same.

    Takes 4 bytes times the width of what a candidate brings, and at most ``TABLES_BYTES`` more.
    """

    def __init__(self, bundle: Bundle, *, items: np.ndarray) -> None:
        asked = bundle.ask(items)
        self.items = items  # rising
        self.answers, self.bias = asked["user_answers"], asked["biases"]
        self.queries, self.told = _by_head(asked["slot_queries"]), _by_head(asked["slot_answers"])
        self.retrieved = np.ascontiguousarray(np.hstack([self.answers, *self.told]).T)
        heads, count, part = self.queries.shape
        self._keep = 4 * heads * count * part * (part + 1) <= TABLES_BYTES
        self._tiles = [slice(start, start + TILE) for start in range(0, count, TILE)]
        self._kept = [self._products(tile) for tile in self._tiles] if self._keep else []

    def contenders(
        self, bundle: Bundle, state: State | Held, *, excluded: np.ndarray, k: int
    ) -> Contenders:
        """Every candidate that may stand in the list of the ``k`` best of each user.

        Args:
            bundle: Whose candidates these are.
            state: Of some users.
            excluded: int64 ``[user, exclusion]``, 0 where a user has fewer.
            k: Length of the lists.
        """
        slots = bundle.look(state)
        likely, bound = self._bounds(slots)
        row, place = self._hidden(excluded)
        likely[row, place] = bound[row, place] = -np.inf
        first = min(FIRST * k, len(self.items))
        found, at_once, read = [], 0, 0
        for user, spoken in enumerate(zip(*slots.values(), strict=True)):
            kept, count = self._proved(_Slots(*spoken), likely[user], bound[user], first=first, k=k)
            at_once, read = at_once + (count <= first), read + count
            found.append(self.items[np.sort(kept)])
        return Contenders(found, at_once, read)

    def scores(self, bundle: Bundle, state: State | Held) -> np.ndarray:
        """Exact scores ``[user, candidate]`` of all of them."""
        everything = np.arange(len(self.items))
        users = zip(*bundle.look(state).values(), strict=True)
        return np.stack([self.read(_Slots(*spoken), everything) for spoken in users])

    def read(self, slots: _Slots, place: np.ndarray) -> np.ndarray:
        """Exact scores of the candidates at these places, for one user."""
        score = self.answers[place] @ slots.user + self.bias[place]
        for head, weights in enumerate(slots.weights):
            loud = slots.keys[head] @ self.queries[head, place].T
            np.exp(loud, out=loud)
            loud *= weights[:, None]
            told = slots.values[head] @ self.told[head, place].T
            score += np.einsum("sc,sc->c", loud, told) / (1 + loud.sum(axis=0))
        return score

    def _proved(
        self, slots: _Slots, likely: np.ndarray, bound: np.ndarray, *, first: int, k: int
    ) -> tuple[np.ndarray, int]:
        """Places among which the best ``k`` are, and how many were read to know."""
        place = np.argpartition(-likely, first - 1)[:first]
        place = place[likely[place] > -np.inf]
        score = self.read(slots, place)
        least = _least(score, k=k)
        rest = (bound >= least) & (bound > -np.inf)
        rest[place] = False
        more = np.flatnonzero(rest)
        if len(more):
            place, score = np.append(place, more), np.append(score, self.read(slots, more))
            least = _least(score, k=k)
        return place[score >= least], len(place)

    def _bounds(self, slots: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """What every candidate scores about, and at most: ``[user, candidate]`` twice."""
        moments = [_moments(slots, head=head) for head in range(len(self.queries))]
        asks = np.hstack([slots["user_vector"], *(moment.value for moment in moments)])
        likely = asks @ self.retrieved
        likely += self.bias
        bound = np.empty_like(likely)
        for number, tile in enumerate(self._tiles):
            products = self._kept[number] if self._keep else self._products(tile)
            bound[:, tile] = likely[:, tile]
            for head, moment in enumerate(moments):
                bound[:, tile] += _most(
                    moment, query=self.queries[head, tile], products=products[head]
                )
        bound += ROUNDING * np.maximum(np.abs(bound), 1)
        return likely, bound

    def _products(self, tile: slice) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each head, products of all pairs in queries and answers, ``[pair, candidate]``."""
        return [
            (_pairs(query[tile]), _pairs(told[tile]))
            for query, told in zip(self.queries, self.told, strict=True)
        ]

    def _hidden(self, excluded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Users, and places of what they may not get."""
        row, column = np.nonzero(excluded)
        item = excluded[row, column]
        place = np.searchsorted(self.items, item).clip(max=len(self.items) - 1)
        there = self.items[place] == item
        return row[there], place[there]


class _Moments(NamedTuple):
    """Means, covariances and bounds of one head's slots, of all users, by the weights p."""

    value: np.ndarray  # [user, part]: E[v]
    key: np.ndarray  # [user, part]: E[k]
    value_spread: np.ndarray  # [user, pair]: Cov(v), as _pairs counts them
    key_spread: np.ndarray  # [user, pair]
    longest: np.ndarray  # [user, 1]: of the keys


def _moments(slots: dict[str, np.ndarray], *, head: int) -> _Moments:
    weights = slots["slot_weights"][:, head, None].astype(np.float64)
    whole = 1 + weights.sum(axis=2, keepdims=True)
    null, weights = (part.astype(np.float32) for part in (1 / whole, weights / whole))
    keys, values = slots["slot_keys"][:, head], slots["slot_values"][:, head]
    key, value = weights @ keys, weights @ values
    return _Moments(
        value=value[:, 0],
        key=key[:, 0],
        value_spread=_spread(values, weights=weights, null=null, mean=value),
        key_spread=_spread(keys, weights=weights, null=null, mean=key),
        longest=np.sqrt((keys**2).sum(axis=2).max(axis=1, keepdims=True, initial=0)),
    )


def _spread(
    vectors: np.ndarray, *, weights: np.ndarray, null: np.ndarray, mean: np.ndarray
) -> np.ndarray:
    """Covariance by pairs, those off the diagonal twice; the null slot stands at the origin."""
    part = vectors.shape[2]
    away = vectors - mean
    spread = (away * weights.transpose(0, 2, 1)).transpose(0, 2, 1) @ away
    spread += null * mean.transpose(0, 2, 1) * mean
    diagonal = spread.reshape(len(spread), -1)[:, :: part + 1]
    diagonal += FAINT * diagonal.sum(axis=1, keepdims=True)
    row, column = np.triu_indices(part)
    return spread[:, row, column] * np.where(row == column, 1, 2).astype(np.float32)


def _most(
    moments: _Moments, *, query: np.ndarray, products: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """How far above E[a] the mean of each candidate can be: ``[user, candidate]``."""
    spread = moments.key_spread @ products[0]
    np.maximum(spread, 1e-9, out=spread)
    above = moments.longest - moments.key @ query.T
    np.maximum(above, 1e-3, out=above)
    square = above * above
    grown = square * np.exp(-2 * spread / above)
    grown += spread * np.exp(2 * above)
    grown /= square + spread
    grown -= 1
    apart = np.sqrt(np.maximum(grown, 0, out=grown), out=grown)
    told = moments.value_spread @ products[1]
    apart *= np.sqrt(np.maximum(told, 0, out=told), out=told)
    return apart


def _pairs(vectors: np.ndarray) -> np.ndarray:
    """Products of every two parts of each vector, ``[pair, vector]``."""
    row, column = np.triu_indices(vectors.shape[1])
    across = np.ascontiguousarray(vectors.T)
    return across[row] * across[column]


def _by_head(vectors: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(vectors.transpose(1, 0, 2))


def _least(score: np.ndarray, *, k: int) -> float:
    """What a candidate must reach, or come near to, to be one of the best ``k``."""
    if len(score) < k:
        return -np.inf
    least = float(np.partition(score, len(score) - k)[len(score) - k])
    return least - ROUNDING * max(abs(least), 1)
