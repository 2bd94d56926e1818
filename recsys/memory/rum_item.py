"""User memory by items (RUM, Chen et al. 2018, section 3.2): the newest few items themselves.

First in, first out. A slot is found by an item and gives back the same item: where the key-value
memory has a table of values, this one has the event itself, so it tells which of the last events a
candidate is like, not what such an event leads to.
"""

import torch
from torch import Tensor

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


class RumItem(Memory[LogState]):
    """Item-level RUM: the state grows to ``items`` events and then forgets the oldest.

    What the user reads is added to the user's own vector (equation 5), which here is the newest
    event; the paper has a free vector for each user.
    """

    remembers = True
    grows = GROWS
    nowhere: Tensor

    def __init__(self, *, table: Table, items: int) -> None:
        super().__init__()
        self.capacity = items
        self.register_buffer("nowhere", torch.zeros(0), persistent=False)  # knows the device

    def initial_state(self, users: int) -> LogState:
        return empty_log(users, device=self.nowhere.device)

    def write(self, state: LogState, events: Events, encode: Encode) -> LogState:
        return grown(state, events, slots=self.capacity)

    def look(self, state: LogState, encode: Encode) -> Look:
        return self._look(now(state), encode)

    def along(self, state: LogState, events: Events, encode: Encode) -> Look:
        return self._look(after_events(state, events), encode)

    def _look(self, past: Past, encode: Encode) -> Look:
        vectors = encode(past.log)
        slots = as_slots(past, keys=vectors, values=vectors, slots=self.capacity)
        return Look(slots=slots, context=at_newest(vectors, past))
