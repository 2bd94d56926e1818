"""Recurrent entity network (EntNet, Henaff et al. 2017): keyed slots that update themselves.

Every slot has a key that all users share and a content of the user's own. An event opens the gates
of the slots whose key or content it is like; those change, and being normalised forget by it.
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


class EntityState(NamedTuple):
    """4 bytes times ``width`` an entity, and as much for the newest event."""

    hidden: Float[Tensor, "user slot width"]  # each of length one
    newest: Float[Tensor, "user width"]


class EntityNetwork(Memory[EntityState]):
    """Equations 2 to 5, with PReLU; a slot begins as its key, and events are normalised.

    The user's present is the paper's output module (section 2.3) asked by the newest event: what
    is read by content, mapped, is added to the question.
    """

    remembers = False
    grows = ()

    def __init__(self, *, table: Table, width: int, entities: int) -> None:
        super().__init__()
        self.keys = nn.Parameter(torch.randn(entities, width) / width**0.5)
        self.heard = nn.LayerNorm(width, bias=False)
        self.content = nn.Linear(width, width, bias=False)  # U
        self.key = nn.Linear(width, width, bias=False)  # V
        self.event = nn.Linear(width, width, bias=False)  # W
        self.update = nn.PReLU()
        self.told = nn.Linear(width, width, bias=False)  # H

    def initial_state(self, users: int) -> EntityState:
        entities, width = self.keys.shape
        return EntityState(
            hidden=functional.normalize(self.keys, dim=-1).expand(users, entities, width),
            newest=self.keys.new_zeros(users, width),
        )

    def write(self, state: EntityState, events: Events, encode: Encode) -> EntityState:
        return after_all(self._step, state, *self._heard(events, encode), present=events.present)

    def look(self, state: EntityState, encode: Encode) -> Look:
        asked = (state.hidden @ state.newest[..., None])[..., 0]
        read = (functional.softmax(asked, dim=-1)[..., None] * state.hidden).sum(1)
        present = state.newest + self.told(read)
        return Look(slots=rewritten(state.hidden, state.hidden), context=present[:, None])

    def along(self, state: EntityState, events: Events, encode: Encode) -> Look:
        heard = self._heard(events, encode)
        return self.look(after_each(self._step, state, *heard, present=events.present), encode)

    def _heard(self, events: Events, encode: Encode) -> tuple[Tensor, ...]:
        """The events, how much each concerns each key, and what keys and events propose."""
        vectors = self.heard(encode(events))
        proposed = self.key(self.keys) + self.event(vectors)[:, :, None]
        return vectors, vectors @ self.keys.T, proposed

    def _step(
        self,
        state: EntityState,
        vector: Float[Tensor, "user width"],
        concerned: Float[Tensor, "user slot"],
        proposed: Float[Tensor, "user slot width"],
    ) -> EntityState:
        gate = ((state.hidden @ vector[..., None])[..., 0] + concerned).sigmoid()
        update = self.update(self.content(state.hidden) + proposed)
        hidden = functional.normalize(state.hidden + gate[..., None] * update, dim=-1)
        return EntityState(hidden=hidden, newest=vector)
