"""Generalised binary cross-entropy (Petrov and Macdonald 2023, section 5): gSASRec's objective."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from recsys.loss.contract import HIDDEN, Loss, Negatives, uniform


class GBCE(Loss):
    """Binary cross-entropy whose positive is raised to a power that undoes negative sampling.

    ``calibration`` is t of the paper: 0 is plain cross-entropy, 1 fully corrects over-confidence.
    """

    def __init__(self, *, count: Int[Tensor, " item"], negatives: int, calibration: float) -> None:
        super().__init__()
        self.items, self.negatives = len(count) - 1, negatives
        share = negatives / (self.items - 1)  # alpha of the paper
        self.power = share * (calibration * (1 - 1 / share) + 1 / share)  # beta, equation 19

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
        wrong = functional.logsigmoid(-torch.where(accidental, HIDDEN, negative)).sum(-1)
        return -(self.power * functional.logsigmoid(positive) + wrong) / (self.negatives + 1)
