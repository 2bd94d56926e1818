"""R: a candidate's score from the user's vector, what the memory says, and its own bias."""

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from recsys.output.contract import Reading


class Answers(NamedTuple):
    """What candidates are compared with."""

    user: Float[Tensor, "*shape width"]
    slot: Float[Tensor, "*shape slot_width"]
    bias: Float[Tensor, "*shape"]


class Dot(nn.Module):
    """score = <user, answer> + memory + bias, with answers from a table of R's own."""

    def __init__(self, *, items: int, width: int, slot_width: int, dropout: float) -> None:
        super().__init__()
        self.widths = (width, slot_width)
        self.answer = nn.Embedding(items + 1, width + slot_width)
        self.bias = nn.Embedding(items + 1, 1)
        nn.init.normal_(self.answer.weight, std=0.1)
        nn.init.zeros_(self.bias.weight)
        self.dropout = nn.Dropout(dropout)

    def answers(self, candidate: Int[Tensor, "*shape"]) -> Answers:
        """The answers of these items."""
        user, slot = self.dropout(self.answer(candidate)).split(self.widths, dim=-1)
        return Answers(user=user, slot=slot, bias=self.bias(candidate)[..., 0])

    def every(self, reading: Reading, answers: Answers) -> Float[Tensor, "row position candidate"]:
        """Scores of the same candidates at every position."""
        return reading.user @ answers.user.T + reading.memory + answers.bias

    def each(
        self,
        user: Float[Tensor, "row position width"],
        memory: Float[Tensor, "row candidate"],
        answers: Answers,
    ) -> Float[Tensor, "row candidate"]:
        """Scores of each row's own candidates, one a position or many at the only one."""
        return (user * answers.user).sum(-1) + memory + answers.bias
