"""Hierarchical memory: events in sessions, so that an address can lead to a session first.

The idea of hierarchical attention (Yang et al. 2016): words in sentences, here events in sessions.
The event log is the state; where sessions begin is seen in its times.
"""

import torch
from jaxtyping import Int
from torch import Tensor, nn

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


class Hierarchical(Memory[LogState]):
    """Append-only, the newest ``slots`` events; a slot tells its session, ``output`` uses it.

    A session ends where more than ``gap_seconds`` pass until the next event. Data that know only
    an order have no gaps, and so one session a user. A slot is found by the event as I sees it; it
    tells what the event was about, from a table of its own, and what happened in it.
    """

    remembers = True
    grows = GROWS

    def __init__(
        self, *, table: Table, width: int, slots: int, gap_seconds: int, dropout: float
    ) -> None:
        super().__init__()
        self.capacity, self.gap_seconds = slots, gap_seconds
        self.value = table(width)
        self.value_of_event = nn.Linear(width, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def initial_state(self, users: int) -> LogState:
        return empty_log(users, device=self.value_of_event.weight.device)

    def write(self, state: LogState, events: Events, encode: Encode) -> LogState:
        return grown(state, events, slots=self.capacity)

    def look(self, state: LogState, encode: Encode) -> Look:
        return self._look(now(state), encode)

    def along(self, state: LogState, events: Events, encode: Encode) -> Look:
        return self._look(after_events(state, events), encode)

    def _look(self, past: Past, encode: Encode) -> Look:
        log = past.log
        keys = encode(log)
        values = self.dropout(self.value(log.item) + self.value_of_event(keys))
        values = values * log.present[..., None]
        slots = as_slots(past, keys=keys, values=values, slots=self.capacity)
        began = log.present & (log.time - _before(log) > self.gap_seconds)
        session = began.long().cumsum(dim=1)
        return Look(slots._replace(session=session), context=at_newest(keys, past))


def _before(log: Events) -> Int[Tensor, "user event"]:
    """The time of the present event before each present one; 0 before the first."""
    rank = log.present.long().cumsum(dim=1)
    place = torch.where(log.present, rank + 1, 0)  # 0 is looked up by absent ones only
    users, events = log.time.shape
    in_order = log.time.new_zeros(users, events + 2).scatter(1, place, log.time)
    return in_order.gather(1, rank)
