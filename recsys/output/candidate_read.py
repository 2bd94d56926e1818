"""Reading with the candidate: context hops first, then one hop in which the candidate asks.

The last hop's logit is a sum of what the candidate and a slot have in common and of how loudly the
slot speaks at a position. A softmax of such a sum factors into matrix products, so the exact read
of all candidates at all positions never builds a position x candidate x slot array:

    F = exp(candidate part)   G = exp(position part)   A = answer of each slot to each candidate
    memory = (G (F A)) / (G F + exp(null))
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from recsys.memory.contract import Slots
from recsys.output.contract import Effect, Output, Reading, View
from recsys.output.hop import LOWEST, Hop, SlotBias, split, take, with_null

LOUDEST = 15.0  # bound of the position part; with the strength's 20 it keeps exp inside float32
STRONGEST = 20.0


class CandidateRead(Output):
    """``address`` chooses what the last hop asks with.

    ``both``: the candidate addresses the slots, and the user's vector adds its dot product;
    ``context``: the slots are addressed without the candidate, which is the control of every
    candidate-addressed memory, and costs one dot product; ``candidate``: no dot product.
    Addresses are cosines times a learned strength between 0 and 20 that starts at ``strength``.
    """

    explains = True

    def __init__(
        self,
        *,
        width: int,
        slots: int,
        heads: int,
        hops: int,
        dropout: float,
        address: Literal["context", "candidate", "both"],
        strength: float,
    ) -> None:
        super().__init__()
        self.slot_width, self.heads, self.address = width, heads, address
        self.hops = nn.ModuleList(
            Hop(width=width, slots=slots, heads=heads, dropout=dropout) for _ in range(hops)
        )
        self.norm = nn.LayerNorm(width)
        self.ask = nn.Linear(width, width, bias=False)
        self.loudness = nn.Linear(width, width, bias=False)
        self.bias = SlotBias(slots=slots, heads=heads)
        self.null = nn.Parameter(torch.zeros(heads))
        self.gain = nn.Parameter(torch.full((heads,), 2.0))
        if address != "context":
            self.query = nn.Linear(width, width, bias=False)
            self.key = nn.Linear(width, width, bias=False)
            self.strength = nn.Parameter(torch.full((heads,), strength / STRONGEST).logit())

    def look(self, slots: Slots, context: Float[Tensor, "row position width"]) -> View:
        context, hops = take(self.hops, slots, context)
        user = self.norm(context)
        asked = split(self.ask(user), heads=self.heads)
        heard = split(self.loudness(slots.keys), heads=self.heads)
        logit = asked @ heard.transpose(-1, -2) / asked.shape[-1] ** 0.5 + self.bias(slots)
        user = torch.zeros_like(user) if self.address == "candidate" else user
        return View(slots=slots, user=user, logit=logit.clamp(-LOUDEST, LOUDEST), hops=hops)

    def every(
        self,
        view: View,
        queries: Float[Tensor, "candidate width"],
        answers: Float[Tensor, "candidate slot_width"],
    ) -> Reading:
        if self.address == "context":
            return Reading(user=view.user, memory=self._recall(view) @ answers.T)
        alike = self._alike(view.slots, queries[None]).exp()  # F: row head slot candidate
        loud = view.logit.exp() * view.slots.filled[:, None]  # G: row head position slot
        told = self._told(view.slots, answers[None])  # A: row head slot candidate
        total = loud @ alike + self._silence.exp()[:, None, None]
        memory = (loud @ (alike * told)) / total
        return Reading(user=view.user, memory=torch.einsum("h,rhpc->rpc", self.gain, memory))

    def each(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Float[Tensor, "row candidate"]:
        weights = self._weights(view, queries)
        told = self._told(view.slots, answers).transpose(-1, -2)
        return torch.einsum("h,rhcs,rhcs->rc", self.gain, weights, told)

    def effect(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Effect:
        """What each slot did to each candidate's score: leave one slot out, in closed form.

        Without slot l the weights are shared out anew, so the read s becomes (s - p a) / (1 - p)
        and the slot's effect is p (a - s) / (1 - p). Where p rounds to one that is nothing over
        nothing, so the loudest slot is really left out; any other has at most half the weight.
        """
        weights = self._weights(view, queries)
        told = self._told(view.slots, answers).transpose(-1, -2)
        read = (weights * told).sum(-1, keepdim=True)
        lost = weights * (told - read) / (1 - weights).clamp(min=0.5)
        loudest = weights.argmax(-1, keepdim=True)
        rest = self._weights(view, queries, left_out=loudest)
        lost = lost.scatter(-1, loudest, read - (rest * told).sum(-1, keepdim=True))
        return Effect(weights=weights.mean(1), effect=torch.einsum("h,rhcs->rcs", self.gain, lost))

    @property
    def strengths(self) -> Float[Tensor, " head"]:
        """Bound of each head's candidate logit, below 20; there is none with address=context."""
        return STRONGEST * self.strength.sigmoid()

    @property
    def _silence(self) -> Float[Tensor, " head"]:
        """Logit of the null slot, as loud or silent as any slot can be."""
        return self.null.clamp(-LOUDEST - STRONGEST, LOUDEST + STRONGEST)

    def _weights(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        *,
        left_out: Int[Tensor, "row head candidate 1"] | None = None,
    ) -> Float[Tensor, "row head candidate slot"]:
        logit = view.logit
        if self.address != "context":
            logit = logit + self._alike(view.slots, queries).transpose(-1, -2)
        else:
            logit = logit.expand(-1, -1, queries.shape[1], -1)
        if left_out is not None:
            logit = logit.scatter(-1, left_out, LOWEST)
        return with_null(logit, filled=view.slots.filled, null=self._silence)

    def _alike(
        self, slots: Slots, queries: Float[Tensor, "#row candidate width"]
    ) -> Float[Tensor, "row head slot candidate"]:
        query = functional.normalize(split(self.query(queries), heads=self.heads), dim=-1)
        key = functional.normalize(split(self.key(slots.keys), heads=self.heads), dim=-1)
        return (key * self.strengths[:, None, None]) @ query.transpose(-1, -2)

    def _told(
        self, slots: Slots, answers: Float[Tensor, "#row candidate slot_width"]
    ) -> Float[Tensor, "row head slot candidate"]:
        value, answer = (split(part, heads=self.heads) for part in (slots.values, answers))
        return value @ answer.transpose(-1, -2)

    def _recall(self, view: View) -> Float[Tensor, "row position slot_width"]:
        weights = with_null(view.logit, filled=view.slots.filled, null=self._silence)
        value = split(view.slots.values, heads=self.heads)
        told = weights @ value * self.gain[:, None, None]
        return told.transpose(1, 2).flatten(2)
