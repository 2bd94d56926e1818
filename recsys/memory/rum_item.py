"""User memory by items (RUM, Chen et al. 2018, section 3.2): the newest few items themselves.

First in, first out. A slot is found by an item and gives back the same item: where the key-value
memory has a table of values, this one has the event itself, so it tells which of the last events a
candidate is like, not what such an event leads to.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Slots, Table
from recsys.memory.log import GROWS, LogState, append, empty_log, events_of, grown, newest, seen


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
        vectors = encode(log)
        return Slots(
            keys=vectors,
            values=vectors,
            bias=torch.zeros_like(there.age, dtype=torch.float),
            filled=there.filled,
            age=there.age,
            gap_seconds=there.gap_seconds,
            item=log.item,
        )
