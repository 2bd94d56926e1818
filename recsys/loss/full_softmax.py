"""Cross-entropy over the whole catalogue at every position: nothing is sampled."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recsys.loss.contract import Loss, Negatives


class FullSoftmax(Loss):
    """Exact, best calibrated, and the first choice while catalogue x positions fits in memory."""

    def __init__(self, *, count: Tensor) -> None:
        super().__init__()
        self.items = len(count) - 1

    def draw(self, generator: torch.Generator) -> Negatives:
        """The whole catalogue, each item once."""
        return Negatives(item=torch.arange(1, self.items + 1), log_expected=torch.zeros(self.items))

    def forward(
        self,
        positive: Float[Tensor, " position"],
        negative: Float[Tensor, "position negative"],
        log_expected: Float[Tensor, " negative"],
        accidental: Bool[Tensor, "position negative"],
    ) -> Float[Tensor, " position"]:
        return negative.logsumexp(-1) - positive
