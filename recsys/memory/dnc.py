"""Differentiable neural computer: slots written where there is room, linked in order of writing.

Graves et al. 2016, with the three repairs of Csordas and Schmidhuber 2019 and the layer norm and
the bypass dropout of Franke et al. 2018. One write head; heads read by content, or follow the
links forwards or backwards.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recsys.data.batches import Events
from recsys.memory.allocation import allocation, retention, usage
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.controller import LongShortTerm
from recsys.memory.links import backward, forward, linked, preceded, sharpened
from recsys.memory.rewritten import rewritten
from recsys.memory.steps import after_all, after_each

LOUDEST = 20.0  # bound of what the controller tells the heads, before any squashing
OPEN = 2.0  # bias of a gate that begins nearly open
SMALLEST = 1e-6  # added to squared lengths, so that an empty slot is like nothing


class Fixes(NamedTuple):
    """The repairs of Csordas and Schmidhuber 2019, sections 3.1 to 3.3."""

    mask: bool  # a head looks for part of a slot only
    deallocate: bool  # what is freed is erased, not only offered for writing
    sharpen: bool  # following links does not blur


class DncState(NamedTuple):
    """4 (N (W + N + R + 3) + 2 C) bytes a user: N slots of width W, R heads, an LSTM of width C.

    Without links the fields ``links`` and ``precedence`` have no slots.
    """

    memory: Float[Tensor, "user slot width"]
    usage: Float[Tensor, "user slot"]
    links: Float[Tensor, "user link link"]
    precedence: Float[Tensor, "user link"]
    write_weights: Float[Tensor, "user slot"]
    read_weights: Float[Tensor, "user head slot"]
    controller: Float[Tensor, "user carried"]


class Heads(NamedTuple):
    """What the controller tells the heads at one event; the write head's keys come first."""

    key: Float[Tensor, "user key_head width"]
    strength: Float[Tensor, "user key_head"]
    mask: Float[Tensor, "user key_head width"]
    erase: Float[Tensor, "user width"]
    add: Float[Tensor, "user width"]
    allocate: Float[Tensor, "user 1"]  # by room rather than by content
    write: Float[Tensor, "user 1"]
    free: Float[Tensor, "user head"]
    mode: Float[Tensor, "user head mode"]  # backward, content, forward; content alone without links
    power: Float[Tensor, "user way"]  # of every head forwards, then of every head backwards


