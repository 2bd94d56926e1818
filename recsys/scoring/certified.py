"""The best candidates without reading most of them, and the proof that none was missed.

A candidate's score is s = u y + b + sum over heads of m, and m is a mean of what the slots answer,
weighed by w exp(k q). Were all cosines k q zero, the weights were the same for all candidates and
the mean one product with a vector of the user: that is retrieval. For one head, with p the weights
w made to sum to one (the null slot among them, which answers 0), a what slots answer and
x = k q - E[k q], every mean under p,

    m - E[a] = Cov(exp(x), a) / E[exp(x)]              and so (Cauchy and Schwarz)
    m - E[a] <= sd(a) sqrt(E[exp(2 x)] / E[exp(x)]^2 - 1),   where, as -A <= x <= B and E[x] = 0,
    E[exp(2 x)] <= (B^2 exp(-2 v / B) + v exp(2 B)) / (B^2 + v),   v = Var(x)   (Bennett 1962),
    E[exp(x)]   >= (A^2 exp(v / A) + v exp(-A)) / (A^2 + v),   and >= 1 (Jensen).

The last two hold because the third derivative of exp is positive: a parabola that touches exp(2 x)
at -v / B and meets it at B lies above it for all x <= B, one that touches exp(x) at v / A and meets
it at -A lies below it for all x >= -A, and means of parabolas are known from E[x] and v. A and B
come of the longest key; for B there is a sharper bound where slots are events (``anchors.py``).

Both variances are quadratic forms in what the candidate alone brings, so the bounds of all
candidates are matrix products over users, whatever the number of slots. A candidate whose bound
does not reach the k-th best of those that were read cannot be in the list.
"""

from typing import Final, NamedTuple

import numpy as np

from recsys.scoring.anchors import Anchors
from recsys.scoring.last_hop import (
    OUT,
    ROUNDING,
    Brought,
    Contenders,
    Slots,
    best_places,
    least_of_rows,
    reached,
)

FIRST: Final = 4  # times k candidates are read at first
TABLES_BYTES: Final = 2**29  # products of the candidates are kept where they take no more
TILE: Final = 4096  # candidates whose bounds are made at a time
FAINT: Final = 1e-5  # of a variance, relative to the largest there can be; what float32 may be off

Products = list[tuple[np.ndarray, np.ndarray]]


