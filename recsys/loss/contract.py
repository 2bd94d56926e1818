"""What every objective holds to: which items to score beside the target, and what that costs."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

HIDDEN = -1e4  # the logit of a negative that is in truth the target


class Negatives(NamedTuple):
    """Items every position of a step is compared with, and how often each was to be expected."""

    item: Int[Tensor, " negative"]
    log_expected: Float[Tensor, " negative"]  # log of the expected number of draws


class Loss(nn.Module, ABC):
    """An objective over one positive and shared negatives at each position."""

    @abstractmethod
    def draw(self, generator: torch.Generator) -> Negatives:
        """Negatives of one step; the same generator state gives the same items on every device."""

    @abstractmethod
    def forward(
        self,
        positive: Float[Tensor, " position"],
        negative: Float[Tensor, "position negative"],
        log_expected: Float[Tensor, " negative"],
        accidental: Bool[Tensor, "position negative"],
    ) -> Float[Tensor, " position"]:
        """Loss at each position. ``accidental`` marks the negatives that equal the target."""


def smoothed(
    positive: Float[Tensor, " position"], mean: Float[Tensor, " position"], *, smoothing: float
) -> Float[Tensor, " position"]:
    """The expected score of a target that is any item of the catalogue in a share of the cases."""
    return (1 - smoothing) * positive + smoothing * mean


def uniform(*, items: int, negatives: int, generator: torch.Generator) -> Negatives:
    """Draws with replacement, each item equally likely."""
    item = torch.randint(1, items + 1, (negatives,), generator=generator)
    expected = torch.full((negatives,), negatives / items)
    return Negatives(item=item, log_expected=expected.log())
