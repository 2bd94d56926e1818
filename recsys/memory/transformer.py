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
from recsys.memory.contract import Encode, Look, Memory, Slots, Table
from recsys.memory.hstu_encoder import HstuEncoder
from recsys.memory.log import GROWS, LogState, append, empty_log, events_of, grown, newest, seen
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
        last = torch.full_like(state.item[:, :1], state.item.shape[1] - 1)
        return self._shown(events_of(state), newest=last, encode=encode)

    def along(self, state: LogState, events: Events, encode: Encode) -> Look:
        """One pass where nothing is forgotten on the way; else a pass for every event's own log."""
        held = (state.item != 0).sum(dim=1).amax()
        if held + events.item.shape[1] <= self.capacity:
            log = append(state, events)
            last = newest(log.present)[:, state.item.shape[1] :]
            return self._shown(log, newest=last, encode=encode)
        return self.look(self._logs(state, events), encode)

    def _shown(self, log: Events, *, newest: Int[Tensor, "user position"], encode: Encode) -> Look:
        """The log as slots and context, from positions whose newest event stands there."""
        vectors = encode(log)
        states = self._states(log, vectors)
        there = seen(log, newest=newest, slots=self.capacity)
        slots = Slots(
            keys=vectors if self.value else states,
            values=self.dropout(self.value(log.item)) if self.value else states,
            bias=torch.zeros_like(there.age, dtype=states.dtype),
            filled=there.filled,
            age=there.age,
            gap_seconds=there.gap_seconds,
            item=log.item,
        )
        place = newest[..., None].expand(-1, -1, states.shape[2])
        return Look(slots=slots, context=states.gather(1, place))

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
