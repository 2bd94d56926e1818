"""The best candidates without reading most of them, and the proof that none was missed.

A candidate's score is s = u y + b + sum over heads of m, and m is a mean of what the slots answer,
weighed by w exp(k q). Were all cosines k q zero, the weights were the same for all candidates and
the mean one product with a vector of the user: that is retrieval. For one head, with p the weights
w made to sum to one (the null slot among them, which answers 0), a what slots answer and
x = k q - E[k q], every mean under p, -A <= x <= B, E[x] = 0 and v = Var(x),

    m - E[a] = Cov(exp(x) - 1, a) / E[exp(x)]
    Cov(exp(x) - 1, a) <= sd(a) sqrt(E[x^2 g(x)^2]) <= sd(a) sqrt(v) g(B),   g(x) = (exp(x) - 1) / x
    E[exp(x)] = 1 + E[x^2 f(x)] >= 1 + v f(-A),                    f(x) = (exp(x) - 1 - x) / x^2

by Cauchy and Schwarz, because g and f are positive and rise with x (f: Boucheron, Lugosi and
Massart 2013, proof of theorem 2.9). A and B come of the longest key; for B there is a sharper bound
where slots are events (``anchors.py``). sqrt(v) / (1 + v f(-A)) grows until v = 1 / f(-A), so with
v no larger than that, what bounds v may stand in for it.

Var(a) is a quadratic form in what the candidate alone brings: one matrix product over users for all
candidates, whatever the number of slots. v is one too, but at first no larger than the largest
eigenvalue for any query of length one; only where that leaves a candidate in is its own v taken.
A candidate whose bound does not reach the k-th best of those that were read cannot be in the list.
"""

from typing import Final, NamedTuple

import numpy as np

from recsys.scoring.anchors import Anchors
from recsys.scoring.last_hop import (
    ROUNDING,
    Brought,
    Contenders,
    Slots,
    proved,
    reached,
    together,
)

TABLES_BYTES: Final = 2**29  # products of the candidates are kept where they take no more
SMALLEST: Final = 1e-2  # of B; g and f of less would lose their digits in float32
TILE: Final = 4096  # candidates whose bounds are made at a time
FAINT: Final = 1e-5  # of a variance, relative to the largest there can be; what float32 may be off


