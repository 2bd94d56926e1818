"""Cross-entropy over the whole catalogue at every position: nothing is sampled."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recsys.loss.contract import Loss, Negatives, smoothed


class FullSoftmax(Loss):
    """Exact, best calibrated, and the first choice while catalogue x positions fits in memory.

    ``smoothing`` of the target's probability is spread evenly over the catalogue (Szegedy et al.
    2016, section 7), against learning by heart; 0 for none, 0.1 is much.
    """

    def __init__(self, *, count: Tensor, smoothing: float) -> None:
        super().__init__()
        self.items, self.smoothing = len(count) - 1, smoothing

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
        wanted = smoothed(positive, negative.mean(-1), smoothing=self.smoothing)
        return negative.logsumexp(-1) - wanted