class Dnc(Memory[DncState]):
    """``heads`` read; ``controller`` is the width of the LSTM that steers them.

    Without ``links`` heads read by content only, and the state does not grow with the square of
    ``slots``. ``dropout`` falls on what the controller says past the memory, so that the memory is
    used early.
    """

    remembers = False
    grows = ()

    def __init__(
        self,
        *,
        table: Table,
        width: int,
        slots: int,
        heads: int,
        controller: int,
        links: bool,
        dropout: float,
        fixes: Fixes,
    ) -> None:
        super().__init__()
        self.shape, self.links, self.fixes = (heads, slots, width), slots if links else 0, fixes
        self.heard = nn.LayerNorm(width, bias=False)
        self.controller = LongShortTerm(given=width + heads * width, width=controller)
        self.norm = nn.LayerNorm(controller, bias=False)
        self.sizes = _sizes(heads=heads, width=width, fixes=fixes, links=links)
        self.interface = nn.Linear(controller, sum(self.sizes))
        self._begin_as_a_log()
        self.dropout = nn.Dropout(dropout)
        self.bypass = nn.Linear(controller, width, bias=False)
        self.told = nn.Linear(heads * width, width, bias=False)

    @torch.no_grad()
    def _begin_as_a_log(self) -> None:
        """Gates that write every event into a slot of its own and free none, until they learn."""
        *_, allocate, write, free, _, _ = self.interface.bias.split(self.sizes)
        allocate.fill_(OPEN)
        write.fill_(OPEN)
        free.fill_(-OPEN)

    def initial_state(self, users: int) -> DncState:
        """Nothing written and nothing read: the read weights are zero, not alike."""
        heads, slots, width = self.shape
        zeros = self.bypass.weight.new_zeros
        return DncState(
            memory=zeros(users, slots, width),
            usage=zeros(users, slots),
            links=zeros(users, self.links, self.links),
            precedence=zeros(users, self.links),
            write_weights=zeros(users, slots),
            read_weights=zeros(users, heads, slots),
            controller=zeros(users, self.controller.state_width),
        )

    def write(self, state: DncState, events: Events, encode: Encode) -> DncState:
        return after_all(self.step, state, encode(events), present=events.present)

    def look(self, state: DncState, encode: Encode) -> Look:
        said = self.dropout(self.norm(self.controller.said(state.controller)))
        read = (state.read_weights @ state.memory).flatten(1)
        present = self.bypass(said) + self.told(read)
        return Look(slots=rewritten(state.memory, state.memory), context=present[:, None])

    def along(self, state: DncState, events: Events, encode: Encode) -> Look:
        after = after_each(self.step, state, encode(events), present=events.present)
        return self.look(after, encode)

    def step(self, state: DncState, vector: Float[Tensor, "user width"]) -> DncState:
        """One event: the controller, then free, write, link and read."""
        read = (state.read_weights @ state.memory).flatten(1)
        carried = self.controller(torch.cat([self.heard(vector), read], dim=1), state.controller)
        told = self._heads(self.controller.said(carried))
        kept = retention(told.free, state.read_weights)
        used = usage(state.usage, write_weights=state.write_weights, kept=kept)
        found = alike(told.key[:, :1], state.memory, told.strength[:, :1], mask=told.mask[:, :1])
        room = told.allocate * allocation(used) + (1 - told.allocate) * found[:, 0]
        written = told.write * room
        old = state.memory * kept[..., None] if self.fixes.deallocate else state.memory
        old = old * (1 - written[..., None] * told.erase[:, None])
        after = state._replace(
            memory=old + written[..., None] * told.add[:, None],
            usage=used,
            write_weights=written,
            controller=carried,
        )
        return self._read(self._link(after), told)

    def _link(self, state: DncState) -> DncState:
        if not self.links:
            return state
        before, written = state.precedence, state.write_weights
        links = linked(state.links, precedence=before, write_weights=written)
        return state._replace(links=links, precedence=preceded(before, written))

    def _read(self, state: DncState, told: Heads) -> DncState:
        """By content, and from where the heads were last along the links."""
        weights = alike(told.key[:, 1:], state.memory, told.strength[:, 1:], mask=told.mask[:, 1:])
        if self.links:
            back = backward(state.links, state.read_weights)
            on = forward(state.links, state.read_weights)
            if self.fixes.sharpen:
                both = sharpened(torch.cat([on, back], 1), told.power)
                on, back = both.chunk(2, dim=1)
            modes = torch.stack([back, weights, on], dim=2)  # user head mode slot
            weights = (told.mode[..., None] * modes).sum(2)
        return state._replace(read_weights=weights)

    def _heads(self, said: Float[Tensor, "user controller"]) -> Heads:
        parts = self.interface(self.norm(said)).clamp(-LOUDEST, LOUDEST).split(self.sizes, 1)
        key, strength, mask, erase, add, allocate, write, free, mode, power = parts
        heads, _, width = self.shape
        key, mode = key.unflatten(1, (heads + 1, width)), mode.unflatten(1, (heads, -1))
        return Heads(
            key=key,
            strength=oneplus(strength),
            mask=mask.sigmoid().view_as(key) if self.fixes.mask else torch.ones_like(key),
            erase=erase.sigmoid(),
            add=add,
            allocate=allocate.sigmoid(),
            write=write.sigmoid(),
            free=free.sigmoid(),
            mode=mode.softmax(2),
            power=oneplus(power),
        )


def _sizes(*, heads: int, width: int, fixes: Fixes, links: bool) -> list[int]:
    """How many numbers the controller gives for each field of ``Heads``."""
    keys = (heads + 1) * width
    mask = keys if fixes.mask else 0
    power = 2 * heads if links and fixes.sharpen else 0
    mode = 3 * heads if links else heads
    return [keys, heads + 1, mask, width, width, 1, 1, heads, mode, power]


def oneplus(number: Tensor) -> Tensor:
    """Any number to one above 1."""
    return 1 + functional.softplus(number)


def alike(
    key: Float[Tensor, "user key_head width"],
    memory: Float[Tensor, "user slot width"],
    strength: Float[Tensor, "user key_head"],
    *,
    mask: Float[Tensor, "user key_head width"],
) -> Float[Tensor, "user key_head slot"]:
    """Weights of the slots by cosine times strength, of the part that the mask lets through.

    The mask falls on the key and on the slots (Csordas and Schmidhuber 2019, section 3.1); of a
    mask of ones the plain content addressing is left.
    """
    seen = mask.square()
    dot = (key * seen) @ memory.transpose(1, 2)
    long = (seen @ memory.square().transpose(1, 2) + SMALLEST).sqrt()
    asked = ((key.square() * seen).sum(2, keepdim=True) + SMALLEST).sqrt()
    return functional.softmax(strength[..., None] * dot / (asked * long), dim=-1)
