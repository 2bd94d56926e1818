"""Hierarchical periodic memory network (Ren et al. 2019): each layer is a slot with its own clock.

Layer j is a recurrent unit that is given what the layer below holds, but only at every period-th
event: the first layer follows the newest events, the last one keeps the oldest.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Table
from recsys.memory.gru_kernel import run_gru, start_gru
from recsys.memory.rewritten import front, rewritten


class HpmnState(NamedTuple):
    """4 bytes times ``width`` a layer, and 8 bytes for the count."""

    hidden: Float[Tensor, "user layer width"]
    events: Int[Tensor, " user"]  # written so far


class Hpmn(Memory[HpmnState]):
    """Layer j = 1, 2, ... changes at every event whose number is a multiple of period^(j-1).

    There are as many layers as change at least twice in ``span`` events: what changes once never
    uses what it held. ``remember`` starts the update gates closed, as in the GRU.
    """

    remembers = False
    grows = ()

    def __init__(
        self, *, table: Table, width: int, period: int, span: int, remember: float
    ) -> None:
        super().__init__()
        assert period > 1, "each layer must be slower than the one below"
        self.width = width
        self.periods = [1]
        while 2 * self.periods[-1] * period <= span:
            self.periods.append(self.periods[-1] * period)
        layers = [nn.GRU(width, width, batch_first=True) for _ in self.periods]
        for layer in layers:
            start_gru(layer, remember=remember, longest_lag=1)
        self.layers = nn.ModuleList(layers)

    def initial_state(self, users: int) -> HpmnState:
        like = next(self.parameters())
        return HpmnState(
            hidden=like.new_zeros(users, len(self.periods), self.width),
            events=like.new_zeros(users, dtype=torch.long),
        )

    def write(self, state: HpmnState, events: Events, encode: Encode) -> HpmnState:
        return HpmnState(
            hidden=self._after_each(state, events, encode)[:, -1],
            events=state.events + events.present.sum(1),
        )

    def look(self, state: HpmnState, encode: Encode) -> Look:
        """The present is all layers together: the newest event and the longest past."""
        slots = rewritten(state.hidden, state.hidden)
        return Look(slots=slots, context=state.hidden.sum(1, keepdim=True))

    def along(self, state: HpmnState, events: Events, encode: Encode) -> Look:
        hidden = self._after_each(state, events, encode).flatten(0, 1)
        return Look(slots=rewritten(hidden, hidden), context=hidden.sum(1, keepdim=True))

    def _after_each(
        self, state: HpmnState, events: Events, encode: Encode
    ) -> Float[Tensor, "user event layer width"]:
        """The layers after every event; after one that is not present, as they were before it."""
        below, rank = front(encode(events), events.present)
        levels = []
        for layer, period, hidden in zip(
            self.layers, self.periods, state.hidden.unbind(1), strict=True
        ):
            below = _level(layer, below, hidden, waited=state.events % period, period=period)
            levels.append(below)
        hidden = torch.cat([state.hidden[:, None], torch.stack(levels, dim=2)], dim=1)
        return hidden.gather(1, rank[..., None, None].expand(-1, -1, *hidden.shape[2:]))


def _level(
    layer: nn.Module,
    below: Float[Tensor, "user event width"],
    hidden: Float[Tensor, "user width"],
    *,
    waited: Int[Tensor, " user"],
    period: int,
) -> Float[Tensor, "user event width"]:
    """A layer after every event, run over its own updates only.

    Args:
        layer: Its recurrent unit.
        below: What the layer below holds after every event.
        hidden: What this layer held before the first one.
        waited: Events since its last update.
        period: Events from one update to the next.
    """
    assert isinstance(layer, nn.GRU)
    events, width = below.shape[1], below.shape[2]
    step = torch.arange(1, events + 1, device=below.device)
    turn = torch.arange(1, (events + period - 1) // period + 1, device=below.device) * period
    due = (turn - waited[:, None] - 1).clamp(max=events - 1)  # too late ones are never looked up
    given = below.gather(1, due[..., None].expand(-1, -1, width))
    after = torch.cat([hidden[:, None], run_gru(layer, given, hidden)], dim=1)
    updates = (step + waited[:, None]) // period
    return after.gather(1, updates[..., None].expand(-1, -1, width))
