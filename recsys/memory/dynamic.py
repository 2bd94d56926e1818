"""Dynamic memory network (Kumar et al. 2015; Xiong et al. 2016): facts that know what came before.

A fact is what a gated recurrent unit has after an event: the event in the light of the events
before it. Xiong et al. also run one backwards (section 3.1); a user's future is not known, so here
facts look back only, and what is learned at every position of a history is exact.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.gru import Gru, GruState
from recsys.memory.log import Past, as_slots, at_newest, newest, pack


class DynamicState(NamedTuple):
    """The newest facts, oldest first, at the end of their row; item 0 is an empty slot.

    4 bytes times ``width`` and 16 bytes more for each of ``slots`` slots.
    """

    fact: Float[Tensor, "user slot width"]
    item: Int[Tensor, "user slot"]
    time: Int[Tensor, "user slot"]


class Dynamic(Memory[DynamicState]):
    """A fixed number of slots, the newest facts; the context is the newest of all.

    Facts are kept, not encoded anew: a fact depends on all events before it, also on forgotten
    ones. A question asked apart is a fact of its own, as in the paper's question module.
    """

    remembers = False  # a fact tells of more than its own event
    grows = ()

    def __init__(self, *, table: Table, width: int, slots: int, remember: float) -> None:
        super().__init__()
        self.width, self.capacity = width, slots
        self.gru = Gru(table=table, width=width, remember=remember, longest_lag=1)

    def initial_state(self, users: int) -> DynamicState:
        hidden = self.gru.initial_state(users).hidden
        none = torch.zeros(users, self.capacity, dtype=torch.long, device=hidden.device)
        return DynamicState(
            fact=hidden[:, None].expand(-1, self.capacity, -1), item=none, time=none
        )

    def write(self, state: DynamicState, events: Events, encode: Encode) -> DynamicState:
        ring, present = self._ring(state, events, encode)
        place = torch.arange(1, present.shape[1] + 1, device=present.device).expand_as(present)
        kept = pack(place, present)[:, -self.capacity :]
        return DynamicState(*(_at(field, kept) for field in ring))

    def look(self, state: DynamicState, encode: Encode) -> Look:
        last = torch.full_like(state.item[:, :1], self.capacity - 1)
        return self._look(state, state.item != 0, newest=last)

    def along(self, state: DynamicState, events: Events, encode: Encode) -> Look:
        filled = max(int((state.item != 0).sum(dim=1).max()), 1)
        state = DynamicState(*(field[:, -filled:] for field in state))  # no slot empty in all rows
        ring, present = self._ring(state, events, encode)
        return self._look(ring, present, newest=newest(present)[:, filled:])

    def _ring(
        self, state: DynamicState, events: Events, encode: Encode
    ) -> tuple[DynamicState, Bool[Tensor, "user slot"]]:
        """The facts and behind them those of these events, nothing forgotten yet."""
        start = GruState(hidden=state.fact[:, -1])
        facts = self.gru.along(start, events, encode).context
        new = DynamicState(
            fact=facts.reshape(*events.item.shape, self.width),
            item=torch.where(events.present, events.item, 0),
            time=torch.where(events.present, events.time, 0),
        )
        ring = DynamicState(*(torch.cat(pair, dim=1) for pair in zip(state, new, strict=True)))
        return ring, torch.cat([state.item != 0, events.present], dim=1)

    def _look(
        self,
        ring: DynamicState,
        present: Bool[Tensor, "user slot"],
        *,
        newest: Int[Tensor, "user position"],
    ) -> Look:
        """The facts as slots, from positions whose newest fact stands at these places."""
        log = Events(ring.item, ring.time, torch.zeros_like(ring.item), present)
        past = Past(log, newest)
        slots = as_slots(past, keys=ring.fact, values=ring.fact, slots=self.capacity)
        return Look(slots=slots, context=at_newest(ring.fact, past))


def _at(field: Tensor, place: Int[Tensor, "user slot"]) -> Tensor:
    """What stands at these places, counted from 1; zero for place 0."""
    padded = torch.cat([torch.zeros_like(field[:, :1]), field], dim=1)
    wide = place if field.dim() == 2 else place[..., None].expand(-1, -1, field.shape[2])
    return padded.gather(1, wide)
