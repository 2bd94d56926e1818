"""A short window and a long past that is looked up in a memory all users share: MA-GNN.

Ma et al. 2020 (memory augmented graph neural networks), sections 4.2 to 4.5.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recsys.memory.contract import Slots
from recsys.output import one_vector
from recsys.output.contract import Output, View
from recsys.output.hop import LOWEST, silent_view


class SharedMemory(Output):
    """The newest ``window`` slots, and what the others are like among ``units`` of interest.

    The window's mean and the user's present make the short-term vector. Attention of ``aspects``
    dimensions over the slots before the window (over all, where none is) makes a query; keys and
    values that belong to nobody answer it; query and answer are the long-term vector. A gate mixes
    the two, and the window's mean also meets candidates directly, through a bilinear form.
    """

    slot_width = 0
    explains = False
    every = one_vector.every
    each = one_vector.each
    effect = one_vector.effect

    def __init__(self, *, width: int, window: int, aspects: int, units: int) -> None:
        super().__init__()
        self.window = window
        self.short = nn.Linear(2 * width, width, bias=False)
        self.slot = nn.Linear(width, width, bias=False)
        self.present = nn.Linear(width, width, bias=False)
        self.attend = nn.Linear(width, aspects, bias=False)
        self.keys = nn.Parameter(torch.randn(units, width) / width**0.5)
        self.values = nn.Parameter(torch.randn(units, width) / width**0.5)
        self.gate = nn.Linear(3 * width, width)
        self.bilinear = nn.Linear(width, width, bias=False)

    def look(self, slots: Slots, context: Float[Tensor, "row position width"]) -> View:
        recent = slots.filled & (slots.age < self.window)
        counts = slots.bias.exp() * recent
        mean = counts @ slots.values / counts.sum(-1, keepdim=True).clamp(min=1)
        short = self.short(torch.cat([mean, context], dim=-1)).tanh()
        asked = self._asked(slots, context, among=_before(slots.filled, recent=recent))
        long = asked + (asked @ self.keys.T).softmax(-1) @ self.values
        gate = self.gate(torch.cat([mean, short, context], dim=-1)).sigmoid()
        user = gate * short + (1 - gate) * long + self.bilinear(mean)
        return silent_view(slots, user)

    def _asked(
        self,
        slots: Slots,
        context: Float[Tensor, "row position width"],
        *,
        among: Bool[Tensor, "row position slot"],
    ) -> Float[Tensor, "row position width"]:
        """The past as a query, mean of all aspects; a null slot says that nothing was seen."""
        alike = self.slot(slots.keys)[:, None] + self.present(context)[:, :, None]
        logit = self.attend(alike.tanh()) + slots.bias[..., None]
        masked = torch.where(among[..., None], logit, LOWEST)
        silent = torch.zeros_like(masked[:, :, :1])
        weights = torch.cat([masked, silent], dim=2).softmax(2)[:, :, :-1]
        read = torch.einsum("rpsa,rsw->rpaw", weights, slots.values)
        return read.tanh().mean(2)


def _before(
    filled: Bool[Tensor, "row position slot"], *, recent: Bool[Tensor, "row position slot"]
) -> Bool[Tensor, "row position slot"]:
    """The slots before the window, or all where there is none."""
    before = filled & ~recent
    return before | (filled & ~before.any(-1, keepdim=True))
