"""Deep interest evolution network (Zhou et al. 2019): interests evolve towards the candidate.

    h_l = (1 - a_l z_l) h_(l-1) + a_l z_l h~_l     a = softmax over slots of <key_l, W query>
    memory = <h_L, answer>

A gated recurrent unit goes through the slots in their order (the paper's AUGRU). The candidate's
attention scales its update gate, so that what does not concern the candidate passes by.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from recsys.memory.contract import Slots
from recsys.output.chunks import chunks
from recsys.output.contract import Effect, Output, Reading, View
from recsys.output.episodes import EpisodeCell
from recsys.output.hop import LOWEST, silent_view


class Dien(Output):
    """Slots should be interests, hidden states of a recurrent unit: memory ``dynamic``.

    A null slot with a learned value stands before the first one: how an interest begins, and where
    a candidate looks that no slot concerns.

    Every candidate runs a recurrent unit of its own through all slots, at every position: for
    ranking anew a few hundred candidates, and for training with few negatives.
    """

    explains = False

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.slot_width = width
        self.norm = nn.LayerNorm(width)
        self.ask = nn.Linear(width, width, bias=False)
        self.cell = EpisodeCell(width=width, forgets=True)
        self.start = nn.Parameter(torch.zeros(width))
        self.null = nn.Parameter(torch.zeros(1))
        self.gain = nn.Parameter(torch.tensor(2.0))

    def look(self, slots: Slots, context: Float[Tensor, "row position width"]) -> View:
        return silent_view(slots, self.norm(context))

    def every(
        self,
        view: View,
        queries: Float[Tensor, "candidate width"],
        answers: Float[Tensor, "candidate slot_width"],
    ) -> Reading:
        rows, positions, slots = view.slots.filled.shape
        memory = []
        for query, answer in chunks(queries, answers, each=rows * positions * slots):
            match = self._match(view.slots, query[None])[:, None]
            seen = view.slots.filled[:, :, None], view.slots.bias[:, :, None]
            match, filled, bias = torch.broadcast_tensors(match, *seen)
            share = self._shares(*(part.flatten(1, 2) for part in (match, filled, bias)))
            interest = self._interest(view.slots, share).unflatten(1, (positions, -1))
            memory.append(self.gain * (interest * answer).sum(-1))
        return Reading(user=view.user, memory=torch.cat(memory, dim=2))

    def each(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Float[Tensor, "row candidate"]:
        match = self._match(view.slots, queries)
        share = self._shares(match, view.slots.filled, view.slots.bias)
        return self.gain * (self._interest(view.slots, share) * answers).sum(-1)

    def effect(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Effect:
        message = "an interest that evolved through all slots does not tell what each slot did"
        raise NotImplementedError(message)

    def _match(
        self, slots: Slots, queries: Float[Tensor, "#row candidate width"]
    ) -> Float[Tensor, "row candidate slot"]:
        return self.ask(queries) @ slots.keys.transpose(1, 2)

    def _shares(
        self,
        match: Float[Tensor, "row candidate slot"],
        filled: Bool[Tensor, "row #candidate slot"],
        bias: Float[Tensor, "row #candidate slot"],
    ) -> Float[Tensor, "row candidate all"]:
        """Attention over the null slot, which comes first, and the filled ones; it sums to one."""
        logit = torch.where(filled, match + bias, LOWEST)
        null = self.null.expand(*logit.shape[:2], 1)
        return torch.cat([null, logit], dim=-1).softmax(-1)

    def _interest(
        self, slots: Slots, share: Float[Tensor, "row candidate all"]
    ) -> Float[Tensor, "row candidate width"]:
        """What the unit holds after the last slot."""
        first = self.start.expand(slots.values.shape[0], 1, -1)
        facts = torch.cat([first, slots.values], dim=1)
        return self.cell.through(facts, gate=share, start=torch.zeros_like(self.start))


def next_item_loss(
    states: Float[Tensor, "user event width"],
    following: Float[Tensor, "user event width"],
    others: Float[Tensor, "user event width"],
    *,
    known: Bool[Tensor, "user event"],
) -> Float[Tensor, ""]:
    """DIEN's auxiliary loss: what follows should be likelier than what does not.

    Args:
        states: Interests after each event: the keys of the slots.
        following: Vectors of the events that came next.
        others: Vectors of events that did not.
        known: Where there is a next event; the loss is the mean over these, 0 if there is none.
    """
    right = functional.softplus(-(states * following).sum(-1))
    wrong = functional.softplus((states * others).sum(-1))
    return ((right + wrong) * known).sum() / known.sum().clamp(min=1)
