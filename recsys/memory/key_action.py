"""Key-value memory, item -> action: what the user did with an item, found by the item.

Miller et al. 2016, section 3.1: a key is what the event is about, a value what it tells. The event
log is the state (see key_value.py); this memory needs data that tell behaviours apart.
"""

import torch
from torch import nn

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.log import (
    GROWS,
    LogState,
    Past,
    after_events,
    as_slots,
    at_newest,
    empty_log,
    grown,
    now,
)


class KeyAction(Memory[LogState]):
    """Append-only: the state grows to ``slots`` events and then forgets the oldest.

    A slot's key is its item as I sees it when nothing was done with it; its value is a map of what
    I sees of the action alone, a rating or a view. The value never leaks into the address.
    """

    remembers = True
    grows = GROWS

    def __init__(self, *, table: Table, width: int, slots: int, dropout: float) -> None:
        super().__init__()
        self.capacity = slots
        self.value = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def initial_state(self, users: int) -> LogState:
        return empty_log(users, device=self.value.weight.device)

    def write(self, state: LogState, events: Events, encode: Encode) -> LogState:
        return grown(state, events, slots=self.capacity)

    def look(self, state: LogState, encode: Encode) -> Look:
        return self._look(now(state), encode)

    def along(self, state: LogState, events: Events, encode: Encode) -> Look:
        return self._look(after_events(state, events), encode)

    def _look(self, past: Past, encode: Encode) -> Look:
        context, nothing = at_newest(encode(past.log), past), torch.zeros_like(past.log.item)
        keys = encode(past.log._replace(behaviour=nothing))
        values = self.dropout(self.value(encode(past.log._replace(item=nothing))))
        slots = as_slots(past, keys=keys, values=values, slots=self.capacity)
        return Look(slots=slots, context=context)
