"""A gated recurrent unit over whole histories: the fused kernel, and the same as one ONNX node."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def run_gru(
    cell: nn.GRU,
    vectors: Float[Tensor, "user event width"],
    hidden: Float[Tensor, "user width"],
) -> Float[Tensor, "user event width"]:
    """The hidden state after every vector; ``cell`` has one layer and is batch first."""
    if torch.onnx.is_in_onnx_export():
        return _one_node(cell, vectors, hidden)
    return cell(vectors, hidden[None].contiguous())[0]


def start_gru(cell: nn.GRU, *, remember: float, longest_lag: int) -> None:
    """Orthogonal recurrent weights and one bias: on the gate that multiplies the old state.

    It is ``remember`` plus the log of a lag drawn between 1 and ``longest_lag`` for each unit
    (chrono start, Tallec and Ollivier 2018); gates stand in PyTorch's order reset, update, new.
    """
    _, recurrent, event_bias, recurrent_bias = cell.all_weights[0]
    update = slice(cell.hidden_size, 2 * cell.hidden_size)
    nn.init.orthogonal_(recurrent)
    nn.init.zeros_(recurrent_bias)
    nn.init.zeros_(event_bias)
    nn.init.constant_(event_bias[update], remember)
    if longest_lag > 1:
        event_bias.data[update] += torch.empty(cell.hidden_size).uniform_(1, longest_lag).log()


def _one_node(cell: nn.GRU, vectors: Tensor, hidden: Tensor) -> Tensor:
    """One ONNX node of any length.

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
