"""Multi-channel user interest memory: a few interests a user, each followed by a unit of its own.

Pi et al. 2019. A Neural Turing machine without location addressing, whose writes are spread over
the slots by how much each has been written already, and a recurrent channel behind every slot.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recsys.data.batches import Events
from recsys.memory.addressing import BLANK, LOUDEST, cosine, sharpened, shifted, written
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.controller import Kind, controller_of
from recsys.memory.rewritten import rewritten
from recsys.memory.steps import after_all, after_each

MANY = 400.0  # writes that count as one when the controller is told how much each slot has had


class MimnState(NamedTuple):
    """4 (N (W + D + 1) + W + C) bytes a user: N slots of width W, channels of D, controller C."""

    memory: Float[Tensor, "user slot key"]
    channels: Float[Tensor, "user slot width"]
    written: Float[Tensor, "user slot"]  # write weights of all events so far, summed
    read: Float[Tensor, "user key"]
    controller: Float[Tensor, "user carried"]


class Heads(NamedTuple):
    """What the controller tells the read head and the write head at one event."""

    key: Float[Tensor, "user 2 key"]
    strength: Float[Tensor, "user 2"]
    shifts: Float[Tensor, "user 1 3"]  # how the write is spread
    power: Float[Tensor, "user 1"]
    erase: Float[Tensor, "user 1 key"]
    add: Float[Tensor, "user 1 key"]


class Mimn(Memory[MimnState]):
    """One read head and one write head; a slot shows its row together with its channel.

    ``static`` are keys that never change, so that a slot keeps its topic whatever is written.
    The state's ``written`` has gradients for ``spread`` only: a loss that wants the slots equally
    used moves how writes are spread, not what is looked for.
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
        controller: Kind,
        hidden: int,
    ) -> None:
        super().__init__()
        self.shape = (slots, slot_width)
        self.heard = nn.LayerNorm(width, bias=False)
        self.controller = controller_of(controller, given=width + slot_width, width=hidden)
        self.static = nn.Parameter(0.5 * torch.randn(slots, slot_width))
        self.address = nn.Linear(hidden, 2 * (slot_width + 1))
        self.spread = nn.Linear(hidden + slots, 3 + 1)
        self.change = nn.Linear(hidden, 2 * slot_width)
        self.channel = nn.GRUCell(width + slot_width, width)
        self.present = nn.Linear(hidden + slot_width, width, bias=False)
        self.value = nn.Linear(slot_width + width, width, bias=False)

    def initial_state(self, users: int) -> MimnState:
        slots, slot_width = self.shape
        zeros = self.static.new_zeros
        return MimnState(
            memory=self.static.new_full((users, slots, slot_width), BLANK),
            channels=zeros(users, slots, self.channel.hidden_size),
            written=zeros(users, slots),
            read=zeros(users, slot_width),
            controller=zeros(users, self.controller.state_width),
        )

    def write(self, state: MimnState, events: Events, encode: Encode) -> MimnState:
        return after_all(self.step, state, encode(events), present=events.present)

    def look(self, state: MimnState, encode: Encode) -> Look:
        rows = self.value(torch.cat([state.memory, state.channels], dim=2))
        said = self.controller.said(state.controller)
        present = self.present(torch.cat([said, state.read], dim=1))
        slots = rewritten(rows, rows)._replace(written=state.written)
        return Look(slots=slots, context=present[:, None])

    def along(self, state: MimnState, events: Events, encode: Encode) -> Look:
        after = after_each(self.step, state, encode(events), present=events.present)
        return self.look(after, encode)

    def step(self, state: MimnState, vector: Float[Tensor, "user width"]) -> MimnState:
        """One event: the controller, then write, read, and the channel of the slot most read."""
        given = torch.cat([self.heard(vector), state.read], dim=1)
        carried = self.controller(given, state.controller)
        told = self._heads(self.controller.said(carried), state.written)
        reading, alike = self._alike(state, told).split(1, dim=1)
        writing = _spread(alike, told)
        memory = written(state.memory, writing, erase=told.erase, add=told.add)
        return MimnState(
            memory=memory,
            channels=self._followed(state.channels, memory, reading=reading[:, 0], vector=vector),
            written=state.written + _spread(alike.detach(), told)[:, 0],
            read=(reading @ memory)[:, 0],
            controller=carried,
        )

    def _heads(self, said: Float[Tensor, "user controller"], used: Tensor) -> Heads:
        _, slot_width = self.shape
        address = self.address(said).clamp(-LOUDEST, LOUDEST).unflatten(1, (2, -1))
        key, strength = address.split([slot_width, 1], dim=2)
        spread = self.spread(torch.cat([said, used.detach() / MANY], dim=1))
        shifts, power = spread.clamp(-LOUDEST, LOUDEST).split([3, 1], dim=1)
        erase, add = self.change(said).clamp(-LOUDEST, LOUDEST)[:, None].chunk(2, dim=2)
        return Heads(
            key=key.tanh(),
            strength=2 * (1 + functional.softplus(strength[..., 0])),
            shifts=shifts.softmax(dim=1)[:, None],
            power=1 + functional.softplus(power),
            erase=erase.sigmoid(),
            add=add.tanh(),
        )

    def _alike(self, state: MimnState, told: Heads) -> Float[Tensor, "user 2 slot"]:
        """Weights by the mean of two cosines: with the static keys, and with what was written."""
        static = cosine(told.key, self.static.tanh()[None])
        both = (static + cosine(told.key, state.memory)) / 2
        return functional.softmax(told.strength[..., None] * both, dim=2)

    def _followed(
        self,
        channels: Float[Tensor, "user slot width"],
        memory: Float[Tensor, "user slot key"],
        *,
        reading: Float[Tensor, "user slot"],
        vector: Float[Tensor, "user width"],
    ) -> Float[Tensor, "user slot width"]:
        """The channel of the slot with the largest read weight takes in the event (section 4.3)."""
        chosen = functional.one_hot(reading.argmax(dim=1), reading.shape[1])[..., None]
        row = (chosen * memory.detach()).sum(dim=1)
        before = (chosen * channels).sum(dim=1)
        after = self.channel(torch.cat([vector, row], dim=1), before)
        return torch.where(chosen > 0, after[:, None], channels)


def _spread(alike: Float[Tensor, "user 1 slot"], told: Heads) -> Float[Tensor, "user 1 slot"]:
    """Write weights moved away from slots that have had their share (section 4.2)."""
    return sharpened(shifted(alike, told.shifts), told.power)
