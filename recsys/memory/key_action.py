"""Key-value memory, item -> action: what the user did with an item, found by the item.

Miller et al. 2016, section 3.1: a key is what the event is about, a value what it tells. The event
log is the state (see key_value.py); this memory needs data that tell behaviours apart.
"""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Slots, Table
from recsys.memory.log import GROWS, LogState, append, empty_log, events_of, grown, newest, seen


class KeyAction(Memory[LogState]):
    """Append-only: the state grows to ``slots`` events and then forgets the oldest.

    A slot's key is its item as I sees it when nothing was done with it; its value is a map of what
    I sees of the action alone, a rating or a view. The value never leaks into the address.
    """

    remembers = True
    grows = GROWS

    def __init__(self, *, table: Table, width: int, slots: int, dropout: float) -> None:
        super().__init__()
        self.capacity = slots
        self.value = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def initial_state(self, users: int) -> LogState:
        return empty_log(users, device=self.value.weight.device)

    def write(self, state: LogState, events: Events, encode: Encode) -> LogState:
        return grown(state, events, slots=self.capacity)

    def look(self, state: LogState, encode: Encode) -> Look:
        log = events_of(state)
        last = torch.full_like(state.item[:, :1], state.item.shape[1] - 1)
        context = encode(log)[:, -1:]
        return Look(slots=self._seen(log, newest=last, encode=encode), context=context)

    def along(self, state: LogState, events: Events, encode: Encode) -> Look:
        log = append(state, events)
        last = newest(log.present)[:, state.item.shape[1] :]
        place = last[..., None]
        vectors = encode(log)
        context = vectors.gather(1, place.expand(-1, -1, vectors.shape[2]))
        return Look(slots=self._seen(log, newest=last, encode=encode), context=context)

    def _seen(self, log: Events, *, newest: Int[Tensor, "user position"], encode: Encode) -> Slots:
        """The log as slots, from positions whose newest event stands at these places."""
        there = seen(log, newest=newest, slots=self.capacity)
        nothing = torch.zeros_like(log.item)
        return Slots(
            keys=encode(log._replace(behaviour=nothing)),
            values=self.dropout(self.value(encode(log._replace(item=nothing)))),
            bias=torch.zeros_like(there.age, dtype=torch.float),
            filled=there.filled,
            age=there.age,
            gap_seconds=there.gap_seconds,
            item=log.item,
        )
