"""Everybody gets what most people took."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recsys.data.batches import Question
from recsys.data.prepared import Prepared
from recsys.tables import COUNT


class SameForAll(NamedTuple):
    """One score an item, whoever asks; needs no events."""

    score: Float[Tensor, " item"]  # [0, items]; 0 is padding
    history: int = 0

    def scores(self, question: Question) -> Float[Tensor, "user item"]:
        """The same row for every user."""
        return self.score.expand(len(question.user), -1)


@dataclass(frozen=True)
class Popularity:
    """Score: how often the item occurs in the training part."""

    def fit(self, prepared: Prepared) -> SameForAll:
        """Read the counts off the catalogue."""
        return SameForAll(popularity(prepared))


def popularity(prepared: Prepared) -> Float[Tensor, " item"]:
    """Training interactions of each item 0..I, the padding's being 0."""
    return torch.from_numpy(np.append(0.0, prepared.catalogue[COUNT].to_numpy()))


def share(prepared: Prepared) -> Float[Tensor, " item"]:
    """Popularity squeezed into [0, 1): settles ties between whole numbers, changes nothing else."""
    counts = popularity(prepared)
    return counts / (counts.max() + 1)
