"""Memory network of I, G, O and R, whose hops each find and use one whole memory (Weston 2014).

A word of section 3.1 has three representations: in a question, in a memory that is being judged,
and in a memory that was chosen to support. Here they are the context and the keys, through which O
maps what I sees, and tables of the memory's own, one for what each hop chose. Those add to what I
sees, which also tells behaviours apart.
"""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Slots, Table
from recsys.memory.log import GROWS, LogState, append, empty_log, events_of, grown, newest, seen


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
        keys = encode(log)
        layers = torch.stack([keys + self.dropout(table(log.item)) for table in self.value], dim=1)
        return Slots(
            keys=keys,
            values=layers.mean(1),
            bias=torch.zeros_like(there.age, dtype=torch.float),
            filled=there.filled,
            age=there.age,
            gap_seconds=there.gap_seconds,
            item=log.item,
            layers=layers,
        )
