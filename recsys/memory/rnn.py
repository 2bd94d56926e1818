"""Recurrent network (Elman 1990): the whole history in one slot, rewritten without gates.

The counter-example of the gated ones: what an event left in the slot shrinks or is mixed up with
every later event, so that long lags are not learned (Bengio et al. 1994).
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.rewritten import one_slot
from recsys.memory.steps import after_all, after_each


class RnnState(NamedTuple):
    """4 bytes times ``width`` a user."""

    hidden: Float[Tensor, "user width"]


class Rnn(Memory[RnnState]):
    """hidden = tanh(W event + U hidden + b), with an orthogonal U at the start."""

    remembers = False
    grows = ()

    def __init__(self, *, table: Table, width: int) -> None:
        super().__init__()
        self.width = width
        self.event = nn.Linear(width, width)
        self.recurrent = nn.Linear(width, width, bias=False)
        nn.init.orthogonal_(self.recurrent.weight)
        nn.init.zeros_(self.event.bias)

    def initial_state(self, users: int) -> RnnState:
        return RnnState(hidden=self.event.weight.new_zeros(users, self.width))

    def write(self, state: RnnState, events: Events, encode: Encode) -> RnnState:
        told = self.event(encode(events))
        return after_all(self._step, state, told, present=events.present)

    def look(self, state: RnnState, encode: Encode) -> Look:
        return one_slot(state.hidden)

    def along(self, state: RnnState, events: Events, encode: Encode) -> Look:
        told = self.event(encode(events))
        return self.look(after_each(self._step, state, told, present=events.present), encode)

    def _step(self, state: RnnState, told: Float[Tensor, "user width"]) -> RnnState:
        return RnnState(hidden=torch.tanh(told + self.recurrent(state.hidden)))
