"""Reading without a candidate: the user becomes one vector, a score one dot product."""

from jaxtyping import Float
from torch import Tensor, nn

from recsys.memory.contract import Slots
from recsys.output.contract import Effect, Output, Reading, View
from recsys.output.hop import Hop, take


class ContextRead(Output):
    """``hops`` reads from the user's present; with 0 the context itself is the user's vector."""

    slot_width = 0
    explains = False

    def __init__(self, *, width: int, slots: int, heads: int, hops: int, dropout: float) -> None:
        super().__init__()
        self.hops = nn.ModuleList(
            Hop(width=width, slots=slots, heads=heads, dropout=dropout) for _ in range(hops)
        )
        self.norm = nn.LayerNorm(width)

    def look(self, slots: Slots, context: Float[Tensor, "row position width"]) -> View:
        context, hops = take(self.hops, slots, context)
        silent = slots.bias[:, None, :, :0]
        return View(slots=slots, user=self.norm(context), logit=silent, hops=hops)

    def every(
        self,
        view: View,
        queries: Float[Tensor, "candidate width"],
        answers: Float[Tensor, "candidate slot_width"],
    ) -> Reading:
        return Reading(user=view.user, memory=view.user.new_zeros(1, 1, 1))

    def each(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Float[Tensor, "row candidate"]:
        return view.user.new_zeros(queries.shape[:2])

    def effect(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Effect:
        message = "one vector a user does not tell what each slot did"
        raise NotImplementedError(message)
