"""Episodes: pass after pass over the slots in their order, each pass with the last one's memory.

    gate_l = G(slot_l, question, memory)    h_l = gate_l u(slot_l, h_(l-1)) + (1 - gate_l) h_(l-1)
    memory <- update(memory, h_L, question)       first memory = question = the user's present

Two forms. DMN (Kumar et al. 2015): gates are sigmoids, u and the update gated recurrent units. DMN+
(Xiong et al. 2016): gates are a softmax over slots, u has no update gate of its own, and every pass
has an update of its own, one rectified linear layer.
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan
from torch.nn import functional

from recsys.memory.contract import Slots
from recsys.output import one_vector
from recsys.output.contract import Output, View
from recsys.output.hop import silent_view, with_null


class Gates(NamedTuple):
    """What enters an episode."""

    gate: Float[Tensor, "row position slot"]  # how far each slot takes the episode's place
    weight: Float[Tensor, "row position slot"]  # its share in what the episode ends with


class Episodes(Output):
    """``passes`` episodes from the user's present; the slots are taken in the order they stand in.

    Gates look at the keys, episodes take in the values; a fact is both. Logs show the oldest event
    first. Empty slots leave an episode as it is, and a user without events is answered from the
    question alone. ``View.hops`` holds the gates of DMN+, which sum to one with a null slot's, so
    that an episode may pass by everything; those of DMN do not, so there it is a gate times what
    all later gates leave of it.

    The features of the gates are position x slot x 4 width: the form of the literature, and what
    training at every position costs here.
    """

    slot_width = 0
    explains = False
    every = one_vector.every
    each = one_vector.each
    effect = one_vector.effect

    def __init__(
        self, *, width: int, passes: int, form: Literal["dmn_plus", "dmn"], dropout: float
    ) -> None:
        super().__init__()
        self.passes, self.plus = passes, form == "dmn_plus"
        self.feature = nn.Linear(4 * width, width)
        self.loudness = nn.Linear(width, 1, bias=not self.plus)  # the null slot has one instead
        self.null = nn.Parameter(torch.zeros(1 if self.plus else 0))
        for layer in (self.feature, self.loudness):
            nn.init.xavier_normal_(layer.weight)
        self.cell = EpisodeCell(width=width, forgets=not self.plus)
        self.start = nn.Parameter(torch.zeros(width))  # of an episode; one slot alone trains it too
        self.update = (
            nn.ModuleList(nn.Linear(3 * width, width) for _ in range(passes))
            if self.plus
            else EpisodeCell(width=width, forgets=True)
        )
        self.respond = nn.Linear(2 * width, width)
        self.scale = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def look(self, slots: Slots, context: Float[Tensor, "row position width"]) -> View:
        memory = context
        keys, values = self.dropout(slots.keys), self.dropout(slots.values)
        weights = []
        for number in range(self.passes):
            gates = self._gates(slots, keys, question=context, memory=memory)
            episode = self.cell.through(values, gate=gates.gate, start=self.start)
            memory = self._updated(memory, episode, question=context, number=number)
            weights.append(gates.weight)
        user = self.scale(self.respond(self.dropout(torch.cat([memory, context], dim=-1))))
        return silent_view(slots, user, weights=weights)

    def _gates(
        self,
        slots: Slots,
        keys: Float[Tensor, "row slot width"],
        *,
        question: Float[Tensor, "row position width"],
        memory: Float[Tensor, "row position width"],
    ) -> Gates:
        """From how each slot agrees with the question and the memory, and how it differs."""
        fact, asked, known = keys[:, None], question[:, :, None], memory[:, :, None]
        alike = [fact * asked, fact * known, (fact - asked).abs(), (fact - known).abs()]
        logit = self.loudness(self.feature(torch.cat(alike, dim=-1)).tanh())[..., 0] + slots.bias
        if self.plus:
            gate = with_null(logit[:, None], filled=slots.filled, null=self.null)[:, 0]
            return Gates(gate=gate, weight=gate)
        gate = logit.sigmoid() * slots.filled
        left = functional.logsigmoid(-logit) * slots.filled
        later = left.sum(-1, keepdim=True) - left.cumsum(-1)
        return Gates(gate=gate, weight=gate * later.exp())

    def _updated(
        self,
        memory: Float[Tensor, "row position width"],
        episode: Float[Tensor, "row position width"],
        *,
        question: Float[Tensor, "row position width"],
        number: int,
    ) -> Float[Tensor, "row position width"]:
        """The memory after this pass."""
        if isinstance(self.update, EpisodeCell):
            return self.update(memory, self.update.of_fact(episode), gate=torch.ones_like(memory))
        known = torch.cat([memory, episode, question], dim=-1)
        return self.update[number](known).relu()


class EpisodeCell(nn.Module):
    """One slot of an episode: a gated recurrent unit, with or without an update gate of its own."""

    def __init__(self, *, width: int, forgets: bool) -> None:
        super().__init__()
        self.parts = 3 if forgets else 2
        self.of_fact = nn.Linear(width, self.parts * width)  # does not wait for the episode
        self.of_hidden = nn.Linear(width, self.parts * width)

    def forward(
        self,
        hidden: Float[Tensor, "row position width"],
        fact: Float[Tensor, "row #position part"],
        *,
        gate: Float[Tensor, "row position #width"],
    ) -> Float[Tensor, "row position width"]:
        """The episode after one slot, ``fact`` being what ``of_fact`` makes of it."""
        new, reset, *update = fact.chunk(self.parts, dim=-1)
        old, wipe, *keep = self.of_hidden(hidden).chunk(self.parts, dim=-1)
        candidate = (new + (reset + wipe).sigmoid() * old).tanh()
        if update:
            kept = (update[0] + keep[0]).sigmoid()
            candidate = kept * hidden + (1 - kept) * candidate
        return hidden + gate * (candidate - hidden)

    def through(
        self,
        facts: Float[Tensor, "row slot width"],
        *,
        gate: Float[Tensor, "row position slot"],
        start: Float[Tensor, " width"],
    ) -> Float[Tensor, "row position width"]:
        """The episode after all slots, first one first; all positions at once."""
        by_slot = gate.permute(2, 0, 1)[..., None], self.of_fact(facts).transpose(0, 1)[:, :, None]
        hidden = start.expand(*gate.shape[:2], -1)
        if torch.onnx.is_in_onnx_export():
            return self._scanned(hidden, by_slot)
        for share, fact in zip(*(field.unbind(0) for field in by_slot), strict=True):
            hidden = self(hidden, fact, gate=share)
        return hidden

    def _scanned(self, hidden: Tensor, by_slot: tuple[Tensor, Tensor]) -> Tensor:
        """The same as one ONNX node of any length."""

        def step(before: Tensor, slot: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return self(before, slot[1], gate=slot[0]), slot[0].clone()

        shares, facts = (field.contiguous() for field in by_slot)
        return scan(step, hidden.contiguous(), (shares, facts))[0]
