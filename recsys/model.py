"""The picture in twenty lines: I sees events, G writes them, O reads with candidates, R scores."""

from typing import Generic

from jaxtyping import Float, Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.input.contract import Input
from recsys.memory.contract import Look, Memory, State
from recsys.output.contract import Effect, Output, View
from recsys.response.dot import Dot


class MemoryRecommender(nn.Module, Generic[State]):
    """A user's history is a memory of slots, and a candidate item is the query that reads it."""

    def __init__(
        self, *, input: Input, memory: Memory[State], output: Output, response: Dot
    ) -> None:
        super().__init__()
        self.input = input
        self.memory = memory
        self.output = output
        self.response = response

    @property
    def explains(self) -> bool:
        """Whether it can tell which past events a score came from."""
        return self.memory.remembers and self.output.explains

    def forward(
        self, events: Events, candidate: Int[Tensor, " candidate"]
    ) -> Float[Tensor, "user candidate"]:
        """Scores of these candidates for users with these histories."""
        state = self.write(self.memory.initial_state(events.item.shape[0]), events)
        return self.scores(self.look(state), candidate)[:, 0]

    def write(self, state: State, events: Events) -> State:
        """I and G: the memory after these events."""
        return self.memory.write(state, events, self.input)

    def look(self, state: State) -> View:
        """O before a candidate asks: the slots from one position, the present."""
        return self.output.look(*self.memory.look(state, self.input))

    def along(self, events: Events) -> View:
        """What ``look`` would show after each event: all training positions at once."""
        return self.output.look(*self.remembered(events))

    def remembered(self, events: Events) -> Look:
        """I and G at all training positions: what O can look at after each event."""
        start = self.memory.initial_state(events.item.shape[0])
        return self.memory.along(start, events, self.input)

    def scores(
        self, view: View, candidate: Int[Tensor, " candidate"]
    ) -> Float[Tensor, "row position candidate"]:
        """O and R: every candidate at every position."""
        queries, answers = self.input.query(candidate), self.response.answers(candidate)
        reading = self.output.every(view, queries, answers.slot)
        return self.response.every(reading, answers)

    def own_scores(
        self, view: View, candidate: Int[Tensor, "row candidate"]
    ) -> Float[Tensor, "row candidate"]:
        """O and R: one candidate of its own at every position, or many at the only one."""
        queries, answers = self.input.query(candidate), self.response.answers(candidate)
        memory = self.output.each(view, queries, answers.slot)
        return self.response.each(view.user, memory, answers)

    def effect(self, view: View, candidate: Int[Tensor, "row candidate"]) -> Effect:
        """What each slot did to the scores of these candidates; only where it ``explains``."""
        queries, answers = self.input.query(candidate), self.response.answers(candidate)
        return self.output.effect(view, queries, answers.slot)
