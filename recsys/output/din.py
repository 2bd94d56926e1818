"""Deep interest network (Zhou et al. 2018): a candidate weighs every slot, and the weights add up.

    memory = sum_l a_l <value_l, answer>     a_l = MLP [key_l; query; key_l - query; key_l * query]

There is no softmax (section 4.3 of the paper): ten events that speak for a candidate say ten times
as much as one, where a mean would say the same.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recsys.memory.contract import Slots
from recsys.output.chunks import chunks
from recsys.output.contract import Effect, Output, Reading, View
from recsys.output.hop import silent_view


class Din(Output):
    """``hidden`` units of one layer weigh a slot; a merged slot counts as often as it has events.

    The activation unit cannot be factored: it needs candidate x slot x hidden, which ``every``
    makes for a few candidates at a time. So it is for ranking anew what a cheaper read has found,
    and for catalogues of thousands.
    """

    explains = True

    def __init__(self, *, width: int, hidden: int) -> None:
        super().__init__()
        self.slot_width = width
        self.norm = nn.LayerNorm(width)
        self.unit = ActivationUnit(width=width, hidden=hidden)
        self.gain = nn.Parameter(torch.tensor(1.0))

    def look(self, slots: Slots, context: Float[Tensor, "row position width"]) -> View:
        return silent_view(slots, self.norm(context))

    def every(
        self,
        view: View,
        queries: Float[Tensor, "candidate width"],
        answers: Float[Tensor, "candidate slot_width"],
    ) -> Reading:
        counts = _counts(view.slots)
        rows, slots, _ = view.slots.keys.shape
        memory = [
            counts @ self._said(view.slots, query[None], answer[None]).transpose(1, 2)
            for query, answer in chunks(queries, answers, each=rows * slots * self.unit.hidden)
        ]
        return Reading(user=view.user, memory=torch.cat(memory, dim=2))

    def each(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Float[Tensor, "row candidate"]:
        return (_counts(view.slots) * self._said(view.slots, queries, answers)).sum(-1)

    def effect(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Effect:
        """A sum loses with a slot just what the slot said; its share of all said is its weight."""
        effect = _counts(view.slots) * self._said(view.slots, queries, answers)
        much = effect.abs()
        return Effect(weights=much / (much.sum(-1, keepdim=True) + 1), effect=effect)

    def _said(
        self,
        slots: Slots,
        queries: Float[Tensor, "#row candidate width"],
        answers: Float[Tensor, "#row candidate slot_width"],
    ) -> Float[Tensor, "row candidate slot"]:
        """What each slot says of each candidate: its weight times its product with the answer."""
        told = answers @ slots.values.transpose(1, 2)
        return self.gain * self.unit(slots.keys, queries) * told


class ActivationUnit(nn.Module):
    """One number for a key and a query: from both, their difference and their product."""

    def __init__(self, *, width: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.key = nn.Linear(width, hidden)
        self.query = nn.Linear(width, hidden, bias=False)
        self.difference = nn.Linear(width, hidden, bias=False)
        self.product = nn.Linear(width, hidden, bias=False)
        self.bend = nn.PReLU()
        self.weight = nn.Linear(hidden, 1)

    def forward(
        self,
        keys: Float[Tensor, "row slot width"],
        queries: Float[Tensor, "#row candidate width"],
    ) -> Float[Tensor, "row candidate slot"]:
        """The weight of every slot for every candidate; any real number."""
        key = self.key(keys) + self.difference(keys)
        query = self.query(queries) - self.difference(queries)
        asked = (keys[:, :, None] * self.product.weight).flatten(1, 2)  # no candidate x width
        product = (asked @ queries.transpose(1, 2)).unflatten(1, (-1, self.hidden))
        hidden = key[:, None] + query[:, :, None] + product.permute(0, 3, 1, 2)
        return self.weight(self.bend(hidden))[..., 0]


def _counts(slots: Slots) -> Float[Tensor, "row position slot"]:
    """How many events each slot stands for, seen from each position."""
    return slots.bias.exp() * slots.filled
