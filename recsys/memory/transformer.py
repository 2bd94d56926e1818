"""Transformer as content-addressable memory: slots are what self-attention makes of each event.

The state is the event log itself; the encoder reads it anew whenever it is looked at. So a state
never grows stale, forgetting is exact, and after more than ``slots`` events every state is what the
newest ``slots`` alone give: nothing of a forgotten event lives on in the layers.
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.hstu_encoder import HstuEncoder
from recsys.memory.log import (
    GROWS,
    LogState,
    Past,
    after_events,
    as_slots,
    at_newest,
    empty_log,
    grown,
    now,
)
from recsys.memory.sasrec_encoder import SasrecEncoder
from recsys.memory.steps import after_each


class Transformer(Memory[LogState]):
    """``blocks`` chooses the encoder, ``shows`` what can be read.

    ``states``: keys and values are the encoder's states; each holds the events before it too, so
    leaving one out does not tell what its event did. ``events``: keys are the events as I sees
    them and values come from a table of the memory's own, and only the context is encoded.
    """

    grows = GROWS

    def __init__(
        self,
        *,
        table: Table,
        width: int,
        slots: int,
        heads: int,
        layers: int,
        blocks: Literal["sasrec", "hstu"],
        shows: Literal["states", "events"],
        dropout: float,
    ) -> None:
        super().__init__()
        self.capacity, self.remembers = slots, shows == "events"
        encoder = HstuEncoder if blocks == "hstu" else SasrecEncoder
        self.encoder = encoder(
            width=width, slots=slots, heads=heads, layers=layers, dropout=dropout
        )
        self.norm = nn.LayerNorm(width)
        self.value = table(width) if self.remembers else None
        self.dropout = nn.Dropout(dropout)

    def initial_state(self, users: int) -> LogState:
        return empty_log(users, device=self.norm.weight.device)

    def write(self, state: LogState, events: Events, encode: Encode) -> LogState:
        return grown(state, events, slots=self.capacity)

    def look(self, state: LogState, encode: Encode) -> Look:
        return self._look(now(state), encode)

    def along(self, state: LogState, events: Events, encode: Encode) -> Look:
        """One pass where nothing is forgotten on the way; else a pass for every event's own log."""
        held = (state.item != 0).sum(dim=1).amax()
        if held + events.item.shape[1] <= self.capacity:
            return self._look(after_events(state, events), encode)
        return self.look(self._logs(state, events), encode)

    def _look(self, past: Past, encode: Encode) -> Look:
        vectors = encode(past.log)
        states = self._states(past.log, vectors)
        keys = vectors if self.value else states
        values = self.dropout(self.value(past.log.item)) if self.value else states
        slots = as_slots(past, keys=keys, values=values, slots=self.capacity)
        return Look(slots=slots, context=at_newest(states, past))

    def _states(
        self, log: Events, vectors: Float[Tensor, "user place width"]
    ) -> Float[Tensor, "user place width"]:
        """What the encoder makes of each event; zero where there is none."""
        return torch.where(log.present[..., None], self.norm(self.encoder(vectors, log)), 0.0)

    def _logs(self, state: LogState, events: Events) -> LogState:
        """The log after each event, a row for each."""
        front = (self.capacity - state.item.shape[1], 0)
        full = LogState(*(functional.pad(field, front) for field in state))
        return after_each(_appended, full, *events[:3], present=events.present)


def _appended(log: LogState, *event: Int[Tensor, " user"]) -> LogState:
    """The oldest slot makes room for the event."""
    pairs = zip(log, event, strict=True)
    return LogState(*(torch.cat([field[:, 1:], new[:, None]], dim=1) for field, new in pairs))
