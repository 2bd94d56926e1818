"""How a head chooses slots: by what is in them (content), or by moving on from where it was.

Graves et al. 2014, section 3.3. Nothing here depends on what the numbers are, so it exports.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

BLANK = 1e-6  # what every slot holds before the first event (Collier and Beel 2018)
LOUDEST = 20.0  # bound of what a controller tells the heads, before any squashing
# Bounds, not summands: the exporter takes adding such a number for adding nothing.
SHORTEST = 1e-8  # length from which a slot is like nothing
FAINTEST = 1e-12  # least weight that is raised to a power


def cosine(
    key: Float[Tensor, "user head key"], memory: Float[Tensor, "#user slot key"]
) -> Float[Tensor, "user head slot"]:
    """How alike each head's key and each slot are, from -1 to 1; 0 for an empty slot."""
    lengths = key.norm(dim=-1)[..., None] * memory.norm(dim=-1)[:, None]
    return key @ memory.transpose(1, 2) / lengths.clamp(min=SHORTEST)


def content_weights(
    key: Float[Tensor, "user head key"],
    memory: Float[Tensor, "#user slot key"],
    strength: Float[Tensor, "#user head"],
) -> Float[Tensor, "user head slot"]:
    """Weights of the slots by cosine times strength; they sum to one (section 3.3.1, eq. 5)."""
    return functional.softmax(strength[..., None] * cosine(key, memory), dim=-1)


def shifted(
    weights: Float[Tensor, "user head slot"], shifts: Float[Tensor, "user head 3"]
) -> Float[Tensor, "user head slot"]:
    """Weights moved on a circle of slots: one back, not at all, one on (section 3.3.2, eq. 8)."""
    back, stay, on = shifts[..., None].unbind(2)
    return torch.roll(weights, -1, 2) * back + weights * stay + torch.roll(weights, 1, 2) * on


def sharpened(
    weights: Float[Tensor, "user head slot"], power: Float[Tensor, "user head"]
) -> Float[Tensor, "user head slot"]:
    """Weights raised to a power of at least 1; they sum to one (section 3.3.2, eq. 9).

    Dividing by the largest first changes nothing but keeps high powers from vanishing.
    """
    faint = weights.clamp(min=FAINTEST)
    raised = (faint / faint.amax(dim=-1, keepdim=True).detach()) ** power[..., None]
    return raised / raised.sum(dim=-1, keepdim=True)


def one_hot_start(like: Tensor, *shape: int) -> Tensor:
    """Weights before the first event: everything on slot 0 (last axis)."""
    return torch.cat(
        [like.new_ones(*shape[:-1], 1), like.new_zeros(*shape[:-1], shape[-1] - 1)], -1
    )


def written(
    memory: Float[Tensor, "user slot key"],
    weights: Float[Tensor, "user head slot"],
    *,
    erase: Float[Tensor, "user head key"],
    add: Float[Tensor, "user head key"],
) -> Float[Tensor, "user slot key"]:
    """The memory after every head has erased and then every head has added (section 3.2)."""
    for place, erased in zip(weights.unbind(1), erase.unbind(1), strict=True):
        memory = memory * (1 - place[..., None] * erased[:, None])
    return memory + weights.transpose(1, 2) @ add
