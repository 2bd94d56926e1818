"""Which slot was written after which (Graves et al. 2016, supplementary equations).

``links[i, j]`` near 1 says that slot i was written right after slot j. Rows and columns sum to at
most one, so following links never makes weights grow.
"""

import torch
from jaxtyping import Float
from torch import Tensor

FAINTEST = 1e-6  # added to every weight before it is raised to a power


def linked(
    links: Float[Tensor, "user link link"],
    *,
    precedence: Float[Tensor, "user link"],
    write_weights: Float[Tensor, "user link"],
) -> Float[Tensor, "user link link"]:
    """The links after this write; a slot never follows itself."""
    to, since = write_weights[:, :, None], write_weights[:, None, :]
    after = (1 - to - since) * links + to * precedence[:, None]
    return after * (1 - torch.eye(links.shape[1], dtype=links.dtype, device=links.device))


def preceded(
    precedence: Float[Tensor, "user link"], write_weights: Float[Tensor, "user link"]
) -> Float[Tensor, "user link"]:
    """How much each slot was the last one written; a write of nothing changes nothing."""
    return (1 - write_weights.sum(dim=1, keepdim=True)) * precedence + write_weights


def forward(
    links: Float[Tensor, "user link link"], read_weights: Float[Tensor, "user head link"]
) -> Float[Tensor, "user head link"]:
    """From what was read to what was written next."""
    return read_weights @ links.transpose(1, 2)


def backward(
    links: Float[Tensor, "user link link"], read_weights: Float[Tensor, "user head link"]
) -> Float[Tensor, "user head link"]:
    """From what was read to what was written before."""
    return read_weights @ links


def sharpened(
    weights: Float[Tensor, "user head link"], power: Float[Tensor, "user head"]
) -> Float[Tensor, "user head link"]:
    """Weights raised to a power of at least 1 and brought to a sum of one.

    Following links blurs a little at every step; this undoes it (Csordas and Schmidhuber 2019,
    section 3.3). Where no link leads on, every slot is as likely.
    """
    faint = weights + FAINTEST
    raised = (faint / faint.amax(dim=-1, keepdim=True).detach()) ** power[..., None]
    return raised / raised.sum(dim=-1, keepdim=True)
