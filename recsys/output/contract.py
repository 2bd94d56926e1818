"""What every output module holds to: O reads the slots with queries and changes nothing."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from recsys.memory.contract import Slots


class View(NamedTuple):
    """Slots looked at from the user's present, before any candidate has asked."""

    slots: Slots
    user: Float[Tensor, "row position width"]  # the context after the hops
    logit: Float[Tensor, "row head position slot"]  # how loudly each slot speaks to any candidate
    hops: Float[Tensor, "row hop position slot"]  # read weights of the context hops, mean of heads

    def at(self, positions: slice) -> "View":
        """The view from these positions of every row."""
        slots = self.slots._replace(
            bias=self.slots.bias[:, positions],
            filled=self.slots.filled[:, positions],
            age=self.slots.age[:, positions],
            gap_seconds=self.slots.gap_seconds[:, positions],
        )
        user, logit = self.user[:, positions], self.logit[:, :, positions]
        return View(slots, user, logit, hops=self.hops[:, :, positions])


class Reading(NamedTuple):
    """What R scores with: the user's vector, and what the memory itself says of each candidate."""

    user: Float[Tensor, "row position width"]
    memory: Float[Tensor, "row position candidate"]


class Effect(NamedTuple):
    """How much each slot counted for each candidate."""

    weights: Float[Tensor, "row candidate slot"]  # mean over heads; one with the null slot's
    effect: Float[Tensor, "row candidate slot"]  # score minus the score without this slot


class Output(nn.Module, ABC):
    """A way to read.

    ``slot_width`` is the width of the answers it compares slot values with; ``explains`` says
    whether it can tell what each slot did to a score.
    """

    slot_width: int
    explains: bool

    @abstractmethod
    def look(self, slots: Slots, context: Float[Tensor, "row position width"]) -> View:
        """Context hops: what can be read without knowing the candidate."""

    @abstractmethod
    def every(
        self,
        view: View,
        queries: Float[Tensor, "candidate width"],
        answers: Float[Tensor, "candidate slot_width"],
    ) -> Reading:
        """Every candidate read at every position; no tensor of position x candidate x slot."""

    @abstractmethod
    def each(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Float[Tensor, "row candidate"]:
        """Candidates of each row's own: one a position, or any number at the only position."""

    @abstractmethod
    def effect(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Effect:
        """What each slot did to the scores of ``each``; only where ``explains``."""