class Certified:
    """Candidates of a job with what their bounds are made of.

    Takes 4 bytes times the width of what a candidate brings, and at most ``TABLES_BYTES`` more.
    """

    def __init__(self, brought: Brought, *, anchors: Anchors | None = None) -> None:
        self.brought = brought
        self._anchors = anchors
        self._retrieved = np.ascontiguousarray(brought.answers.T)
        heads, count, part = brought.queries.shape
        self._keep = 4 * heads * count * part * (part + 1) <= TABLES_BYTES
        self._tiles = [slice(start, start + TILE) for start in range(0, count, TILE)]
        self._kept = [self._products(tile) for tile in self._tiles] if self._keep else []

    def contenders(self, slots: Slots, *, excluded: np.ndarray, k: int) -> Contenders:
        """Every candidate that may stand in the list of the ``k`` best of each user."""
        users, moments = len(slots.user), self._moments_of(slots)
        likely = self._likely(slots)
        likely[self.brought.hidden(excluded)] = OUT
        first = best_places(likely, n=min(FIRST * k, likely.shape[1]))
        there = np.take_along_axis(likely, first, axis=1) > OUT / 2
        score = np.where(there, self.brought.read(slots, first), np.float32(OUT))
        lowest = least_of_rows(score, k=k)
        np.put_along_axis(likely, first, OUT, axis=1)
        user, place = self._left(moments, likely, lowest)
        at_once, read = users - len(np.unique(user)), int(there.sum()) + len(place)
        more = self.brought.read_pairs(slots, user, place)
        near, nearer = score >= reached(lowest)[:, None], more >= lowest[user]
        items = self.brought.contenders(
            np.append(np.nonzero(near)[0], user[nearer]),
            np.append(first[near], place[nearer]),
            np.append(score[near], more[nearer]),
            users=users,
            k=k,
        )
        return Contenders(items, at_once, read)

    def bounds(self, slots: Slots) -> tuple[np.ndarray, np.ndarray]:
        """What every candidate scores about, and at most: ``[user, candidate]`` twice."""
        moments = self._moments_of(slots)
        likely = self._likely(slots)
        bound = [self._bound(moments, likely, tile=tile) for tile in range(len(self._tiles))]
        return likely, np.concatenate(bound, axis=1)

    def _likely(self, slots: Slots) -> np.ndarray:
        likely = one_vector(slots) @ self._retrieved
        likely += self.brought.bias
        return likely

    def _moments_of(self, slots: Slots) -> list["_Moments"]:
        moments = []
        for head in range(slots.weights.shape[1]):
            alike = None if self._anchors is None else self._anchors.largest(slots, head=head)
            moments.append(_moments(slots, head=head, alike=alike))
        return moments

    def _left(
        self, moments: list["_Moments"], likely: np.ndarray, lowest: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Users, rising, and places of all candidates whose bound reaches ``lowest``."""
        found = [
            np.nonzero(self._bound(moments, likely, tile=tile) >= reached(lowest)[:, None])
            for tile in range(len(self._tiles))
        ]
        user = np.concatenate([pair[0] for pair in found])
        place = np.concatenate(
            [pair[1] + tile.start for pair, tile in zip(found, self._tiles, strict=True)]
        )
        order = np.argsort(user, kind="stable")
        return user[order], place[order]

    def _bound(self, moments: list["_Moments"], likely: np.ndarray, *, tile: int) -> np.ndarray:
        """The most that each candidate of a tile can score, ``[user, candidate]``."""
        part = self._tiles[tile]
        products = self._kept[tile] if self._keep else self._products(part)
        bound = likely[:, part].copy()
        for head, moment in enumerate(moments):
            query = self.brought.queries[head, part]
            group = None if self._anchors is None else self._anchors.group[head][part]
            bound += _most(moment, query=query, products=products[head], group=group)
        bound += ROUNDING * np.maximum(np.abs(bound), 1)
        return bound

    def _products(self, tile: slice) -> Products:
        """Of each head, products of all pairs in queries and answers, ``[pair, candidate]``."""
        return [
            (_pairs(query[tile]), _pairs(told[tile]))
            for query, told in zip(self.brought.queries, self.brought.told, strict=True)
        ]


def one_vector(slots: Slots) -> np.ndarray:
    """The users' vectors and what their slots tell to a candidate that is alike to none."""
    weights = slots.weights.astype(np.float64)
    weights /= 1 + weights.sum(axis=2, keepdims=True)
    told = weights[:, :, None].astype(np.float32) @ slots.values
    return np.hstack([slots.user, told.reshape(len(told), -1)])


class _Moments(NamedTuple):
    """Of one head's slots, of all users, by the weights p."""

    key: np.ndarray  # [user, part]: E[k]
    value_spread: np.ndarray  # [user, pair]: Cov(v), as _pairs counts them
    key_spread: np.ndarray  # [user, pair]
    longest: np.ndarray  # [user, 1]: of the keys
    alike: np.ndarray | None  # [user, group]: bound of k q by groups of candidates


def _moments(slots: Slots, *, head: int, alike: np.ndarray | None) -> _Moments:
    weights = slots.weights[:, head, None].astype(np.float64)
    whole = 1 + weights.sum(axis=2, keepdims=True)
    null, weights = (part.astype(np.float32) for part in (1 / whole, weights / whole))
    keys, values = slots.keys[:, head], slots.values[:, head]
    key, value = weights @ keys, weights @ values
    return _Moments(
        key=key[:, 0],
        value_spread=_spread(values, weights=weights, null=null, mean=value),
        key_spread=_spread(keys, weights=weights, null=null, mean=key),
        longest=np.sqrt((keys**2).sum(axis=2).max(axis=1, keepdims=True, initial=0)),
        alike=alike,
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
    moments: _Moments,
    *,
    query: np.ndarray,
    products: tuple[np.ndarray, np.ndarray],
    group: np.ndarray | None,
) -> np.ndarray:
    """How far above E[a] the mean of each candidate can be: ``[user, candidate]``."""
    spread = moments.key_spread @ products[0]
    np.maximum(spread, 1e-9, out=spread)
    mean = moments.key @ query.T
    above = moments.longest - mean
    if moments.alike is not None and group is not None:
        np.minimum(above, np.take(moments.alike, group, axis=1) - mean, out=above)
    np.maximum(above, 1e-3, out=above)
    apart = _second(spread, above)
    apart /= _first(spread, np.maximum(moments.longest + mean, 1e-3)) ** 2
    apart -= 1
    np.sqrt(np.maximum(apart, 0, out=apart), out=apart)
    told = moments.value_spread @ products[1]
    apart *= np.sqrt(np.maximum(told, 0, out=told), out=told)
    return apart


def _second(spread: np.ndarray, above: np.ndarray) -> np.ndarray:
    """At least E[exp(2 x)]; exp(-t) is at most 1 / (1 + t + t^2 / 2)."""
    square = above * above
    turn = 2 * spread
    turn /= above
    falling = (turn * 0.5 + 1) * turn + 1
    grown = np.exp(2 * above)
    grown *= spread
    grown += square / falling
    square += spread
    grown /= square
    return grown


def _first(spread: np.ndarray, below: np.ndarray) -> np.ndarray:
    """At most E[exp(x)]; exp(t) is at least 1 + t + t^2 / 2, and exp(-A) at least 0."""
    square = below * below
    grown = (spread * 0.5 + below) * spread + square
    square += spread
    grown /= square
    return np.maximum(grown, 1)


def _pairs(vectors: np.ndarray) -> np.ndarray:
    """Products of every two parts of each vector, ``[pair, vector]``."""
    row, column = np.triu_indices(vectors.shape[1])
    across = np.ascontiguousarray(vectors.T)
    return across[row] * across[column]
