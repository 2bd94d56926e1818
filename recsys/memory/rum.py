"""User memory by features (RUM, Chen et al. 2018, section 3.3): what a user thinks of each feature.

The keys are features that all users share; each user has a value for each of them, which every
event erases and adds to in so far as it shows the feature.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.rewritten import rewritten
from recsys.memory.steps import after_all, after_each

STRONGEST = 20.0


class RumState(NamedTuple):
    """4 bytes times ``width`` a feature, and as much for the newest event."""

    values: Float[Tensor, "user slot width"]
    newest: Float[Tensor, "user width"]


class Rum(Memory[RumState]):
    """Feature-level RUM: erase and add (equations 9 to 12) at addresses that keys give.

    The address is a softmax of cosines times a learned strength between 0 and 20 that starts at
    ``strength``. The user's present is the newest event plus ``merge`` times what it reads
    (equation 5); the paper has a free vector for each user instead of the event. Events are
    normalised.
    """

    remembers = False
    grows = ()

    def __init__(
        self, *, table: Table, width: int, features: int, strength: float, merge: float
    ) -> None:
        super().__init__()
        self.keys = nn.Parameter(torch.randn(features, width) / width**0.5)
        self.strength = nn.Parameter(torch.tensor(strength / STRONGEST).logit())
        self.heard = nn.LayerNorm(width, bias=False)
        self.erase = nn.Linear(width, width)
        self.add = nn.Linear(width, width)
        self.merge = merge

    def initial_state(self, users: int) -> RumState:
        features, width = self.keys.shape
        return RumState(
            values=self.keys.new_zeros(users, features, width),
            newest=self.keys.new_zeros(users, width),
        )

    def write(self, state: RumState, events: Events, encode: Encode) -> RumState:
        return after_all(self._step, state, *self._heard(events, encode), present=events.present)

    def look(self, state: RumState, encode: Encode) -> Look:
        read = (self._address(state.newest)[..., None] * state.values).sum(1)
        present = state.newest + self.merge * read
        slots = rewritten(self.keys.expand_as(state.values), state.values)
        return Look(slots=slots, context=present[:, None])

    def along(self, state: RumState, events: Events, encode: Encode) -> Look:
        heard = self._heard(events, encode)
        return self.look(after_each(self._step, state, *heard, present=events.present), encode)

    def _heard(self, events: Events, encode: Encode) -> tuple[Tensor, ...]:
        """What the events do to the memory, for all of them at once."""
        vectors = self.heard(encode(events))
        erase, add = self.erase(vectors).sigmoid(), self.add(vectors).tanh()
        return vectors, self._address(vectors), erase, add

    def _address(self, vectors: Float[Tensor, "*shape width"]) -> Float[Tensor, "*shape slot"]:
        """How much each feature is shown; the weights sum to one."""
        alike = functional.normalize(vectors, dim=-1) @ functional.normalize(self.keys, dim=-1).T
        return functional.softmax(STRONGEST * self.strength.sigmoid() * alike, dim=-1)

    @staticmethod
    def _step(
        state: RumState,
        vector: Float[Tensor, "user width"],
        weights: Float[Tensor, "user slot"],
        erase: Float[Tensor, "user width"],
        add: Float[Tensor, "user width"],
    ) -> RumState:
        share = weights[..., None]
        values = state.values * (1 - share * erase[:, None]) + share * add[:, None]
        return RumState(values=values, newest=vector)
