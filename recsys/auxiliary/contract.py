"""What every auxiliary loss holds to: it sees a training step and adds to its cost."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.model import MemoryRecommender
from recsys.output.contract import View


class Seen(NamedTuple):
    """A training step after its forward pass."""

    model: MemoryRecommender
    events: Events
    view: View  # of every position: rows times positions run user by user
    target: Int[Tensor, "user event"]  # what came next; 0 where nothing is asked
    decoy: Bool[Tensor, "user event"]  # events mixed in from other users
    support: Int[Tensor, "row position hop"] | None = None  # slot each hop should read; -1 unknown


class Auxiliary(nn.Module, ABC):
    """A cost beside the objective's."""

    @abstractmethod
    def forward(self, seen: Seen) -> Float[Tensor, ""]:
        """The cost of this step, its weight included; 0 where the step says nothing of it."""
