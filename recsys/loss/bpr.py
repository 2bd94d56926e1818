"""Bayesian personalised ranking (Rendle et al. 2009): the target above each negative."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from recsys.loss.contract import Loss, Negatives, uniform


class BPR(Loss):
    """Mean over the negatives; those that equal the target do not count."""

    def __init__(self, *, count: Int[Tensor, " item"], negatives: int) -> None:
        super().__init__()
        self.items, self.negatives = len(count) - 1, negatives

    def draw(self, generator: torch.Generator) -> Negatives:
        """Uniform draws with replacement."""
        return uniform(items=self.items, negatives=self.negatives, generator=generator)

    def forward(
        self,
        positive: Float[Tensor, " position"],
        negative: Float[Tensor, "position negative"],
        log_expected: Float[Tensor, " negative"],
        accidental: Bool[Tensor, "position negative"],
    ) -> Float[Tensor, " position"]:
        lost = -functional.logsigmoid(positive[:, None] - negative)
        counted = (~accidental).sum(-1).clamp(min=1)
        return torch.where(accidental, 0.0, lost).sum(-1) / counted
