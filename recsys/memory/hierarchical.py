"""Hierarchical memory: events in sessions, so that an address can lead to a session first.

The idea of hierarchical attention (Yang et al. 2016): words in sentences, here events in sessions.
The event log is the state; where sessions begin is seen in its times.
"""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Slots, Table
from recsys.memory.log import GROWS, LogState, append, empty_log, events_of, grown, newest, seen


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
        last = torch.full_like(state.item[:, :1], state.item.shape[1] - 1)
        before = torch.cat([torch.zeros_like(last), state.time[:, :-1]], dim=1)
        slots = self._seen(events_of(state), newest=last, before=before, encode=encode)
        return Look(slots=slots, context=slots.keys[:, -1:])

    def along(self, state: LogState, events: Events, encode: Encode) -> Look:
        log = append(state, events)
        last = newest(log.present)
        before = torch.cat([torch.zeros_like(last[:, :1]), log.time.gather(1, last)[:, :-1]], dim=1)
        last = last[:, state.item.shape[1] :]
        slots = self._seen(log, newest=last, before=before, encode=encode)
        place = last[..., None].expand(-1, -1, slots.keys.shape[2])
        return Look(slots=slots, context=slots.keys.gather(1, place))

    def _seen(
        self,
        log: Events,
        *,
        newest: Int[Tensor, "user position"],
        before: Int[Tensor, "user event"],
        encode: Encode,
    ) -> Slots:
        """The log as slots; ``before`` is the time of the newest event before each place."""
        there = seen(log, newest=newest, slots=self.capacity)
        keys = encode(log)
        values = self.value(log.item) + self.value_of_event(keys)
        began = log.present & (log.time - before > self.gap_seconds)
        return Slots(
            keys=keys,
            values=self.dropout(values) * log.present[..., None],
            bias=torch.zeros_like(there.age, dtype=keys.dtype),
            filled=there.filled,
            age=there.age,
            gap_seconds=there.gap_seconds,
            item=log.item,
            session=began.long().cumsum(dim=1),
        )
