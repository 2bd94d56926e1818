"""Dilated causal convolutions that go on where they stopped: each remembers its newest inputs.

A convolution of kernel k and dilation d sees its inputs 0, d, ..., (k - 1) d events back, so the
newest (k - 1) d of them are all it needs to go on. Before the first event they are zero, which is
the left padding of a network that is run over a whole sequence.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from recsys.memory.rewritten import front


class CausalState(NamedTuple):
    """4 bytes times ``width`` times (1 + the sum of (kernel - 1) dilation) a user."""

    inputs: Float[Tensor, "user place width"]  # of every convolution in turn, oldest first
    hidden: Float[Tensor, "user width"]  # what came out after the newest event


class CausalConvolution(nn.Module):
    """``reach`` is how many inputs back it sees; ``outputs``, its own width over theirs."""

    def __init__(self, *, width: int, kernel: int, dilation: int, outputs: int = 1) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.filter = nn.Conv1d(width, outputs * width, kernel, dilation=dilation)

    def forward(
        self, inputs: Float[Tensor, "user place width"]
    ) -> Float[Tensor, "user event filtered"]:
        """An output for each input but the first ``reach``."""
        return self.filter(inputs.transpose(1, 2)).transpose(1, 2)


class Tape:
    """What every convolution of a network is given in one pass: its newest inputs, then new ones.

    The convolutions come in the order of the state's places.
    """

    def __init__(self, state: CausalState, *, written: Int[Tensor, " user"]) -> None:
        self.past, self.written = state.inputs, written
        self.begin = 0
        self.kept: list[Tensor] = []

    def through(
        self, convolution: CausalConvolution, inputs: Float[Tensor, "user event width"]
    ) -> Float[Tensor, "user event filtered"]:
        """Outputs for these inputs, whose newest it keeps."""
        end = self.begin + convolution.reach
        seen = torch.cat([self.past[:, self.begin : end], inputs], dim=1)
        self.begin = end
        newest = self.written[:, None] + torch.arange(convolution.reach, device=seen.device)
        self.kept.append(seen.gather(1, newest[..., None].expand(-1, -1, seen.shape[2])))
        return convolution(seen)


class Written(NamedTuple):
    """What a network leaves behind, and what came out on the way."""

    state: CausalState
    hidden: Float[Tensor, "user event width"]  # after every event; if not present, that before it


def went_on(
    network: nn.Module,
    state: CausalState,
    vectors: Float[Tensor, "user event width"],
    *,
    present: Bool[Tensor, "user event"],
) -> Written:
    """The network, ``(vectors, tape) -> hidden``, over the present events after this state.

    Those are moved to the front of their row, so that an absent one is no place that filters see.
    """
    packed, rank = front(vectors, present)
    tape = Tape(state, written=rank[:, -1])
    after = network(packed, tape)
    after = torch.cat([state.hidden[:, None], after], dim=1)
    hidden = after.gather(1, rank[..., None].expand(-1, -1, after.shape[2]))
    kept = torch.cat([state.inputs[:, :0], *tape.kept], dim=1)
    return Written(CausalState(inputs=kept, hidden=hidden[:, -1]), hidden)
