"""Reading with the candidate: context hops first, then one hop in which the candidate asks.

The last hop's logit is a sum of what the candidate and a slot have in common and of how loudly the
slot speaks at a position. A softmax of such a sum factors into matrix products, so the exact read
of all candidates at all positions never builds a position x candidate x slot array:

    F = exp(candidate part)   G = exp(position part)   A = answer of each slot to each candidate
    memory = (G (F A)) / (G F + exp(null))
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize

from recsys.memory.contract import Slots
from recsys.output.asking import (
    STRONGEST,
    alike,
    answered,
    loudness,
    recalled,
    silence,
    strengths,
    weighed,
)
from recsys.output.contract import Effect, Output, Reading, View
from recsys.output.hop import SlotBias, hops_of, split, take, with_null


class Spoken(NamedTuple):
    """The last hop from one position before anybody asks, so that it can be read elsewhere.

    With q and a of :class:`Asking` the memory says of a candidate, summed over heads,
    sum(w exp(k q) (v a)) / (1 + sum(w exp(k q))); the one is the null slot.
    """

    weights: Float[Tensor, "row head slot"]  # w: 0 for an empty slot
    keys: Float[Tensor, "row head slot part"]  # k: as long as the strength of the head
    values: Float[Tensor, "row head slot part"]  # v: times the gain of the head


class Asking(NamedTuple):
    """What candidates bring to the last hop."""

    queries: Float[Tensor, "candidate head part"]  # q: of length one, or zero
    answers: Float[Tensor, "candidate head part"]  # a


class CandidateRead(Output):
    """``address`` chooses what the last hop asks with.

    ``both``: the candidate addresses the slots, and the user's vector adds its dot product;
    ``context``: the slots are addressed without the candidate, which is the control of every
    candidate-addressed memory, and costs one dot product; ``candidate``: no dot product.
    Addresses are cosines times a learned strength between 0 and 20 that starts at ``strength``;
    what is read counts a learned number of times in the score, at the start ``gain``.
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
        gain: float,
    ) -> None:
        super().__init__()
        self.slot_width, self.heads, self.address = width, heads, address
        self.hops = hops_of(hops, width=width, slots=slots, heads=heads, dropout=dropout)
        self.norm = nn.LayerNorm(width)
        self.ask = nn.Linear(width, width, bias=False)
        self.loudness = nn.Linear(width, width, bias=False)
        self.bias = SlotBias(slots=slots, heads=heads)
        self.null = nn.Parameter(torch.zeros(heads))
        self.gain = nn.Parameter(torch.full((heads,), gain))
        if address != "context":
            self.query = nn.Linear(width, width, bias=False)
            self.key = nn.Linear(width, width, bias=False)
            self.strength = nn.Parameter(torch.full((heads,), strength / STRONGEST).logit())

    def look(self, slots: Slots, context: Float[Tensor, "row position width"]) -> View:
        context, hops = take(self.hops, slots, context)
        user = self.norm(context)
        logit = loudness(self.ask(user), self.loudness(slots.keys), bias=self.bias(slots))
        user = torch.zeros_like(user) if self.address == "candidate" else user
        return View(slots=slots, user=user, logit=logit, hops=hops)

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
        told = answered(view.slots, answers[None], heads=self.heads)  # A: row head slot candidate
        total = loud @ alike + silence(self.null).exp()[:, None, None]
        memory = (loud @ (alike * told)) / total
        return Reading(user=view.user, memory=torch.einsum("h,rhpc->rpc", self.gain, memory))

    def each(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Float[Tensor, "row candidate"]:
        weights = self._weights(view, queries)
        told = answered(view.slots, answers, heads=self.heads).transpose(-1, -2)
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
        told = answered(view.slots, answers, heads=self.heads).transpose(-1, -2)
        read = (weights * told).sum(-1, keepdim=True)
        lost = weights * (told - read) / (1 - weights).clamp(min=0.5)
        loudest = weights.argmax(-1, keepdim=True)
        rest = self._weights(view, queries, left_out=loudest)
        lost = lost.scatter(-1, loudest, read - (rest * told).sum(-1, keepdim=True))
        return Effect(weights=weights.mean(1), effect=torch.einsum("h,rhcs->rcs", self.gain, lost))

    def spoken(self, view: View) -> Spoken:
        """The slots from the only position; not with ``address=context``, where nobody asks."""
        heads, strength = self.heads, self.strengths[:, None, None]
        loud = view.logit[:, :, 0] - silence(self.null)[:, None]
        key = normalize(split(self.key(view.slots.keys), heads=heads), dim=-1)
        return Spoken(
            weights=loud.exp() * view.slots.filled,
            keys=key * strength,
            values=split(view.slots.values, heads=heads) * self.gain[:, None, None],
        )

    def asking(
        self,
        queries: Float[Tensor, "candidate width"],
        answers: Float[Tensor, "candidate slot_width"],
    ) -> Asking:
        """The candidates in the words of :meth:`spoken`."""
        query = split(self.query(queries)[None], heads=self.heads)[0].transpose(0, 1)
        answer = split(answers[None], heads=self.heads)[0].transpose(0, 1)
        return Asking(queries=normalize(query, dim=-1), answers=answer)

    @property
    def strengths(self) -> Float[Tensor, " head"]:
        """Bound of each head's candidate logit, below 20; there is none with address=context."""
        return strengths(self.strength)

    def _weights(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        *,
        left_out: Int[Tensor, "row head candidate 1"] | None = None,
    ) -> Float[Tensor, "row head candidate slot"]:
        common = queries.new_zeros(1, 1, queries.shape[1], 1)
        if self.address != "context":
            common = self._alike(view.slots, queries).transpose(-1, -2)
        return weighed(view, common, null=silence(self.null), left_out=left_out)

    def _alike(
        self, slots: Slots, queries: Float[Tensor, "#row candidate width"]
    ) -> Float[Tensor, "row head slot candidate"]:
        return alike(self.key(slots.keys), self.query(queries), strength=self.strengths)

    def _recall(self, view: View) -> Float[Tensor, "row position slot_width"]:
        weights = with_null(view.logit, filled=view.slots.filled, null=silence(self.null))
        return recalled(weights, view.slots, gain=self.gain)
