"""Reading without a candidate: the user becomes one vector, a score one dot product."""

from jaxtyping import Float
from torch import Tensor, nn

from recsys.memory.contract import Slots
from recsys.output import one_vector
from recsys.output.contract import Output, View
from recsys.output.hop import hops_of, silent_view, take


class ContextRead(Output):
    """``hops`` reads from the user's present; with 0 the context itself is the user's vector."""

    slot_width = 0
    explains = False
    every = one_vector.every
    each = one_vector.each
    effect = one_vector.effect

    def __init__(self, *, width: int, slots: int, heads: int, hops: int, dropout: float) -> None:
        super().__init__()
        self.hops = hops_of(hops, width=width, slots=slots, heads=heads, dropout=dropout)
        self.norm = nn.LayerNorm(width)

    def look(self, slots: Slots, context: Float[Tensor, "row position width"]) -> View:
        context, hops = take(self.hops, slots, context)
        return silent_view(slots, self.norm(context))._replace(hops=hops)
