"""Key-value memory: every event is a slot, found by what it is about, read for what it tells.

Miller et al. 2016, sections 3.1 and 3.2, with the event log itself as state: keys and values are
looked up when they are read, so new weights never make a stored state stale and forgetting an
event is exact.
"""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Slots, Table
from recsys.memory.log import GROWS, LogState, append, empty_log, events_of, grown, newest, seen


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
        last = torch.full_like(state.item[:, :1], state.item.shape[1] - 1)
        slots = self._seen(events_of(state), newest=last, encode=encode)
        return Look(slots=slots, context=slots.keys[:, -1:])

    def along(self, state: LogState, events: Events, encode: Encode) -> Look:
        log = append(state, events)
        last = newest(log.present)[:, state.item.shape[1] :]
        slots = self._seen(log, newest=last, encode=encode)
        place = last[..., None].expand(-1, -1, slots.keys.shape[2])
        return Look(slots=slots, context=slots.keys.gather(1, place))

    def _seen(self, log: Events, *, newest: Int[Tensor, "user position"], encode: Encode) -> Slots:
        """The log as slots, from positions whose newest event stands at these places."""
        there = seen(log, newest=newest, slots=self.capacity)
        return Slots(
            keys=encode(log),
            values=self.dropout(self.value(log.item)),
            bias=torch.zeros_like(there.age, dtype=torch.float),
            filled=there.filled,
            age=there.age,
            gap_seconds=there.gap_seconds,
            item=log.item,
        )
