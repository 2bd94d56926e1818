"""Memory network of I, G, O and R, whose hops each find and use one whole memory (Weston 2014).

A word of section 3.1 has three representations: in a question, in a memory that is being judged,
and in a memory that was chosen to support. Here they are the context and the keys, through which O
maps what I sees, and tables of the memory's own, one for what each hop chose. Those add to what I
sees, which also tells behaviours apart.
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


class Igor(Memory[LogState]):
    """Append-only: G puts every event into the next free slot, and forgets the oldest when full.

    ``layers`` holds an event as the supporting memory of each hop; ``values``, for outputs that
    know no layers, their mean.
    """

    remembers = True
    grows = GROWS

    def __init__(self, *, table: Table, width: int, slots: int, hops: int, dropout: float) -> None:
        super().__init__()
        self.capacity = slots
        self.value = nn.ModuleList(table(width) for _ in range(hops))
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
        told = [keys + self.dropout(table(past.log.item)) for table in self.value]
        layers = torch.stack(told, dim=1)
        slots = as_slots(past, keys=keys, values=layers.mean(1), slots=self.capacity)
        return Look(slots._replace(layers=layers), context=at_newest(keys, past))
