"""Control without order or address: the mean of all events through a feed-forward network.

As the candidate generator of YouTube (Covington et al. 2016, section 3.1) pools its watches. It
knows how often things happened, neither when nor together with what.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.rewritten import one_slot


class MeanPoolState(NamedTuple):
    """4 bytes times ``width``, and 8 bytes for the count."""

    total: Float[Tensor, "user width"]
    events: Int[Tensor, " user"]  # written so far


class MeanPool(Memory[MeanPoolState]):
    """One slot: the network's answer to the mean."""

    remembers = False
    grows = ()

    def __init__(self, *, table: Table, width: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.network = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )

    def initial_state(self, users: int) -> MeanPoolState:
        weight = next(self.parameters())
        return MeanPoolState(
            total=weight.new_zeros(users, self.width),
            events=weight.new_zeros(users, dtype=torch.long),
        )

    def write(self, state: MeanPoolState, events: Events, encode: Encode) -> MeanPoolState:
        present = events.present
        return MeanPoolState(
            total=state.total + (encode(events) * present[..., None]).sum(1),
            events=state.events + present.sum(1),
        )

    def look(self, state: MeanPoolState, encode: Encode) -> Look:
        """The network's answer to the mean; zero before the first event."""
        count = state.events[:, None]
        return one_slot(self.network(state.total / count.clamp(min=1)) * (count > 0))

    def along(self, state: MeanPoolState, events: Events, encode: Encode) -> Look:
        present = events.present
        total = state.total[:, None] + (encode(events) * present[..., None]).cumsum(1)
        count = state.events[:, None] + present.long().cumsum(1)
        after = MeanPoolState(total=total.flatten(0, 1), events=count.flatten())
        return self.look(after, encode)
