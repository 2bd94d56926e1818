"""What usually comes soon after the user's last item."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from recsys.baselines.popularity import share
from recsys.data.batches import Question
from recsys.data.prepared import Prepared
from recsys.data.split import training_events


class Transitions(NamedTuple):
    """Weights from each item to those that followed it, row after row without the zeros."""

    offset: Int[Tensor, " row"]  # items + 2: the entries of item i are offset[i] to offset[i + 1]
    item: Int[Tensor, " entry"]
    weight: Float[Tensor, " entry"]  # whole numbers
    share: Float[Tensor, " item"]  # popularity in [0, 1)
    history: int = 1

    def scores(self, question: Question) -> Float[Tensor, "user item"]:
        """Weight from the last item plus the popularity share; that alone without an event."""
        last = question.events.item[:, -1]
        entries = self.offset[last + 1] - self.offset[last]
        row = torch.arange(len(last)).repeat_interleave(entries)
        skipped = self.offset[last] - entries.cumsum(dim=0) + entries
        place = torch.arange(len(row)) + skipped[row]
        item = self.item[place]
        scores = self.share.repeat(len(last), 1)
        return scores.index_put((row, item), self.share[item] + self.weight[place])


@dataclass(frozen=True, kw_only=True)
class Markov:
    """Score: training events of the item near after the last item, the nearer the more.

    An item d events after another counts 1 / d. Popularity settles ties, and ranks what never
    followed.

    Attributes:
        window: Largest distance d that counts.
    """

    window: int

    def fit(self, prepared: Prepared) -> Transitions:
        """Count pairs of training events of one user up to ``window`` apart."""
        base = prepared.items + 1
        key, weight = _summed(np.concatenate(self._pairs(prepared)), window=self.window)
        before, after = np.divmod(key, base)
        return Transitions(
            offset=torch.from_numpy(np.searchsorted(before, np.arange(base + 1))),
            item=torch.from_numpy(after),
            weight=torch.from_numpy(weight),
            share=share(prepared),
        )

    def _pairs(self, prepared: Prepared) -> list[np.ndarray]:
        """One key a pair: the item before, the item after, and the distance."""
        histories, base = prepared.histories, prepared.items + 1
        trained = training_events(prepared.split, histories)
        item = histories.item[trained].astype(np.int64)
        user = np.repeat(np.arange(histories.users), np.diff(histories.offset))[trained]
        pairs = []
        for distance in range(1, self.window + 1):
            same = user[distance:] == user[:-distance]
            pair = item[:-distance][same] * base + item[distance:][same]
            pairs.append(pair * (self.window + 1) + distance)
        return pairs


def _summed(pairs: np.ndarray, *, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct keys, ascending, and the sum of 1 / d of each in the unit that makes all whole."""
    key, distance = np.divmod(np.sort(pairs), window + 1)
    unit = math.lcm(*range(1, window + 1))  # whole sums are exact, so ties are true ties
    first = np.flatnonzero(np.append(True, key[1:] != key[:-1])[: len(key)])
    return key[first], np.add.reduceat(unit // distance, first)
