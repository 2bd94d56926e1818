"""What every task of the literature holds to: stories to remember, questions, and their answers.

Tasks are to memories what data sets are to recommenders, but their right answers are known and each
proves one mechanism: who lacks it fails for a reason.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor, nn

from recsys.data.batches import Events


class Episodes(NamedTuple):
    """A batch of stories; a story stands where a user stands in a recommender.

    A story that is told once may be asked often: then it has several rows, one after the other, and
    every story of the batch has as many.
    """

    events: Events
    question: Events  # one event a row; absent where the answers follow the events themselves
    target: Int[Tensor, "row position part"]  # the right option, from 0; -1 where nothing is asked
    support: Int[Tensor, "row hop"]  # place of the event that each hop should read; -1 for unknown

    @property
    def questions(self) -> int:
        """Of each story."""
        return self.question.item.shape[0] // self.events.item.shape[0]


class Task(ABC):
    """A generator of episodes.

    Attributes:
        items: Highest index of an item.
        behaviours: Highest index of a behaviour; 0 where there is none.
        options: Answers to choose from, for each part.
        parts: How many answers are due at once, such as the bits of a pattern.
        asks: Whether a question follows the story; else there is an answer after every event.
    """

    items: int
    behaviours: int
    options: int
    parts: int
    asks: bool

    @abstractmethod
    def table(self, width: int) -> nn.Module:
        """How an item becomes a vector: ``recsys.input.table`` has three ways."""

    @abstractmethod
    def draw(self, episodes: int, generator: torch.Generator) -> Episodes:
        """Episodes to train on."""

    @abstractmethod
    def rehearsals(self, generator: torch.Generator) -> dict[str, Episodes]:
        """What may stop a training and choose its best step: like the exams, but none of them."""

    @abstractmethod
    def exams(self, generator: torch.Generator) -> dict[str, Episodes]:
        """What is reported, by name."""


def unasked(events: Events) -> Events:
    """The question of a task without questions."""
    blank = torch.zeros_like(events.item[:, :1])
    return Events(blank, blank, blank, present=blank > 0)
