"""WaveNet (van den Oord et al. 2016): gated dilated convolutions, whose outputs are summed up.

Every layer passes its input on with what it found added to it, and tells the output what it found
by a way of its own (section 2.4, figure 4).
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.causal import CausalConvolution, CausalState, Tape, went_on
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.rewritten import one_slot

SMALL = 0.1  # of the default weights: how the way out of a layer starts


class WaveNet(Memory[CausalState]):
    """``dilations`` has one number a layer."""

    remembers = False
    grows = ()

    def __init__(
        self, *, table: Table, width: int, kernel: int, dilations: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.width = width
        self.network = Layers(width=width, kernel=kernel, dilations=dilations, dropout=dropout)
        self.reach = (kernel - 1) * sum(dilations)

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


class Layers(nn.Module):
    """Gated layers, one after another, and what makes one vector of all they told."""

    def __init__(
        self, *, width: int, kernel: int, dilations: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.gated = nn.ModuleList(
            Gated(width=width, kernel=kernel, dilation=dilation, dropout=dropout)
            for dilation in dilations
        )
        self.on = nn.ModuleList(_small(width) for _ in dilations[1:])
        self.skip = nn.ModuleList(nn.Linear(width, width) for _ in dilations)
        self.out = nn.Sequential(
            nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
        )

    def forward(self, vectors: Tensor, tape: Tape) -> Float[Tensor, "user event width"]:
        """An output for each input."""
        found = self.gated[0](vectors, tape)
        skipped = self.skip[0](found)
        for gated, on, skip in zip(self.gated[1:], self.on, self.skip[1:], strict=True):
            vectors = vectors + on(found)
            found = gated(vectors, tape)
            skipped = skipped + skip(found)
        return self.out(skipped)


class Gated(nn.Module):
    """tanh(filter * x) sigmoid(gate * x), the two halves of one convolution (equation 2)."""

    def __init__(self, *, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.convolution = CausalConvolution(
            width=width, kernel=kernel, dilation=dilation, outputs=2
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, vectors: Float[Tensor, "user event width"], tape: Tape
    ) -> Float[Tensor, "user event width"]:
        """What is found at each event; ``tape`` tells what came before these vectors."""
        content, gate = tape.through(self.convolution, vectors).chunk(2, dim=-1)
        return self.dropout(content.tanh() * gate.sigmoid())


def _small(width: int) -> nn.Linear:
    """A way on that begins as little more than none, so that deep networks start shallow."""
    on = nn.Linear(width, width)
    on.weight.data.mul_(SMALL)
    nn.init.zeros_(on.bias)
    return on
