"""Memory-augmented network with least recently used access: new things take the place of old ones.

Santoro et al. 2016. Slots are found by content only, and written either where was just read or
where nothing has been read or written for longest, so that a rare event is kept after one showing.
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recsys.data.batches import Events
from recsys.errors import ConfigError
from recsys.memory.addressing import BLANK, LOUDEST, content_weights, one_hot_start
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.controller import Kind, controller_of
from recsys.memory.rewritten import rewritten
from recsys.memory.steps import after_all, after_each

DECAY = 0.95  # of usage at every event
WEAKEST, STRONGEST, STRENGTH = 1.0, 20.0, 4.0  # bounds of a head's strength, and where it starts
AFRESH = 3.0  # how surely a head writes into the least used slot at the start, as a logit
EARLIER = 1e-4  # of slots used equally the first is taken, whatever rounding makes of them


class MannState(NamedTuple):
    """4 (N (W + R + 1) + R W + C) bytes a user: N slots of width W, R heads, controller C."""

    memory: Float[Tensor, "user slot key"]
    read_weights: Float[Tensor, "user head slot"]
    usage: Float[Tensor, "user slot"]  # read and write weights so far, fading
    read: Float[Tensor, "user read"]  # what the heads read last, side by side
    controller: Float[Tensor, "user carried"]


class Heads(NamedTuple):
    """What the controller tells the heads at one event."""

    key: Float[Tensor, "user head key"]
    add: Float[Tensor, "user head key"]
    again: Float[Tensor, "user head 1"]  # write where was just read rather than where least was


class Mann(Memory[MannState]):
    """``heads`` read and write; ``hidden`` is the controller's width.

    Before writing, the least used slot is emptied: ``always``; only as far as its head really
    writes there (``gated``, for the slot of every head); or ``never``.
    """

    remembers = False
    grows = ()

    def __init__(
        self,
        *,
        table: Table,
        width: int,
        slots: int,
        slot_width: int,
        heads: int,
        controller: Kind,
        hidden: int,
        emptied: Literal["always", "gated", "never"],
    ) -> None:
        super().__init__()
        if heads > slots:
            message = f"heads is {heads} but there are {slots} slots: each head writes its own"
            raise ConfigError(message)
        self.shape, self.emptied = (heads, slots, slot_width), emptied
        read = heads * slot_width
        self.heard = nn.LayerNorm(width, bias=False)
        self.controller = controller_of(controller, given=width + read, width=hidden)
        self.address = nn.Linear(hidden, heads * (2 * slot_width + 1))
        self._begin_as_a_ring()
        start = torch.tensor((STRENGTH - WEAKEST) / (STRONGEST - WEAKEST)).logit()
        self.strength = nn.Parameter(start.repeat(heads))
        self.present = nn.Linear(hidden + read, width, bias=False)
        self.value = nn.Linear(slot_width, width, bias=False)

    @torch.no_grad()
    def _begin_as_a_ring(self) -> None:
        """Gates that write every event into a slot of its own, until they learn when not to."""
        self.address.bias.unflatten(0, (self.shape[0], -1))[:, -1].fill_(-AFRESH)

    def initial_state(self, users: int) -> MannState:
        heads, slots, slot_width = self.shape
        like = self.strength
        return MannState(
            memory=like.new_full((users, slots, slot_width), BLANK),
            read_weights=one_hot_start(like, users, heads, slots),
            usage=one_hot_start(like, users, slots),
            read=like.new_zeros(users, heads * slot_width),
            controller=like.new_zeros(users, self.controller.state_width),
        )

    def write(self, state: MannState, events: Events, encode: Encode) -> MannState:
        return after_all(self.step, state, encode(events), present=events.present)

    def look(self, state: MannState, encode: Encode) -> Look:
        rows = self.value(state.memory)
        said = self.controller.said(state.controller)
        present = self.present(torch.cat([said, state.read], dim=1))
        return Look(slots=rewritten(rows, rows), context=present[:, None])

    def along(self, state: MannState, events: Events, encode: Encode) -> Look:
        after = after_each(self.step, state, encode(events), present=events.present)
        return self.look(after, encode)

    def step(self, state: MannState, vector: Float[Tensor, "user width"]) -> MannState:
        """One event: the controller, then write, then read; usage has no gradient."""
        given = torch.cat([self.heard(vector), state.read], dim=1)
        carried = self.controller(given, state.controller)
        told = self._heads(self.controller.said(carried))
        least = least_used(state.usage, heads=self.shape[0])
        writing = told.again * state.read_weights + (1 - told.again) * least
        memory = self._emptied(state.memory, least, told) + writing.transpose(1, 2) @ told.add
        reading = content_weights(told.key, memory, self._strength[None])
        used = (reading + writing).detach().sum(dim=1)
        return MannState(
            memory=memory,
            read_weights=reading,
            usage=DECAY * state.usage + used,
            read=(reading @ memory).flatten(1),
            controller=carried,
        )

    @property
    def _strength(self) -> Float[Tensor, " head"]:
        return WEAKEST + (STRONGEST - WEAKEST) * self.strength.sigmoid()

    def _heads(self, said: Float[Tensor, "user controller"]) -> Heads:
        heads, _, slot_width = self.shape
        address = self.address(said).clamp(-LOUDEST, LOUDEST).unflatten(1, (heads, -1))
        key, add, again = address.split([slot_width, slot_width, 1], dim=2)
        return Heads(key=key.tanh(), add=add.tanh(), again=again.sigmoid())

    def _emptied(
        self, memory: Float[Tensor, "user slot key"], least: Tensor, told: Heads
    ) -> Float[Tensor, "user slot key"]:
        if self.emptied == "never":
            return memory
        if self.emptied == "always":
            return memory * (1 - least[:, 0, :, None])
        return memory * (1 - ((1 - told.again) * least).sum(dim=1)[..., None])


def least_used(usage: Float[Tensor, "user slot"], *, heads: int) -> Float[Tensor, "user head slot"]:
    """A slot for each head, as ones and zeros: the least used for the first, the next for the next.

    Slots that were never written are alike but for rounding, which is another in every batch and
    runtime; so a later one counts as a little more used.
    """
    slots = torch.arange(usage.shape[1], device=usage.device)
    left, least = usage.detach() + EARLIER * slots, []
    for _ in range(heads):
        least.append(functional.one_hot(left.argmin(dim=1), usage.shape[1]))
        left = torch.where(least[-1] > 0, torch.inf, left)
    return torch.stack(least, dim=1).to(usage.dtype)
