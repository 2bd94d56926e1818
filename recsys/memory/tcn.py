"""Temporal convolutional network (Bai et al. 2018): filters of growing dilation over the events.

With other dilations it is the network of NextItNet (Yuan et al. 2019, section 3.3). What it
remembers ends at the edge of its receptive field, one event more than its filters reach back.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recsys.data.batches import Events
from recsys.memory.causal import CausalConvolution, CausalState, Tape, went_on
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.rewritten import one_slot

SMALL = 0.1  # what a block starts with adding, so that an event's own vector is not drowned


class Tcn(Memory[CausalState]):
    """``dilations`` has one list a residual block, in it one number a convolution."""

    remembers = False
    grows = ()

    def __init__(
        self,
        *,
        table: Table,
        width: int,
        kernel: int,
        dilations: Sequence[Sequence[int]],
        dropout: float,
    ) -> None:
        super().__init__()
        self.width = width
        self.network = Blocks(width=width, kernel=kernel, dilations=dilations, dropout=dropout)
        self.reach = (kernel - 1) * sum(map(sum, dilations))

    def initial_state(self, users: int) -> CausalState:
        like = next(self.parameters())
        return CausalState(
            inputs=like.new_zeros(users, self.reach, self.width),
            hidden=like.new_zeros(users, self.width),
        )

    def write(self, state: CausalState, events: Events, encode: Encode) -> CausalState:
        return went_on(self.network, state, encode(events), present=events.present).state

    def look(self, state: CausalState, encode: Encode) -> Look:
        return one_slot(state.hidden)

    def along(self, state: CausalState, events: Events, encode: Encode) -> Look:
        hidden = went_on(self.network, state, encode(events), present=events.present).hidden
        return one_slot(hidden.flatten(0, 1))


class Blocks(nn.ModuleList):
    """Residual blocks, one after another."""

    def __init__(
        self, *, width: int, kernel: int, dilations: Sequence[Sequence[int]], dropout: float
    ) -> None:
        super().__init__(
            ResidualBlock(width=width, kernel=kernel, dilations=its, dropout=dropout)
            for its in dilations
        )

    def forward(self, vectors: Tensor, tape: Tape) -> Float[Tensor, "user event width"]:
        """The residual stream after the last block."""
        for block in self:
            vectors = block(vectors, tape)
        return vectors


class ResidualBlock(nn.Module):
    """A filter for each dilation, one after another; then what came in is added."""

    def __init__(
        self, *, width: int, kernel: int, dilations: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        gains = [1.0] * (len(dilations) - 1) + [SMALL]
        self.filters = nn.ModuleList(
            Filter(width=width, kernel=kernel, dilation=dilation, gain=gain, dropout=dropout)
            for dilation, gain in zip(dilations, gains, strict=True)
        )

    def forward(
        self, vectors: Float[Tensor, "user event width"], tape: Tape
    ) -> Float[Tensor, "user event width"]:
        """As many vectors as came in; ``tape`` tells what came before them."""
        found = vectors
        for filtered in self.filters:
            found = filtered(found, tape)
        return vectors + found


class Filter(nn.Module):
    """Convolution, layer norm, ReLU, dropout.

    The norm is over one event's vector: one over time would let the future leak. Its weights start
    at ``gain``.
    """

    def __init__(
        self, *, width: int, kernel: int, dilation: int, gain: float, dropout: float
    ) -> None:
        super().__init__()
        self.convolution = CausalConvolution(width=width, kernel=kernel, dilation=dilation)
        self.norm = nn.LayerNorm(width)
        nn.init.constant_(self.norm.weight, gain)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, vectors: Float[Tensor, "user event width"], tape: Tape
    ) -> Float[Tensor, "user event width"]:
        """What is found at each event; ``tape`` tells what came before these vectors."""
        found = self.norm(tape.through(self.convolution, vectors))
        return self.dropout(functional.relu(found))
