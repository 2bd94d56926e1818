"""Hops that are told which slot speaks for the target, by a margin instead of a probability."""

from jaxtyping import Float
from torch import Tensor

from recsys.auxiliary.contract import Auxiliary, Seen
from recsys.auxiliary.read_support import labels
from recsys.output.picks import margin


class ReadMargin(Auxiliary):
    """How far other slots come nearer than ``gamma`` to the labelled ones (Weston et al. 2014)."""

    def __init__(self, *, weight: float, gamma: float) -> None:
        super().__init__()
        self.weight, self.gamma = weight, gamma

    def forward(self, seen: Seen) -> Float[Tensor, ""]:
        told = labels(seen)
        count = min(seen.view.hops.shape[1], told.shape[2])
        told = told[..., :count]
        hinge = margin(seen.view.hops[:, :count], told, gamma=self.gamma)
        return self.weight * hinge.sum() / (told >= 0).sum().clamp(min=1)
