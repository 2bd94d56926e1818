"""Neural Turing machine: heads that stand on slots, move on from there, or jump to what is alike.

Graves et al. 2014. Heads start on slot 0 and all slots alike (Collier and Beel 2018): without the
first, location addressing is hardly ever learned.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recsys.data.batches import Events
from recsys.memory.addressing import (
    BLANK,
    LOUDEST,
    content_weights,
    one_hot_start,
    sharpened,
    shifted,
    written,
)
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.controller import Kind, controller_of
from recsys.memory.rewritten import rewritten
from recsys.memory.steps import after_all, after_each

AHEAD = 3.0  # how surely a head starts from where it is, and moves on by one, as a logit


class NtmState(NamedTuple):
    """4 (N W + 2 H N + H W + C) bytes a user: N slots of width W, H head pairs, controller C."""

    memory: Float[Tensor, "user slot key"]
    head_weights: Float[Tensor, "user head slot"]  # of the read heads, then of the write heads
    read: Float[Tensor, "user read"]  # what the read heads read last, side by side
    controller: Float[Tensor, "user carried"]


class Heads(NamedTuple):
    """What the controller tells the heads at one event; read heads first."""

    key: Float[Tensor, "user head key"]
    strength: Float[Tensor, "user head"]
    gate: Float[Tensor, "user head"]  # by content rather than from where the head is
    shifts: Float[Tensor, "user head 3"]  # one slot back, none, one on
    power: Float[Tensor, "user head"]
    erase: Float[Tensor, "user write_head key"]
    add: Float[Tensor, "user write_head key"]


class Ntm(Memory[NtmState]):
    """``heads`` pairs of a read and a write head; ``hidden`` is the controller's width.

    At each event all heads find their slots in the memory as it was; then it is written, then read.
    A controller that is wide enough solves a task by itself and never learns to use the slots.
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
    ) -> None:
        super().__init__()
        self.shape = (heads, slots, slot_width)
        read = heads * slot_width
        self.heard = nn.LayerNorm(width, bias=False)
        self.controller = controller_of(controller, given=width + read, width=hidden)
        self.address = nn.Linear(hidden, 2 * heads * (slot_width + 6))
        self._begin_as_a_ring()
        self.change = nn.Linear(hidden, heads * 2 * slot_width)
        self.present = nn.Linear(hidden + read, width, bias=False)
        self.value = nn.Linear(slot_width, width, bias=False)

    @torch.no_grad()
    def _begin_as_a_ring(self) -> None:
        """Heads that move on by one slot at every event, until they learn where to jump or stay."""
        heads, _, slot_width = self.shape
        _, _, gate, shifts, _ = self.address.bias.unflatten(0, (2 * heads, -1)).split(
            [slot_width, 1, 1, 3, 1], dim=1
        )
        gate.fill_(-AHEAD)
        shifts[:, 2].fill_(AHEAD)

    def initial_state(self, users: int) -> NtmState:
        heads, slots, slot_width = self.shape
        like = self.value.weight
        return NtmState(
            memory=like.new_full((users, slots, slot_width), BLANK),
            head_weights=one_hot_start(like, users, 2 * heads, slots),
            read=like.new_zeros(users, heads * slot_width),
            controller=like.new_zeros(users, self.controller.state_width),
        )

    def write(self, state: NtmState, events: Events, encode: Encode) -> NtmState:
        return after_all(self.step, state, encode(events), present=events.present)

    def look(self, state: NtmState, encode: Encode) -> Look:
        rows = self.value(state.memory)
        said = self.controller.said(state.controller)
        present = self.present(torch.cat([said, state.read], dim=1))
        return Look(slots=rewritten(rows, rows), context=present[:, None])

    def along(self, state: NtmState, events: Events, encode: Encode) -> Look:
        after = after_each(self.step, state, encode(events), present=events.present)
        return self.look(after, encode)

    def step(self, state: NtmState, vector: Float[Tensor, "user width"]) -> NtmState:
        """One event: the controller, then the heads' places, then write and read."""
        given = torch.cat([self.heard(vector), state.read], dim=1)
        carried = self.controller(given, state.controller)
        told = self._heads(self.controller.said(carried))
        weights = moved(state, told)
        reading, writing = weights.chunk(2, dim=1)
        memory = written(state.memory, writing, erase=told.erase, add=told.add)
        return NtmState(memory, weights, (reading @ memory).flatten(1), carried)

    def _heads(self, said: Float[Tensor, "user controller"]) -> Heads:
        heads, _, slot_width = self.shape
        address = self.address(said).clamp(-LOUDEST, LOUDEST).unflatten(1, (2 * heads, -1))
        change = self.change(said).clamp(-LOUDEST, LOUDEST).unflatten(1, (heads, -1))
        key, strength, gate, shifts, power = address.split([slot_width, 1, 1, 3, 1], dim=2)
        erase, add = change.chunk(2, dim=2)
        return Heads(
            key=key.tanh(),
            strength=functional.softplus(strength[..., 0]),
            gate=gate[..., 0].sigmoid(),
            shifts=shifts.softmax(dim=2),
            power=1 + functional.softplus(power[..., 0]),
            erase=erase.sigmoid(),
            add=add.tanh(),
        )


def moved(state: NtmState, told: Heads) -> Float[Tensor, "user head slot"]:
    """Where the heads are next: content, or from where they are, then shift, then sharpen."""
    alike = content_weights(told.key, state.memory, told.strength)
    gate = told.gate[..., None]
    between = gate * alike + (1 - gate) * state.head_weights  # section 3.3.2, eq. 7
    return sharpened(shifted(between, told.shifts), told.power)
