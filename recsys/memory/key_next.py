"""Key-value memory, item -> next item: what the user took after it, a Markov chain of one's own.

Miller et al. 2016, section 3.1, with the event log as state (see key_value.py). The write has two
phases: an event writes its key at once, and the next event fills in the value.
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
        return self._look(now(state), encode)

    def along(self, state: LogState, events: Events, encode: Encode) -> Look:
        return self._look(after_events(state, events), encode)

    def _look(self, past: Past, encode: Encode) -> Look:
        """A slot is read only where the event that fills it has been seen, and ages from that."""
        keys = encode(past.log)
        values = self.dropout(self.value(_following(past.log)))
        slots = as_slots(past, keys=keys, values=values, slots=self.capacity)
        filled, age = slots.filled & (slots.age > 0), (slots.age - 1).clamp(min=0)
        return Look(slots._replace(filled=filled, age=age), context=at_newest(keys, past))


def _following(log: Events) -> Int[Tensor, "user event"]:
    """The item of the next present event after each present one; 0 after the newest."""
    rank = log.present.long().cumsum(dim=1)
    users, events = log.item.shape
    place = torch.where(log.present, rank, 0)  # 0 is never looked up: ranks begin with 1
    in_order = log.item.new_zeros(users, events + 2).scatter(1, place, log.item)
    return in_order.gather(1, rank + 1)
