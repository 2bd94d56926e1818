"""Control without a memory: the user is the last event, whatever happened before.

What it cannot do needs a past; what it can do, a Markov chain could.
"""

import torch
from torch import Tensor

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.log import LogState, append, events_of, grown, newest
from recsys.memory.rewritten import rewritten


class LastEvent(Memory[LogState]):
    """One slot, always the newest event; 24 bytes a user."""

    remembers = False
    grows = ()
    nowhere: Tensor

    def __init__(self, *, table: Table) -> None:
        super().__init__()
        self.register_buffer("nowhere", torch.zeros(0), persistent=False)  # knows the device

    def initial_state(self, users: int) -> LogState:
        item, time, behaviour = self.nowhere.new_zeros(3, users, 1, dtype=torch.long)
        return LogState(item=item, time=time, behaviour=behaviour)

    def write(self, state: LogState, events: Events, encode: Encode) -> LogState:
        return grown(state, events, slots=1)

    def look(self, state: LogState, encode: Encode) -> Look:
        vector = encode(events_of(state))
        return Look(slots=rewritten(vector, vector), context=vector)

    def along(self, state: LogState, events: Events, encode: Encode) -> Look:
        log = append(state, events)
        last = newest(log.present)[:, 1:, None]
        vectors = encode(log)
        vectors = vectors.gather(1, last.expand(-1, -1, vectors.shape[2])).flatten(0, 1)[:, None]
        return Look(slots=rewritten(vectors, vectors), context=vectors)
