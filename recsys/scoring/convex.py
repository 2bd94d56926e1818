"""The best candidates where each asks for a slot or two: no memory says more than its loudest slot.

What the memory says in a head is a mean of what its slots answer and of the null slot's zero, so
whatever the weights are it is at most the largest of these answers, or zero:

    u y + b + sum over heads of max(0, max over slots of a)

is above every score (the sharper the addresses, the nearer: with all weight on one slot it is met).
It costs the products of slots and answers, about half of what reading costs, and no exponential.
"""

from typing import Final

import numpy as np

from recsys.scoring.last_hop import ROUNDING, Brought, Contenders, Slots, proved, reached

TILE: Final = 1024  # candidates whose answers of all slots are kept at a time


class Convex:
    """Candidates of a job; bounds that look at answers alone."""

    def __init__(self, brought: Brought) -> None:
        self.brought = brought
        self._user_answers = np.ascontiguousarray(brought.answers[:, : brought.width].T)

    def contenders(self, slots: Slots, *, excluded: np.ndarray, k: int) -> Contenders:
        """Every candidate that may stand in the list of the ``k`` best of each user."""
        most = self.bounds(slots)

        def left(lowest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            user, place = np.nonzero(most >= reached(lowest)[:, None])
            return user, place

        return proved(self.brought, slots, most, excluded=excluded, k=k, left=left)

    def bounds(self, slots: Slots) -> np.ndarray:
        """What candidates score at most, ``[user, candidate]``."""
        most = slots.user @ self._user_answers
        most += self.brought.bias
        users, heads, places = slots.weights.shape
        for head in range(heads):
            values = np.where(slots.weights[:, head, :, None] > 0, slots.values[:, head], 0)
            values = values.reshape(users * places, values.shape[-1])
            for start in range(0, most.shape[1], TILE):
                told = values @ self.brought.told[head, start : start + TILE].T
                told = told.reshape(users, places, told.shape[1])
                most[:, start : start + TILE] += told.max(axis=1, initial=0)
        most += ROUNDING * np.maximum(np.abs(most), 1)
        return np.asarray(most)
