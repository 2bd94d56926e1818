"""Key-value memory, item -> next item: what the user took after it, a Markov chain of one's own.

Miller et al. 2016, section 3.1, with the event log as state (see key_value.py). The write has two
phases: an event writes its key at once, and the next event fills in the value.
"""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Slots, Table
from recsys.memory.log import GROWS, LogState, append, empty_log, events_of, grown, newest, seen


class KeyNext(Memory[LogState]):
    """Append-only: the log grows to ``slots`` pairs of neighbours and then forgets the oldest.

    A slot's key is an event as I sees it; its value is the item that came next, from a table of the
    memory's own. The newest event has no value yet, so its slot cannot be read: reading it in
    training would tell the target.
    """

    remembers = True
    grows = GROWS

    def __init__(self, *, table: Table, width: int, slots: int, dropout: float) -> None:
        super().__init__()
        self.capacity = slots + 1  # so many events are so many pairs and one key without a value
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
        """The log as slots, from positions whose newest event stands at these places.

        A slot is read only where the event that fills it has been seen, and ages from that one.
        """
        there = seen(log, newest=newest, slots=self.capacity)
        return Slots(
            keys=encode(log),
            values=self.dropout(self.value(_following(log))),
            bias=torch.zeros_like(there.age, dtype=torch.float),
            filled=there.filled & (there.age > 0),
            age=(there.age - 1).clamp(min=0),
            gap_seconds=there.gap_seconds,
            item=log.item,
        )


def _following(log: Events) -> Int[Tensor, "user event"]:
    """The item of the next present event after each present one; 0 after the newest."""
    rank = log.present.long().cumsum(dim=1)
    users, events = log.item.shape
    place = torch.where(log.present, rank, 0)  # 0 is never looked up: ranks begin with 1
    in_order = log.item.new_zeros(users, events + 2).scatter(1, place, log.item)
    return in_order.gather(1, rank + 1)
