"""Candidates that ask in groups: slots are read once for a code, a candidate is a dot product.

All candidates with one code have the same queries, so with t what the slots tell to a code,

    t = sum(w exp(k q) v) / (1 + sum(w exp(k q))),   score = u y + b + the sum over heads of t z:

the definition itself, with nothing left out. It takes products of codes with slots, and then one
product of the length of a user's vector and of what the heads tell for each candidate.
"""

import numpy as np

from recsys.scoring.last_hop import OUT, Brought, Contenders, Slots, best_places, least, reached


class Coded:
    """Candidates of a job in the order of their codes.

    Takes 4 bytes times the width of what a candidate brings besides :class:`Brought`.
    """

    def __init__(self, brought: Brought) -> None:
        assert brought.codes is not None
        self.brought = brought
        self._order = np.argsort(brought.codes, kind="stable")
        self._back = np.argsort(self._order)  # place of a candidate -> its place in that order
        _, first = np.unique(brought.codes[self._order], return_index=True)
        self._cuts = [*first.tolist(), len(self._order)]
        self._queries = brought.queries[:, self._order[first]]  # head code part
        self._answers = np.ascontiguousarray(brought.answers[self._order].T)
        self._bias = brought.bias[self._order]

    def contenders(self, slots: Slots, *, excluded: np.ndarray, k: int) -> Contenders:
        """The best ``k`` of each user and what comes as near as rounding may be off."""
        users = len(slots.user)
        score = self.scores(slots)
        row, place = self.brought.hidden(excluded)
        score[row, self._back[place]] = OUT
        few = best_places(score, n=min(k, score.shape[1]))
        user = np.repeat(np.arange(users), few.shape[1])
        best = np.take_along_axis(score, few, axis=1).ravel()
        lowest = least(user, best, users=users, k=k)
        user, place = np.nonzero(score >= reached(lowest)[:, None])
        items = self.brought.contenders(
            user, self._order[place], score[user, place], users=users, k=k
        )
        return Contenders(items, users, 0)

    def scores(self, slots: Slots) -> np.ndarray:
        """Exact scores ``[user, candidate]``, candidates in the order of their codes."""
        asks = self._told(slots)
        score = np.empty((len(slots.user), len(self._order)), np.float32)
        for code, (start, end) in enumerate(zip(self._cuts, self._cuts[1:], strict=False)):
            np.matmul(asks[code], self._answers[:, start:end], out=score[:, start:end])
        score += self._bias
        return score

    def _told(self, slots: Slots) -> np.ndarray:
        """The user's vector and what the heads tell, ``[code, user, width]``."""
        codes, users = self._queries.shape[1], len(slots.user)
        asks = np.empty((codes, users, len(self._answers)), np.float32)
        asks[..., : self.brought.width] = slots.user
        part = self._queries.shape[2]
        for head, queries in enumerate(self._queries):
            loud = np.exp(queries @ slots.keys[:, head].transpose(0, 2, 1))  # user code slot
            loud *= slots.weights[:, head, None]
            told = loud @ slots.values[:, head]
            told /= 1 + loud.sum(axis=2, keepdims=True)
            start = self.brought.width + head * part
            asks[..., start : start + part] = told.transpose(1, 0, 2)
        return asks
