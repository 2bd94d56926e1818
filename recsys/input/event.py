"""I: an event becomes a vector, a candidate item becomes a query; both from one item table."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.input.contract import Input
from recsys.memory.contract import Table


class EventInput(Input):
    """Item vector plus, where the data tell behaviours apart (view, cart, buy), the behaviour's.

    Padding gives the zero vector.
    """

    def __init__(self, *, table: Table, behaviours: int, width: int, dropout: float) -> None:
        super().__init__()
        self.item = table(width)
        self.behaviour = nn.Embedding(behaviours + 1, width, padding_idx=0) if behaviours else None
        if self.behaviour is not None:  # no louder than the items, or content addresses drown
            nn.init.normal_(self.behaviour.weight.data[1:], std=0.1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, events: Events) -> Float[Tensor, "user event width"]:
        """What happened, as a vector; zero where nothing did."""
        vector = self.item(events.item)
        if self.behaviour is not None:
            vector = vector + self.behaviour(events.behaviour)
        return self.dropout(vector)

    def query(self, candidate: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape width"]:
        """What a candidate asks the memory with."""
        return self.dropout(self.item(candidate))

    @property
    def known(self) -> nn.Module:
        return self.item

    def codes(self, candidate: Int[Tensor, "*shape"]) -> None:
        """None: every candidate asks for itself."""
        return
