"""End-to-end memory: every hop reads the same log through tables of its own.

Sukhbaatar et al. 2015, sections 2.1 and 2.2. The log itself is the state; what a slot is found by
(A) and what it tells (C) are looked up when it is read.
"""

from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Slots, Table
from recsys.memory.log import GROWS, LogState, append, empty_log, events_of, grown, newest, seen


class EndToEnd(Memory[LogState]):
    """Append-only: the state grows to ``slots`` events and then forgets the oldest.

    ``layers`` holds the log in every table: E_0 is the event as I sees it (A^1, and B, for the
    user's present is the newest event), the others are tables of the memory's own. With
    ``adjacent`` tying there are ``hops`` of them and hop h finds slots in E_h-1 and reads E_h
    (C^h = A^h+1); with ``layer_wise`` tying one, and every hop finds in E_0 and reads E_1. An
    output that reads once is shown the sum of what the hops would read.
    """

    remembers = True
    grows = GROWS

    def __init__(
        self,
        *,
        table: Table,
        width: int,
        slots: int,
        hops: int,
        tying: Literal["adjacent", "layer_wise"],
        dropout: float,
    ) -> None:
        super().__init__()
        self.capacity = slots
        tables = hops if tying == "adjacent" else 1
        self.values = nn.ModuleList(table(width) for _ in range(tables))
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
        values = torch.stack([self.dropout(table(log.item)) for table in self.values], dim=1)
        return Slots(
            keys=keys,
            values=values.sum(1),
            bias=torch.zeros_like(there.age, dtype=torch.float),
            filled=there.filled,
            age=there.age,
            gap_seconds=there.gap_seconds,
            item=log.item,
            layers=torch.cat([keys[:, None], values], dim=1),
        )
