"""End-to-end memory: every hop reads the same log through tables of its own.

Sukhbaatar et al. 2015, sections 2.1 and 2.2. The log itself is the state; what a slot is found by
(A) and what it tells (C) are looked up when it is read.
"""

from typing import Literal

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
        return self._look(now(state), encode)

    def along(self, state: LogState, events: Events, encode: Encode) -> Look:
        return self._look(after_events(state, events), encode)

    def _look(self, past: Past, encode: Encode) -> Look:
        keys = encode(past.log)
        told = torch.stack([self.dropout(table(past.log.item)) for table in self.values], dim=1)
        slots = as_slots(past, keys=keys, values=told.sum(1), slots=self.capacity)
        layers = torch.cat([keys[:, None], told], dim=1)
        return Look(slots._replace(layers=layers), context=at_newest(keys, past))
