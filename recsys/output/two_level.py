"""Reading in two levels: the candidate finds a session, and the session says what it has to say.

Yang et al. 2016, section 2.2, with a query: a session is as loud as its members together (the
logarithm of the sum of their exponents is its logit), so its weight is the sum of the weights that
a flat read would give them. Within a session an attention that no query moves chooses what it
tells. A member that is asked for thus speaks with the voice of its whole session.
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

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

FIRMEST = 10.0  # bound of the logit within a session
NEVER = 2**40  # an age that no slot has


class Sessions(NamedTuple):
    """Who speaks for whom."""

    mates: Float[Tensor, "row 1 slot slot"]  # 1 where two slots are of one session, or the same
    voice: Float[Tensor, "row head 1 slot"]  # exponent of the logit within the session


class TwoLevel(Output):
    """A session's weight is shared out among its members by how much each has to tell.

    Sessions that have nothing to tell are possible: within a session there is a null slot of logit
    0, and one beside the sessions whose logit is learned. Slots of a memory that knows no sessions
    are sessions of one. ``address`` as in CandidateRead.
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
        self.hops = hops_of(hops, width=width, slots=slots, heads=heads, dropout=dropout)
        self.norm = nn.LayerNorm(width)
        self.ask = nn.Linear(width, width, bias=False)
        self.loudness = nn.Linear(width, width, bias=False)
        self.bias = SlotBias(slots=slots, heads=heads)
        self.null = nn.Parameter(torch.zeros(heads))
        self.gain = nn.Parameter(torch.full((heads,), 2.0))
        self.within = nn.Linear(width, width)
        self.telling = nn.Parameter(torch.randn(heads, width // heads) / (width // heads) ** 0.5)
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
        """As matrix products: a session that a position sees whole tells it what it tells all.

        At most two sessions of a log are seen in part, that of the newest slot, which still grows,
        and that of the oldest, which is being forgotten; they are read apart.
        """
        if self.address == "context":
            return Reading(user=view.user, memory=self._recall(view) @ answers.T)
        alike = self._alike(view.slots, queries[None]).exp()  # row head slot candidate
        told = answered(view.slots, answers[None], heads=self.heads)
        sessions, filled = self._sessions(view.slots), view.slots.filled[:, None]
        loud = view.logit.exp() * filled  # row head position slot
        newest, oldest = _ends(view.slots, sessions.mates[:, 0])
        whole = _said(sessions, told.transpose(-1, -2), among=filled.any(2, keepdim=True))
        memory = (loud * ~(newest | oldest)) @ (alike * whole.transpose(-1, -2))
        for part in (newest, oldest):
            voice = sessions.voice * (filled & part)
            said = (voice @ told) / (1 + voice.sum(-1, keepdim=True))
            memory = memory + ((loud * part) @ alike) * said
        memory = memory / (loud @ alike + silence(self.null).exp()[:, None, None])
        return Reading(user=view.user, memory=torch.einsum("h,rhpc->rpc", self.gain, memory))

    def each(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Float[Tensor, "row candidate"]:
        read = self._read(
            view, queries, answered(view.slots, answers, heads=self.heads).transpose(-1, -2)
        )
        return torch.einsum("h,rhc->rc", self.gain, read)

    def effect(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Effect:
        """What each slot did to each candidate's score: leave one slot out, in closed form.

        Without slot l of weight p, in a session of weight w that says v, and v' without l, the
        read s becomes (s - w v + (w - p) v') / (1 - p). The slot that weighs most is really left
        out, as p may round to one.
        """
        told = answered(view.slots, answers, heads=self.heads).transpose(-1, -2)
        sessions, filled = self._sessions(view.slots), view.slots.filled[:, None]
        flat = self._flat(view, queries)
        said = _said(sessions, told, among=filled)
        read = (flat * said).sum(-1, keepdim=True)
        alone = torch.eye(told.shape[-1], device=told.device)
        others = sessions._replace(mates=sessions.mates - alone)
        left = (flat @ others.mates) * _said(others, told, among=filled)
        rest = (read - (flat @ sessions.mates) * said + left) / (1 - flat).clamp(min=0.5)
        loudest = flat.argmax(-1, keepdim=True)
        without = self._read(view, queries, told, left_out=loudest)[..., None]
        lost = torch.where(filled, read - rest, 0).scatter(-1, loudest, read - without)
        weights = (flat @ sessions.mates) * _share(sessions, filled)
        return Effect(weights=weights.mean(1), effect=torch.einsum("h,rhcs->rcs", self.gain, lost))

    def _sessions(self, slots: Slots) -> Sessions:
        place = torch.arange(slots.item.shape[1], device=slots.item.device)
        session = place.expand_as(slots.item) if slots.session is None else slots.session
        mates = (session[:, :, None] == session[:, None, :])[:, None].to(slots.keys.dtype)
        heard = split(self.within(slots.keys).tanh(), heads=self.heads)
        logit = (heard * self.telling[:, None]).sum(-1)[:, :, None].clamp(-FIRMEST, FIRMEST)
        return Sessions(mates, logit.exp())

    def _read(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        told: Float[Tensor, "row head candidate slot"],
        *,
        left_out: Int[Tensor, "row head candidate 1"] | None = None,
    ) -> Float[Tensor, "row head candidate"]:
        """What the sessions say of each candidate, or what they would without one slot."""
        filled = view.slots.filled[:, None].expand_as(told)
        if left_out is not None:
            filled = filled.scatter(-1, left_out, False)
        said = _said(self._sessions(view.slots), told, among=filled)
        return (self._flat(view, queries, left_out=left_out) * said).sum(-1)

    def _flat(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        *,
        left_out: Int[Tensor, "row head candidate 1"] | None = None,
    ) -> Float[Tensor, "row head candidate slot"]:
        """Weights of the slots before sessions are formed."""
        common = queries.new_zeros(1, 1, queries.shape[1], 1)
        if self.address != "context":
            common = self._alike(view.slots, queries).transpose(-1, -2)
        return weighed(view, common, null=silence(self.null), left_out=left_out)

    def _alike(
        self, slots: Slots, queries: Float[Tensor, "#row candidate width"]
    ) -> Float[Tensor, "row head slot candidate"]:
        return alike(self.key(slots.keys), self.query(queries), strength=strengths(self.strength))

    def _recall(self, view: View) -> Float[Tensor, "row position slot_width"]:
        flat = with_null(view.logit, filled=view.slots.filled, null=silence(self.null))
        sessions = self._sessions(view.slots)
        weights = (flat @ sessions.mates) * _share(sessions, view.slots.filled[:, None])
        return recalled(weights, view.slots, gain=self.gain)


def _share(sessions: Sessions, among: Bool[Tensor, "row h c slot"]) -> Tensor:
    """How a session's weight is shared out among these members of it."""
    voice = sessions.voice * among
    return voice / (1 + voice @ sessions.mates)


def _said(
    sessions: Sessions,
    told: Float[Tensor, "row head c slot"],
    *,
    among: Bool[Tensor, "row h d slot"],
) -> Float[Tensor, "row head c slot"]:
    """What the session of each slot says, if these are its members and tell this."""
    voice = sessions.voice * among
    return ((voice * told) @ sessions.mates) / (1 + voice @ sessions.mates)


def _ends(
    slots: Slots, mates: Float[Tensor, "row slot slot"]
) -> tuple[Bool[Tensor, "row 1 position slot"], Bool[Tensor, "row 1 position slot"]]:
    """The session of the newest slot seen from each position, and that of the oldest if another."""
    newest = torch.where(slots.filled, slots.age, NEVER).argmin(-1)
    oldest = torch.where(slots.filled, slots.age, -1).argmax(-1)
    first, last = (
        mates.gather(1, place[..., None].expand(-1, -1, mates.shape[2]))[:, None] > 0
        for place in (newest, oldest)
    )
    return first, last & ~first
