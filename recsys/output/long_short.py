"""What the user had before this session as one vector, and with that the session itself: SHAN.

Ying et al. 2018 (sequential hierarchical attention network), section 4, equations 1 to 4.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recsys.memory.contract import Slots
from recsys.output import one_vector
from recsys.output.contract import Output, View
from recsys.output.hop import LOWEST, silent_view

NEVER = 2**40  # an age that no slot has


class LongShort(Output):
    """Attention over the slots of earlier sessions; its read is one more slot beside the newest's.

    The logit of a slot with key k is u . relu(W k + b), u being the user's present, and there is a
    null slot of logit 0. The second read is the user's vector. Of a memory that knows no sessions
    both attentions read every slot.
    """

    slot_width = 0
    explains = False
    every = one_vector.every
    each = one_vector.each
    effect = one_vector.effect

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.long = nn.Linear(width, width)
        self.short = nn.Linear(width, width)

    def look(self, slots: Slots, context: Float[Tensor, "row position width"]) -> View:
        earlier, current = _sides(slots)
        told = context @ self.long(slots.keys).relu().transpose(-1, -2) + slots.bias
        remembered = _weights(told, among=earlier)
        past = remembered @ slots.values
        told = context @ self.short(slots.keys).relu().transpose(-1, -2) + slots.bias
        of_past = (context * self.short(past).relu()).sum(-1, keepdim=True)
        among = torch.cat([current, earlier.any(-1, keepdim=True)], dim=-1)
        weights = _weights(torch.cat([told, of_past], dim=-1), among=among)
        weights = weights[..., :-1] + weights[..., -1:] * remembered
        return silent_view(slots, weights @ slots.values, weights=[weights])


def _sides(
    slots: Slots,
) -> tuple[Bool[Tensor, "row position slot"], Bool[Tensor, "row position slot"]]:
    """Which slots are of earlier sessions, and which of the newest slot's, at each position."""
    if slots.session is None:
        return slots.filled, slots.filled
    newest = torch.where(slots.filled, slots.age, NEVER).argmin(-1)
    current = slots.session[:, None] == slots.session.gather(1, newest)[..., None]
    return slots.filled & ~current, slots.filled & current


def _weights(
    logit: Float[Tensor, "row position slot"], *, among: Bool[Tensor, "row position slot"]
) -> Float[Tensor, "row position slot"]:
    """Softmax over these slots and a null slot of logit 0, which is left out of the result."""
    masked = torch.where(among, logit, LOWEST)
    silent = torch.zeros_like(masked[..., :1])
    return torch.cat([masked, silent], dim=-1).softmax(-1)[..., :-1]
