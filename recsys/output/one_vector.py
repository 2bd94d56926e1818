"""Reading without a candidate: all that slots say is in the user's vector, a score its dot product.

Outputs that read so take these three as their own, and only look for themselves.
"""

from jaxtyping import Float
from torch import Tensor

from recsys.output.contract import Effect, Output, Reading, View


def every(
    output: Output,
    view: View,
    queries: Float[Tensor, "candidate width"],
    answers: Float[Tensor, "candidate slot_width"],
) -> Reading:
    """The user's vector; the slots add nothing for any candidate."""
    return Reading(user=view.user, memory=view.user.new_zeros(1, 1, 1))


def each(
    output: Output,
    view: View,
    queries: Float[Tensor, "row candidate width"],
    answers: Float[Tensor, "row candidate slot_width"],
) -> Float[Tensor, "row candidate"]:
    """Nothing for any candidate."""
    return view.user.new_zeros(queries.shape[:2])


def effect(
    output: Output,
    view: View,
    queries: Float[Tensor, "row candidate width"],
    answers: Float[Tensor, "row candidate slot_width"],
) -> Effect:
    """Not known.

    Raises:
        NotImplementedError: Always.
    """
    message = "one vector a user does not tell what each slot did"
    raise NotImplementedError(message)
