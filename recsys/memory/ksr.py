"""Knowledge-enhanced key-value memory (KSR, Huang et al. 2018): attribute -> what a user likes.

Beside a recurrent unit that follows the sequence, a slot for each attribute accumulates what is
known of the items a user takes. All is read before a candidate asks: a score is a dot product.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.gru import Gru, GruState
from recsys.memory.rewritten import rewritten
from recsys.memory.steps import after_all, after_each


class KsrState(NamedTuple):
    """4 bytes times ``width`` times ``attributes`` + 1 a user, however long the history."""

    hidden: Float[Tensor, "user width"]  # h: what the recurrent unit has seen
    liked: Float[Tensor, "user attribute width"]  # v: what each attribute has accumulated


class Ksr(Memory[KsrState]):
    """``attributes`` slots with keys that all users share; every event is written to each of them.

    What is known of an item comes from a table of the memory's own: its features, where the data
    have them. A slot's gate tells how much of it the slot takes:

        told_a = tanh(W known + b) + key_a    gate_a = sigmoid(<liked_a, told_a>)
        liked_a <- (1 - gate_a) liked_a + gate_a told_a

    The context is the paper's own read, tanh(W [h; sum_a softmax_a(<key_a, tanh(W h)>) liked_a]).
    """

    remembers = False
    grows = ()

    def __init__(self, *, table: Table, width: int, attributes: int, remember: float) -> None:
        super().__init__()
        self.known = table(width)
        self.tell = nn.Linear(width, width)
        self.key = nn.Parameter(torch.randn(attributes, width) / width**0.5)
        self.sequence = Gru(table=table, width=width, remember=remember, longest_lag=1)
        self.ask = nn.Linear(width, width, bias=False)
        self.user = nn.Linear(2 * width, width, bias=False)

    def initial_state(self, users: int) -> KsrState:
        liked = torch.zeros_like(self.key).expand(users, -1, -1)
        return KsrState(hidden=self.sequence.initial_state(users).hidden, liked=liked)

    def write(self, state: KsrState, events: Events, encode: Encode) -> KsrState:
        sequence = self.sequence.write(GruState(state.hidden), events, encode)
        after = after_all(self._step, state, self._told(events), present=events.present)
        return after._replace(hidden=sequence.hidden)

    def look(self, state: KsrState, encode: Encode) -> Look:
        weights = (self.ask(state.hidden).tanh() @ self.key.T).softmax(dim=1)
        liked = (weights[:, None] @ state.liked)[:, 0]
        present = self.user(torch.cat([state.hidden, liked], dim=1)).tanh()
        slots = rewritten(self.key.expand_as(state.liked), state.liked)
        return Look(slots=slots, context=present[:, None])

    def along(self, state: KsrState, events: Events, encode: Encode) -> Look:
        sequence = self.sequence.along(GruState(state.hidden), events, encode)
        after = after_each(self._step, state, self._told(events), present=events.present)
        return self.look(after._replace(hidden=sequence.context[:, 0]), encode)

    def _told(self, events: Events) -> Float[Tensor, "user event width"]:
        """What is known of each event's item, in the space of the slots."""
        return self.tell(self.known(events.item)).tanh()

    def _step(self, state: KsrState, told: Float[Tensor, "user width"]) -> KsrState:
        update = told[:, None] + self.key
        gate = (state.liked * update).sum(-1, keepdim=True).sigmoid()
        return state._replace(liked=(1 - gate) * state.liked + gate * update)
