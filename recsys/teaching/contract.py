"""What every way of teaching holds to: how a training step reads, and what its reads cost."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from recsys.memory.contract import Look
from recsys.output.contract import Output, View

Cost = Callable[[View], Tensor]  # what a view costs: Float[Tensor, "row position"]
Support = Int[Tensor, "row position hop"]


class Taught(NamedTuple):
    """A step's reads."""

    view: View
    cost: Float[Tensor, "row position"]  # to be minimised


class Teaching(ABC):
    """How O reads in training; what is evaluated and exported reads by itself."""

    @abstractmethod
    def __call__(
        self, output: Output, along: Look, *, support: Support | None, cost: Cost, step: int
    ) -> Taught:
        """One step.

        Args:
            output: Who reads.
            along: What can be read, and the first query.
            support: Slot that each hop should read, -1 for unknown; None where there are no labels.
            cost: What a view costs at each position.
            step: Number of the step, from 0.

        Raises:
            ConfigError: The output or the labels do not allow it.
        """
