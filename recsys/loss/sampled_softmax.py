"""Cross-entropy over the target and shared sampled negatives, corrected by their frequency."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recsys.loss.contract import HIDDEN, Loss, Negatives, smoothed


class SampledSoftmax(Loss):
    """The logQ correction (Bengio and Senecal 2008; Yi et al. 2019): s - log(expected draws).

    With it the sum over the negatives estimates the sum over the catalogue without bias; without
    it the optimum over-scores rarely drawn items. ``popular`` is the share of draws that follow
    the training frequency to the power 0.75 instead of the uniform distribution. ``smoothing`` is
    that of ``full_softmax``; the draws estimate the catalogue's mean score without bias.
    """

    draws: Tensor

    def __init__(
        self, *, count: Int[Tensor, " item"], negatives: int, popular: float, smoothing: float
    ) -> None:
        super().__init__()
        self.negatives, self.smoothing = negatives, smoothing
        frequent = count[1:].double().clamp(min=0) ** 0.75
        frequent = frequent / frequent.sum()
        draws = popular * frequent + (1 - popular) / len(frequent)
        self.register_buffer("draws", draws, persistent=False)

    def draw(self, generator: torch.Generator) -> Negatives:
        """Draws with replacement, on the CPU."""
        draws = self.draws.cpu()
        edges = draws.cumsum(0)
        place = torch.rand(self.negatives, generator=generator, dtype=torch.double) * edges[-1]
        item = torch.searchsorted(edges, place, right=True).clamp(max=len(draws) - 1)
        return Negatives(item=item + 1, log_expected=(draws[item] * self.negatives).log().float())

    def forward(
        self,
        positive: Float[Tensor, " position"],
        negative: Float[Tensor, "position negative"],
        log_expected: Float[Tensor, " negative"],
        accidental: Bool[Tensor, "position negative"],
    ) -> Float[Tensor, " position"]:
        corrected = torch.where(accidental, HIDDEN, negative - log_expected)
        mean = (negative / log_expected.exp()).sum(-1) / len(self.draws)
        wanted = smoothed(positive, mean, smoothing=self.smoothing)
        return torch.logaddexp(corrected.logsumexp(-1), positive) - wanted
