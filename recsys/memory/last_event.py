"""Control without a memory: the user is the last event, whatever happened before.

What it cannot do needs a past; what it can do, a Markov chain could.
"""

import torch
from torch import Tensor

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.log import LogState, after_events, at_newest, empty_log, events_of, grown
from recsys.memory.rewritten import one_slot


class LastEvent(Memory[LogState]):
    """One slot, always the newest event; 24 bytes a user."""

    remembers = False
    grows = ()
    nowhere: Tensor

    def __init__(self, *, table: Table) -> None:
        super().__init__()
        self.register_buffer("nowhere", torch.zeros(0), persistent=False)  # knows the device

    def initial_state(self, users: int) -> LogState:
        return empty_log(users, device=self.nowhere.device)

    def write(self, state: LogState, events: Events, encode: Encode) -> LogState:
        return grown(state, events, slots=1)

    def look(self, state: LogState, encode: Encode) -> Look:
        return one_slot(encode(events_of(state))[:, 0])

    def along(self, state: LogState, events: Events, encode: Encode) -> Look:
        past = after_events(state, events)
        return one_slot(at_newest(encode(past.log), past).flatten(0, 1))
