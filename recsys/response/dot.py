"""R: a candidate's score from the user's vector, what the memory says, and its own bias."""

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from recsys.errors import ConfigError
from recsys.output.contract import Reading


class Answers(NamedTuple):
    """What candidates are compared with."""

    user: Float[Tensor, "*shape width"]
    slot: Float[Tensor, "*shape slot_width"]
    bias: Float[Tensor, "*shape"]


class Dot(nn.Module):
    """score = <user, answer> + memory + bias.

    Answers come from a table of R's own. ``tied``, what the user's vector is compared with are the
    vectors by which I knows the items (Press and Wolf 2017; SASRec, Kang and McAuley 2018, section
    III.C): an event then teaches the answer, too, which tells where an item has few events.
    """

    def __init__(
        self,
        *,
        items: int,
        width: int,
        slot_width: int,
        dropout: float,
        tied: bool = False,
        known: nn.Module | None = None,
    ) -> None:
        """A response.

        Args:
            items: Of the catalogue; 0 is padding.
            width: Of the user's vector.
            slot_width: Of what slots are compared with; 0 where slots tell numbers alone.
            dropout: Of answers.
            tied: Whether ``known`` is taken in place of an own table.
            known: The table of I, ``[*shape] -> [*shape, width]``.

        Raises:
            ConfigError: It is tied to nothing.
        """
        super().__init__()
        if tied and known is None:
            message = (
                "response.tied needs candidates that I knows as events: set response.tied=false"
            )
            raise ConfigError(message)
        self.known = known if tied else None
        self.widths = (0 if tied else width, slot_width)
        self.answer = nn.Embedding(items + 1, sum(self.widths))
        self.bias = nn.Embedding(items + 1, 1)
        nn.init.normal_(self.answer.weight, std=0.1)
        nn.init.zeros_(self.bias.weight)
        self.dropout = nn.Dropout(dropout)

    def answers(self, candidate: Int[Tensor, "*shape"]) -> Answers:
        """The answers of these items."""
        user, slot = self.dropout(self.answer(candidate)).split(self.widths, dim=-1)
        if self.known is not None:
            user = self.dropout(self.known(candidate))
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
