"""Key-value memory: every event is a slot, found by what it is about, read for what it tells.

Miller et al. 2016, sections 3.1 and 3.2, with the event log itself as state: keys and values are
looked up when they are read, so new weights never make a stored state stale and forgetting an
event is exact.
"""

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


class KeyValue(Memory[LogState]):
    """Append-only: the state grows to ``slots`` events and then forgets the oldest.

    A slot's key is the event as I sees it; its value comes from a table of the memory's own.
    """

    remembers = True
    grows = GROWS

    def __init__(self, *, table: Table, width: int, slots: int, dropout: float) -> None:
        super().__init__()
        self.capacity = slots
        self.value = table(width)
        self.dropout = nn.Dropout(dropout)

    def initial_state(self, users: int) -> LogState:
        return empty_log(users, device=next(self.parameters()).device)

    def write(self, state: LogState, events: Events, encode: Encode) -> LogState:
        return grown(state, events, slots=self.capacity)

    def look(self, state: LogState, encode: Encode) -> Look:
        return self._look(now(state), encode)

    def along(self, state: LogState, events: Events, encode: Encode) -> Look:
        return self._look(after_events(state, events), encode)

    def _look(self, past: Past, encode: Encode) -> Look:
        keys = encode(past.log)
        values = self.dropout(self.value(past.log.item))
        slots = as_slots(past, keys=keys, values=values, slots=self.capacity)
        return Look(slots=slots, context=at_newest(keys, past))