class Certified:
    """Candidates of a job with what their bounds are made of.

    Takes 4 bytes times the width of what a candidate brings, and at most ``TABLES_BYTES`` more.
    """

    def __init__(self, brought: Brought, *, anchors: Anchors | None = None) -> None:
        self.brought = brought
        self._anchors = anchors
        self._retrieved = np.ascontiguousarray(brought.answers.T)
        heads, count, part = brought.queries.shape
        self._keep = 2 * heads * count * part * (part + 1) <= TABLES_BYTES
        self._tiles = [slice(start, start + TILE) for start in range(0, count, TILE)]
        self._kept = [self._products(tile) for tile in self._tiles] if self._keep else []

    def contenders(self, slots: Slots, *, excluded: np.ndarray, k: int) -> Contenders:
        """Every candidate that may stand in the list of the ``k`` best of each user."""
        moments, likely = self._moments_of(slots), self._likely(slots)

        def left(lowest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return self._left(moments, likely, lowest)

        return proved(self.brought, slots, likely, excluded=excluded, k=k, left=left)

    def bounds(self, slots: Slots) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What candidates score about, at most for any query, and at most for their own.

        Three times ``[user, candidate]``; the last is what survivors of the second are held to.
        """
        moments = self._moments_of(slots)
        likely = self._likely(slots)
        most, own = np.empty_like(likely), np.empty_like(likely)
        user = np.arange(len(likely))
        for tile, part in enumerate(self._tiles):
            reach = self._reach(moments, tile=tile)
            most[:, part] = _most(moments, likely[:, part], reach)
            wide = reach[0].shape[1]
            every = np.repeat(user, wide), np.tile(np.arange(wide), len(user))
            own[:, part] = self._own(moments, likely, reach, *every, tile=tile).reshape(-1, wide)
        return likely, most, own

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
        found = []
        for tile, part in enumerate(self._tiles):
            reach = self._reach(moments, tile=tile)
            most = _most(moments, likely[:, part], reach)
            user, place = np.nonzero(most >= reached(lowest)[:, None])
            own = self._own(moments, likely, reach, user, place, tile=tile)
            near = own >= reached(lowest)[user]
            found.append((user[near], place[near] + part.start))
        user, place = (np.concatenate(some) for some in zip(*found, strict=True))
        order = np.argsort(user, kind="stable")
        return user[order], place[order]

    def _reach(self, moments: list["_Moments"], *, tile: int) -> list[np.ndarray]:
        """Of each head sd(a) g(B) for the candidates of a tile, ``[user, candidate]``."""
        part = self._tiles[tile]
        products = self._kept[tile] if self._keep else self._products(part)
        reach = []
        for head, moment in enumerate(moments):
            mean = moment.key @ self.brought.queries[head, part].T
            group = None if self._anchors is None else self._anchors.group[head][part]
            reach.append(_grown(moment, mean, group=group))
            told = moment.value_spread @ products[head]
            reach[-1] *= np.sqrt(np.maximum(told, 0, out=told), out=told)
        return reach

    def _own(
        self,
        moments: list["_Moments"],
        likely: np.ndarray,
        reach: list[np.ndarray],
        user: np.ndarray,
        place: np.ndarray,
        *,
        tile: int,
    ) -> np.ndarray:
        """Bounds of pairs of a user, rising, and a place in the tile, with each query's own v."""
        part = self._tiles[tile]
        bound = likely[user, place + part.start]
        for head, moment in enumerate(moments):
            spread = np.empty(len(user), np.float32)
            for users, pair, there in together(user):
                query = np.take(self.brought.queries[head, part], place[pair], axis=0)
                own = np.einsum("ucp,ucp->uc", query @ moment.key_spread[users], query)
                spread[pair[there]] = own[there]
            bound += _share(spread, moment.flat[user, 0]) * reach[head][user, place]
        return _rounded(bound)

    def _products(self, tile: slice) -> list[np.ndarray]:
        """Of each head, products of all pairs in what candidates compare, ``[pair, candidate]``."""
        return [_pairs(told[tile]) for told in self.brought.told]


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
    key_spread: np.ndarray  # [user, part, part]: Cov(k)
    share: np.ndarray  # [user, 1]: sqrt(v) / (1 + v f(-A)) at most, for any query
    flat: np.ndarray  # [user, 1]: f(-A)
    above: np.ndarray  # [user, group or 1]: bound of k q, by groups of candidates if they are known


def _moments(slots: Slots, *, head: int, alike: np.ndarray | None) -> _Moments:
    weights = slots.weights[:, head, None].astype(np.float64)
    whole = 1 + weights.sum(axis=2, keepdims=True)
    null, weights = (part.astype(np.float32) for part in (1 / whole, weights / whole))
    keys, values = slots.keys[:, head], slots.values[:, head]
    key, value = weights @ keys, weights @ values
    key_spread = _spread(keys, weights=weights, null=null, mean=key)
    longest = np.sqrt((keys**2).sum(axis=2).max(axis=1, keepdims=True, initial=0))
    flat = _flat(longest + np.sqrt((key[:, 0] ** 2).sum(axis=1, keepdims=True)))
    return _Moments(
        key=key[:, 0],
        value_spread=_paired(_spread(values, weights=weights, null=null, mean=value)),
        key_spread=key_spread,
        share=_share(largest_of(key_spread)[:, None], flat),
        flat=flat,
        above=longest if alike is None else np.minimum(longest, alike),
    )


def _spread(
    vectors: np.ndarray, *, weights: np.ndarray, null: np.ndarray, mean: np.ndarray
) -> np.ndarray:
    """Covariance, ``[user, part, part]``; the null slot stands at the origin."""
    part = vectors.shape[2]
    away = vectors - mean
    spread = (away * weights.transpose(0, 2, 1)).transpose(0, 2, 1) @ away
    spread += null * mean.transpose(0, 2, 1) * mean
    diagonal = spread.reshape(len(spread), -1)[:, :: part + 1]
    diagonal += FAINT * diagonal.sum(axis=1, keepdims=True)
    return np.asarray(spread)


def _paired(spread: np.ndarray) -> np.ndarray:
    """By pairs, those off the diagonal twice."""
    row, column = np.triu_indices(spread.shape[1])
    return spread[:, row, column] * np.where(row == column, 1, 2).astype(np.float32)


def largest_of(spread: np.ndarray) -> np.ndarray:
    """No less than the largest eigenvalue of each covariance, and near it: ``[user]``.

    The eighth root of the sum of their eighth powers, as the fourth power of a matrix has it.
    """
    trace = np.trace(spread, axis1=1, axis2=2)
    power = spread / np.maximum(trace, 1e-30)[:, None, None]
    for _ in range(2):
        power = power @ power
    root = (power.astype(np.float64) ** 2).sum(axis=(1, 2)) ** 0.125
    return np.asarray((root * trace * (1 + ROUNDING)).astype(np.float32))


def _grown(moments: _Moments, mean: np.ndarray, *, group: np.ndarray | None) -> np.ndarray:
    """g(B), ``[user, candidate]``; ``mean`` is E[k q]."""
    above = moments.above if group is None else np.take(moments.above, group, axis=1)
    above = np.maximum(above - mean, SMALLEST)
    grown = np.exp(above)
    grown -= 1
    grown /= above
    return np.asarray(grown)


def _flat(below: np.ndarray) -> np.ndarray:
    """f(-A)."""
    below = np.maximum(below, SMALLEST).astype(np.float64)
    return np.asarray(((np.expm1(-below) + below) / below**2).astype(np.float32))


def _share(spread: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """The most that sqrt(v) / (1 + v f(-A)) is for any v up to ``spread``."""
    spread = np.clip(spread, 1e-9, 1 / flat)
    return np.asarray(np.sqrt(spread) / (1 + spread * flat))


def _most(moments: list[_Moments], likely: np.ndarray, reach: list[np.ndarray]) -> np.ndarray:
    """The most that candidates can score, whatever they ask with."""
    bound = likely.copy()
    for moment, far in zip(moments, reach, strict=True):
        bound += moment.share * far
    return _rounded(bound)


def _rounded(bound: np.ndarray) -> np.ndarray:
    bound += ROUNDING * np.maximum(np.abs(bound), 1)
    return bound


def _pairs(vectors: np.ndarray) -> np.ndarray:
    """Products of every two parts of each vector, ``[pair, vector]``."""
    row, column = np.triu_indices(vectors.shape[1])
    across = np.ascontiguousarray(vectors.T)
    return across[row] * across[column]
