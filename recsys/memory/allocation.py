"""Where a memory that frees its slots writes next (Graves et al. 2016, supplementary equations).

Usage is near 1 where something is kept and near 0 where something may be written; allocation looks
for the least used slot without sorting, so it is differentiable through the values and exports.
"""

import torch
from jaxtyping import Float
from torch import Tensor

LEAST = 1e-6  # usage of a slot that nothing was written into, as allocation sees it
MARGIN = 1e-4  # how much less used a slot must be to come before its neighbour in front


def retention(
    free: Float[Tensor, "user head"], read_weights: Float[Tensor, "user head slot"]
) -> Float[Tensor, "user slot"]:
    """What each slot keeps, from 0 to 1: less where heads that free had just read.

    psi in Graves et al. 2016: the product over heads of 1 - free x read weight.
    """
    return (1 - free[..., None] * read_weights).prod(dim=1)


def usage(
    before: Float[Tensor, "user slot"],
    *,
    write_weights: Float[Tensor, "user slot"],
    kept: Float[Tensor, "user slot"],
) -> Float[Tensor, "user slot"]:
    """How much each slot is in use, from 0 to 1, after the last write and what was freed since.

    No gradient goes through the writing, as in the authors' program.
    """
    written = write_weights.detach()
    return (before + written - before * written) * kept


def allocation(used: Float[Tensor, "user slot"]) -> Float[Tensor, "user slot"]:
    """Weights of the slots to write into next: nearly all on the least used, the first of equals.

    They sum to one less the product of all usages, so a full memory offers nothing. The paper sorts
    by usage and multiplies along the order, which is, slot by slot and without sorting,

        a[n] = (1 - u[n]) x product of u[m] over all m that come before n in that order

    Each slot counts as used a little more than the one in front of it: slots that were never told
    apart stay nearly equal, and rounding alone would decide where two runtimes write.
    """
    used = used * (1 - LEAST) + LEAST
    place = torch.arange(used.shape[1], dtype=used.dtype, device=used.device)
    rank = used + MARGIN * place
    mine, other = rank[:, :, None], rank[:, None, :]
    first = (other < mine) | ((other == mine) & (place[None, :] < place[:, None]))
    return (1 - used) * (first.to(used.dtype) @ used.log()[..., None])[..., 0].exp()
