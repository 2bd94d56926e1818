"""Control with a short sight: one plain convolution over the last few events, without dilation.

It knows the order of what it sees and nothing of what was before: a bounded memory that no training
can lengthen.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.log import LogState, append, empty_log, events_of, grown
from recsys.memory.rewritten import front, one_slot


class Cnn(Memory[LogState]):
    """Sees the newest ``kernel`` events; they are its state, 24 bytes each."""

    remembers = False
    grows = ()

    def __init__(self, *, table: Table, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.kernel = kernel
        self.convolve = nn.Conv1d(width, 2 * width, kernel)
        self.respond = nn.Sequential(nn.ReLU(), nn.Dropout(dropout), nn.Linear(2 * width, width))

    def initial_state(self, users: int) -> LogState:
        return empty_log(users, device=self.convolve.weight.device, slots=self.kernel)

    def write(self, state: LogState, events: Events, encode: Encode) -> LogState:
        return grown(state, events, slots=self.kernel)

    def look(self, state: LogState, encode: Encode) -> Look:
        seen = self._windows(encode(events_of(state)), known=state.item[:, -1:] != 0)
        return one_slot(seen[:, 0])

    def along(self, state: LogState, events: Events, encode: Encode) -> Look:
        before, after = encode(append(state, events)).tensor_split([self.kernel], dim=1)
        packed, rank = front(after, events.present)
        known = (state.item[:, -1:] != 0) | (
            torch.arange(rank.shape[1] + 1, device=rank.device) > 0
        )
        seen = self._windows(torch.cat([before, packed], dim=1), known=known)
        seen = seen.gather(1, rank[..., None].expand(-1, -1, seen.shape[2]))
        return one_slot(seen.flatten(0, 1))

    def _windows(
        self,
        vectors: Float[Tensor, "user event width"],
        *,
        known: Bool[Tensor, "user window"],
    ) -> Float[Tensor, "user window width"]:
        """What every ``kernel`` successive vectors tell together; zero before the first event."""
        told = self.convolve(vectors.transpose(1, 2)).transpose(1, 2)
        return self.respond(told) * known[..., None]
