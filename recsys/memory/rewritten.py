"""What memories that rewrite their state have in common: slots that are nobody's event."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recsys.memory.contract import Look, Slots


def rewritten(
    keys: Float[Tensor, "row slot width"], values: Float[Tensor, "row slot width"]
) -> Slots:
    """Slots that every event may have changed: all readable, of no item, age 0, one position."""
    none = torch.zeros_like(keys[:, None, :, 0], dtype=torch.long)
    return Slots(
        keys=keys,
        values=values,
        bias=none.to(keys.dtype),
        filled=none == 0,
        age=none,
        gap_seconds=none,
        item=none[:, 0],
    )


def one_slot(hidden: Float[Tensor, "row width"]) -> Look:
    """All that is remembered in one slot, which is the user's present too."""
    only = hidden[:, None]
    return Look(slots=rewritten(only, only), context=only)


def front(
    vectors: Float[Tensor, "user event width"], present: Bool[Tensor, "user event"]
) -> tuple[Float[Tensor, "user event width"], Int[Tensor, "user event"]]:
    """Present events moved to the front of their row, and how many there are up to each place."""
    rank = present.long().cumsum(dim=1)
    place = torch.where(present, rank, 0)[..., None].expand_as(vectors)  # 0 is thrown away
    packed = vectors.new_zeros(vectors.shape[0], vectors.shape[1] + 1, vectors.shape[2])
    return packed.scatter(1, place, vectors)[:, 1:], rank
