"""Peaked reads for each query, all slots used over the batch."""

import torch
from jaxtyping import Float
from torch import Tensor

from recsys.auxiliary.contract import Auxiliary, Seen


class Utilise(Auxiliary):
    """Minus the mutual information of question and slot: -(H(mean p) - mean H(p)).

    For memories whose slots are the same places for everybody (topics, centroids, heads of a
    matrix); where slots are a user's own events there is no sense in using all of them. The read
    weights are those of the context hops.
    """

    def __init__(self, *, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, seen: Seen) -> Float[Tensor, ""]:
        asked = (seen.target > 0).flatten()
        read = seen.view.hops.transpose(1, 2).flatten(0, 1)[asked]  # position hop slot
        peaked = _entropy(read).mean(0)
        spread = _entropy(read.mean(0))
        return self.weight * (peaked - spread).sum()


def _entropy(weights: Tensor) -> Tensor:
    return torch.special.entr(weights).sum(-1)
