"""Gated recurrent unit (Cho et al. 2014): the whole history in one slot that every event rewrites.

As GRU4Rec uses it (Hidasi et al. 2016). The query-free counterpart of the slot memories: what it
keeps of the past is fixed before any candidate asks.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.contract import Along, Encode, Memory, Slots, Table


class GruState(NamedTuple):
    """4 bytes times ``width`` a user."""

    hidden: Float[Tensor, "user width"]


class Gru(Memory[GruState]):
    """One layer; ``remember`` above 0 starts the update gate closed, so that long lags train.

    The bias stands on the gate that multiplies the old state, in the order reset, update, new of
    PyTorch (chrono start, Tallec and Ollivier 2018).
    """

    remembers = False
    grows = ()

    def __init__(self, *, table: Table, width: int, remember: float) -> None:
        super().__init__()
        self.width = width
        self.cell = nn.GRU(width, width, batch_first=True)
        _, recurrent, event_bias, recurrent_bias = self.cell.all_weights[0]
        nn.init.orthogonal_(recurrent)
        nn.init.zeros_(recurrent_bias)
        nn.init.zeros_(event_bias)
        nn.init.constant_(event_bias[width : 2 * width], remember)

    def initial_state(self, users: int) -> GruState:
        return GruState(hidden=self.cell.all_weights[0][0].new_zeros(users, self.width))

    def write(self, state: GruState, events: Events, encode: Encode) -> GruState:
        return GruState(hidden=self._after_each(state, events, encode)[:, -1])

    def slots(self, state: GruState, encode: Encode) -> Slots:
        return _one_slot(state.hidden)

    def context(self, state: GruState, encode: Encode) -> Float[Tensor, "user width"]:
        return state.hidden

    def along(self, state: GruState, events: Events, encode: Encode) -> Along:
        hidden = self._after_each(state, events, encode).flatten(0, 1)
        return Along(slots=_one_slot(hidden), context=hidden[:, None])

    def _after_each(
        self, state: GruState, events: Events, encode: Encode
    ) -> Float[Tensor, "user event width"]:
        """The hidden state after every event; after one that is not present, that before it."""
        vectors, rank = _front(encode(events), events.present)
        run = _one_node if torch.onnx.is_in_onnx_export() else _native
        hidden = torch.cat([state.hidden[:, None], run(self.cell, vectors, state.hidden)], dim=1)
        return hidden.gather(1, rank[..., None].expand(-1, -1, self.width))


def _native(cell: nn.GRU, vectors: Tensor, hidden: Tensor) -> Tensor:
    return cell(vectors, hidden[None])[0]


def _one_node(cell: nn.GRU, vectors: Tensor, hidden: Tensor) -> Tensor:
    """The same as one ONNX node of any length.

    The exporter's own translation holds for the first export of a process only (torch 2.13: the
    next ones unroll or fail). ONNX orders the gates update, reset, new.
    """
    width = hidden.shape[1]
    events, recurrent, event_bias, recurrent_bias = (
        torch.cat([part[width : 2 * width], part[:width], part[2 * width :]])
        for part in cell.all_weights[0]
    )
    bias = torch.cat([event_bias, recurrent_bias])
    after = torch.onnx.ops.symbolic(
        "GRU",
        (vectors.transpose(0, 1), events[None], recurrent[None], bias[None], None, hidden[None]),
        {"hidden_size": width, "linear_before_reset": 1},
        dtype=vectors.dtype,
        shape=(vectors.shape[1], 1, vectors.shape[0], width),
        version=20,
    )
    return after[:, 0].transpose(0, 1)


def _front(
    vectors: Float[Tensor, "user event width"], present: Bool[Tensor, "user event"]
) -> tuple[Tensor, Tensor]:
    """Present events moved to the front of their row, and how many there are up to each place."""
    rank = present.long().cumsum(dim=1)
    place = torch.where(present, rank, 0)[..., None].expand_as(vectors)  # 0 is thrown away
    packed = vectors.new_zeros(vectors.shape[0], vectors.shape[1] + 1, vectors.shape[2])
    return packed.scatter(1, place, vectors)[:, 1:], rank


def _one_slot(hidden: Float[Tensor, "row width"]) -> Slots:
    one = torch.zeros(hidden.shape[0], 1, 1, dtype=torch.long, device=hidden.device)
    return Slots(
        keys=hidden[:, None],
        values=hidden[:, None],
        bias=one.to(hidden.dtype),
        filled=one == 0,
        age=one,
        gap_seconds=one,
        item=one[:, 0],
    )
