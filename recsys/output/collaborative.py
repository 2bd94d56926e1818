"""Collaborative memory network (Ebesu et al. 2018), turned round: slots are the user's own items.

    z_0 = user + query      p_h = softmax_l <z_h, key_l>      o_h = sum_l p_h,l value_l
    z_h+1 = ReLU(W_h z_h + o_h + b_h)
    memory = v . ReLU(U (user * answer) + W o_H + b)

In the paper the slots of a user and an item are the other users who took the item (sections 3.2 to
3.4); here they are what the user took, so that nothing but the user's own history is needed.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recsys.memory.contract import Slots
from recsys.output.chunks import chunks
from recsys.output.contract import Effect, Output, Reading, View
from recsys.output.hop import LOWEST, silent_view


class Collaborative(Output):
    """``hops`` reads of each candidate on its own, so its cost is for a few hundred candidates.

    ``every`` needs position x candidate x slot and makes it for a few candidates at a time. The
    user is the context of the memory; its dot product with the answer, which R adds, is the
    matrix factorisation that the paper starts from. Besides the slots a null slot of value 0 is
    read, whose weight says that nothing in the history bears on the candidate.
    """

    explains = False

    def __init__(self, *, width: int, hops: int) -> None:
        super().__init__()
        self.slot_width = width
        hops_after = [nn.Linear(width, width) for _ in range(hops - 1)]
        for hop in hops_after:
            nn.init.ones_(hop.bias)  # so that ReLU lets the first gradients through
        self.hops = nn.ModuleList(hops_after)
        self.null = nn.Parameter(torch.zeros(()))
        self.taste = nn.Linear(width, width, bias=False)
        self.told = nn.Linear(width, width)
        self.weight = nn.Linear(width, 1, bias=False)

    def look(self, slots: Slots, context: Float[Tensor, "row position width"]) -> View:
        return silent_view(slots, context)

    def every(
        self,
        view: View,
        queries: Float[Tensor, "candidate width"],
        answers: Float[Tensor, "candidate slot_width"],
    ) -> Reading:
        rows, positions, slots = view.slots.filled.shape
        memory = [
            self._memory(view, query[None, None], answer[None, None])
            for query, answer in chunks(queries, answers, each=rows * positions * slots)
        ]
        return Reading(user=view.user, memory=torch.cat(memory, dim=2))

    def each(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Float[Tensor, "row candidate"]:
        if view.user.shape[1] == 1:
            return self._memory(view, queries[:, None], answers[:, None])[:, 0]
        return self._memory(view, queries[:, :, None], answers[:, :, None])[..., 0]

    def effect(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Effect:
        message = "hops that each ask anew do not tell what each slot did"
        raise NotImplementedError(message)

    def _memory(
        self,
        view: View,
        queries: Float[Tensor, "#row #position candidate width"],
        answers: Float[Tensor, "#row #position candidate slot_width"],
    ) -> Float[Tensor, "row position candidate"]:
        user = view.user[:, :, None]
        asked = user + queries
        read = self._read(view.slots, asked)
        for hop in self.hops:
            asked = functional.relu(hop(asked) + read)
            read = self._read(view.slots, asked)
        return self.weight(functional.relu(self.taste(user * answers) + self.told(read)))[..., 0]

    def _read(
        self, slots: Slots, asked: Float[Tensor, "row position candidate width"]
    ) -> Float[Tensor, "row position candidate width"]:
        logit = asked @ slots.keys[:, None].transpose(2, 3) + slots.bias[:, :, None]
        masked = torch.where(slots.filled[:, :, None], logit, LOWEST)
        silent = self.null.expand(*masked.shape[:-1], 1)
        weights = torch.cat([masked, silent], dim=-1).softmax(-1)[..., :-1]
        return weights @ slots.values[:, None]
