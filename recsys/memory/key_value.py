"""Key-value memory: every event is a slot, found by what it is about, read for what it tells.

Miller et al. 2016, sections 3.1 and 3.2, with the event log itself as state: keys and values are
looked up when they are read, so new weights never make a stored state stale and forgetting an
event is exact.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.contract import Along, Encode, Memory, Slots, Table


class KeyValueState(NamedTuple):
    """The newest events, oldest first, at the end of their row; item 0 is an empty slot.

    24 bytes a slot. Empty slots in front may be added or taken away without changing any answer,
    so states of different lengths can be put into one batch.
    """

    item: Int[Tensor, "user slot"]
    time: Int[Tensor, "user slot"]
    behaviour: Int[Tensor, "user slot"]


class KeyValue(Memory[KeyValueState]):
    """Append-only: the state grows to ``slots`` events and then forgets the oldest.

    A slot's key is the event as I sees it; its value comes from a table of the memory's own.
    """

    remembers = True
    grows = ("item", "time", "behaviour")

    def __init__(self, *, table: Table, width: int, slots: int, dropout: float) -> None:
        super().__init__()
        self.capacity = slots
        self.value = table(width)
        self.dropout = nn.Dropout(dropout)

    def initial_state(self, users: int) -> KeyValueState:
        empty = torch.zeros(users, 1, dtype=torch.long, device=next(self.parameters()).device)
        return KeyValueState(item=empty, time=empty, behaviour=empty)

    def write(self, state: KeyValueState, events: Events, encode: Encode) -> KeyValueState:
        log = _append(state, events)
        return KeyValueState(*(_pack(field, log.present)[:, -self.capacity :] for field in log[:3]))

    def slots(self, state: KeyValueState, encode: Encode) -> Slots:
        last = torch.full_like(state.item[:, :1], state.item.shape[1] - 1)
        return self._seen(_events(state), newest=last, encode=encode)

    def context(self, state: KeyValueState, encode: Encode) -> Float[Tensor, "user width"]:
        newest = Events(*(field[:, -1:] for field in _events(state)))
        return encode(newest)[:, -1]

    def along(self, state: KeyValueState, events: Events, encode: Encode) -> Along:
        log = _append(state, events)
        newest = _newest(log.present)[:, state.item.shape[1] :]
        slots = self._seen(log, newest=newest, encode=encode)
        place = newest[..., None].expand(-1, -1, slots.keys.shape[2])
        return Along(slots=slots, context=slots.keys.gather(1, place))

    def _seen(self, log: Events, *, newest: Int[Tensor, "user position"], encode: Encode) -> Slots:
        """The log as slots, from positions whose newest event stands at these places."""
        rank = log.present.long().cumsum(dim=1)
        age = rank.gather(1, newest)[..., None] - rank[:, None, :]
        seen_at = log.time.gather(1, newest)[..., None]
        filled = log.present[:, None, :] & (age >= 0) & (age < self.capacity)
        return Slots(
            keys=encode(log),
            values=self.dropout(self.value(log.item)),
            bias=torch.zeros_like(age, dtype=torch.float),
            filled=filled,
            age=age.clamp(min=0),
            gap_seconds=(seen_at - log.time[:, None, :]).clamp(min=0),
            item=log.item,
        )


def _events(state: KeyValueState) -> Events:
    return Events(*state, present=state.item != 0)


def _append(state: KeyValueState, events: Events) -> Events:
    item, time, behaviour = (torch.where(events.present, field, 0) for field in events[:3])
    kept = Events(item, time, behaviour, events.present)
    return Events(*(torch.cat(pair, dim=1) for pair in zip(_events(state), kept, strict=True)))


def _newest(present: Bool[Tensor, "user event"]) -> Int[Tensor, "user event"]:
    """The place of the newest present event at or before each place; 0 where there is none."""
    place = torch.arange(present.shape[1], device=present.device).expand_as(present)
    return torch.where(present, place, 0).cummax(dim=1).values


def _pack(
    field: Int[Tensor, "user event"], present: Bool[Tensor, "user event"]
) -> Int[Tensor, "user event"]:
    """Moves what is present to the end of its row, in order; the front is filled with zeros."""
    later = present.long().flip(1).cumsum(dim=1).flip(1)  # present ones from here on, this included
    place = torch.where(present, field.shape[1] - later + 1, 0)  # 0 is thrown away below
    target = torch.zeros(field.shape[0], field.shape[1] + 1, dtype=field.dtype, device=field.device)
    return target.scatter(1, place, field)[:, 1:]
