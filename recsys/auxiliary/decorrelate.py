"""Slots that differ from each other hold more than slots that agree."""

import torch
from jaxtyping import Float
from torch import Tensor

from recsys.auxiliary.contract import Auxiliary, Seen


class Decorrelate(Auxiliary):
    """Frobenius norm of the covariances between slots (HPMN, Ren et al. 2019, section 3.3).

    Of each row's filled slots, covariance over the dimensions, without the diagonal; mean of rows.
    """

    def __init__(self, *, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, seen: Seen) -> Float[Tensor, ""]:
        slots = seen.view.slots
        filled = slots.filled.any(1)[..., None]
        centred = (slots.keys - slots.keys.mean(-1, keepdim=True)) * filled
        covariance = centred @ centred.transpose(1, 2) / slots.keys.shape[-1]
        others = 1 - torch.eye(covariance.shape[-1], device=covariance.device)
        size = (covariance * others).square().sum((1, 2))
        return self.weight * (size + 1e-12).sqrt().mean()
