"""The last event and what it makes of all events, as one vector: how SR-GNN reads its graph.

Wu et al. 2019, section 3.3, equations 6 and 7.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recsys.memory.contract import Slots
from recsys.output import one_vector
from recsys.output.contract import Output, View
from recsys.output.hop import silent_view


class SessionReadout(Output):
    """Soft attention without a softmax: a slot's weight is any number, so many slots say much.

    With s the user's present (the newest event's slot) and v a slot's key, its weight is
    q . sigmoid(W1 s + W2 v + c) and the user's vector is W3 [s; the weighted sum of values].
    """

    slot_width = 0
    explains = False
    every = one_vector.every
    each = one_vector.each
    effect = one_vector.effect

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.present = nn.Linear(width, width)  # W1 and c
        self.slot = nn.Linear(width, width, bias=False)  # W2
        self.weight = nn.Linear(width, 1, bias=False)  # q
        self.joined = nn.Linear(2 * width, width, bias=False)  # W3

    def look(self, slots: Slots, context: Float[Tensor, "row position width"]) -> View:
        alike = self.present(context)[:, :, None] + self.slot(slots.keys)[:, None]
        counts = slots.bias.exp() * slots.filled
        weights = self.weight(alike.sigmoid())[..., 0] * counts
        user = self.joined(torch.cat([context, weights @ slots.values], dim=-1))
        return silent_view(slots, user)
