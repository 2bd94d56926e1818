"""What turns an event, and what was read before it, into keys and gates: one step of it.

A controller's state is one tensor, so that memories need not know which one they have.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Controller(nn.Module, ABC):
    """``width`` is that of what it says, ``state_width`` that of what it carries on."""

    width: int
    state_width: int

    @abstractmethod
    def forward(
        self, given: Float[Tensor, "user given"], state: Float[Tensor, "user carried"]
    ) -> Float[Tensor, "user carried"]:
        """The next state."""

    def said(self, state: Float[Tensor, "user carried"]) -> Float[Tensor, "user controller"]:
        """What it says, of its state; zero before the first event."""
        return state[:, : self.width]


class FeedForward(Controller):
    """No memory of its own: what lasts must be in the slots."""

    def __init__(self, *, given: int, width: int) -> None:
        super().__init__()
        self.width = self.state_width = width
        self.cell = nn.Linear(given, width)

    def forward(self, given: Tensor, state: Tensor) -> Tensor:
        return self.cell(given).tanh()


class GatedUnit(Controller):
    """A gated recurrent unit (Cho et al. 2014)."""

    def __init__(self, *, given: int, width: int) -> None:
        super().__init__()
        self.width = self.state_width = width
        self.cell = nn.GRUCell(given, width)

    def forward(self, given: Tensor, state: Tensor) -> Tensor:
        return self.cell(given, state)


class LongShortTerm(Controller):
    """Long short-term memory (Hochreiter and Schmidhuber 1997); the cell follows what it says."""

    def __init__(self, *, given: int, width: int) -> None:
        super().__init__()
        self.width, self.state_width = width, 2 * width
        self.cell = nn.LSTMCell(given, width)

    def forward(self, given: Tensor, state: Tensor) -> Tensor:
        hidden, cell = state.chunk(2, dim=1)
        return torch.cat(self.cell(given, (hidden, cell)), dim=1)


KINDS: dict[str, Callable[..., Controller]] = {
    "gru": GatedUnit,
    "lstm": LongShortTerm,
    "feed_forward": FeedForward,
}
Kind = Literal["gru", "lstm", "feed_forward"]


def controller_of(kind: Kind, *, given: int, width: int) -> Controller:
    """A controller of this kind."""
    return KINDS[kind](given=given, width=width)
