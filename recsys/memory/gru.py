"""Gated recurrent unit (Cho et al. 2014): the whole history in one slot that every event rewrites.

As GRU4Rec uses it (Hidasi et al. 2016). The query-free counterpart of the slot memories: what it
keeps of the past is fixed before any candidate asks.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.gru_kernel import run_gru, start_gru
from recsys.memory.rewritten import front, one_slot


class GruState(NamedTuple):
    """4 bytes times ``width`` a user."""

    hidden: Float[Tensor, "user width"]


class Gru(Memory[GruState]):
    """One layer; ``remember`` above 0 starts the update gate closed, so that long lags train.

    ``longest_lag`` above 1 adds the log of a lag up to that number for each unit (chrono start,
    Tallec and Ollivier 2018).
    """

    remembers = False
    grows = ()

    def __init__(self, *, table: Table, width: int, remember: float, longest_lag: int) -> None:
        super().__init__()
        self.width = width
        self.cell = nn.GRU(width, width, batch_first=True)
        start_gru(self.cell, remember=remember, longest_lag=longest_lag)

    def initial_state(self, users: int) -> GruState:
        return GruState(hidden=self.cell.all_weights[0][0].new_zeros(users, self.width))

    def write(self, state: GruState, events: Events, encode: Encode) -> GruState:
        return GruState(hidden=self._after_each(state, events, encode)[:, -1])

    def look(self, state: GruState, encode: Encode) -> Look:
        return one_slot(state.hidden)

    def along(self, state: GruState, events: Events, encode: Encode) -> Look:
        return one_slot(self._after_each(state, events, encode).flatten(0, 1))

    def _after_each(
        self, state: GruState, events: Events, encode: Encode
    ) -> Float[Tensor, "user event width"]:
        """The hidden state after every event; after one that is not present, that before it."""
        vectors, rank = front(encode(events), events.present)
        run = run_gru(self.cell, vectors, state.hidden)
        hidden = torch.cat([state.hidden[:, None], run], dim=1)
        return hidden.gather(1, rank[..., None].expand(-1, -1, self.width))
