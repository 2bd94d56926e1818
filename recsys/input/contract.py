"""What every input module holds to: I makes vectors of events and queries of candidates."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor, nn

from recsys.data.batches import Events


class Input(nn.Module, ABC):
    """Padding gives the zero vector, as an event and as a candidate."""

    @abstractmethod
    def forward(self, events: Events) -> Float[Tensor, "user event width"]:
        """What happened, as a vector."""

    @abstractmethod
    def query(self, candidate: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape width"]:
        """What a candidate asks the memory with."""

    @property
    @abstractmethod
    def known(self) -> nn.Module:
        """The table by which items are known, ``[*shape] -> [*shape, width]``."""

    @abstractmethod
    def codes(self, candidate: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"] | None:
        """A number for each query there is, where many candidates ask with the same; else None."""
