"""Hard reads: every hop picks one slot, the next hop knows it, R uses all (Weston et al. 2014).

    o_1 = argmax_l s_1(q, m_l)    o_2 = argmax_l s_2(q + m_o1, m_l)    user = W [q; m_o1; m_o2]

A pick has no gradient. Training tells the hops what to pick: labels (supervised reads, section 3.1
with its teacher forcing) or samples (REINFORCE, ``recsys.output.picks``). Where nothing is told it
reads softly, or picks and passes the gradient straight through.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from recsys.errors import ConfigError
from recsys.memory.contract import Slots
from recsys.output import one_vector
from recsys.output.contract import Output, View
from recsys.output.hop import SlotBias, silent_view, with_null

STRONGEST = 20.0
ROUNDING = 1e-5  # equal slots come out of a matrix product this far apart, as shares
Choose = Callable[[Tensor, int], Tensor]  # (weights, hop) -> how much of each slot it reads


class Drawn(NamedTuple):
    """A view of what was drawn; ``picks`` may be told again."""

    view: View
    picks: Int[Tensor, "row position hop"]  # the number of slots where the null slot was drawn


class HardRead(Output):
    """``hops`` picks from the user's present, and one vector from all that was picked.

    A slot's logit is a product of content, plus what its age and time gap count, plus, from the
    second hop on, what its age counts relative to the slot picked before: the time features of
    section 3.4. A null slot may win; then the hop reads nothing. Of equal slots the most recent
    wins. Hop h reads layer h of the memory, or its values where it has no layers.

    ``View.hops`` holds the weights from which slots are picked; they sum to one with the null
    slot's. In evaluation only the heaviest slot is read.
    """

    slot_width = 0
    explains = False
    every = one_vector.every
    each = one_vector.each
    effect = one_vector.effect

    def __init__(
        self,
        *,
        width: int,
        slots: int,
        hops: int,
        dropout: float,
        strength: float,
        untold: Literal["soft", "straight_through"],
    ) -> None:
        super().__init__()
        self.hops, self.untold = hops, untold
        self.ask = nn.ModuleList(nn.Linear(width, width) for _ in range(hops))
        self.key = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(hops))
        self.bias = SlotBias(slots=slots, heads=hops)
        self.order = nn.Parameter(torch.zeros(max(hops - 1, 0), 2 * slots - 1))
        self.strength = nn.Parameter(torch.full((hops,), strength / STRONGEST).logit())
        self.null = nn.Parameter(torch.zeros(hops))
        self.respond = nn.Linear((hops + 1) * width, width)
        self.scale = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def look(
        self,
        slots: Slots,
        context: Float[Tensor, "row position width"],
        *,
        told: Int[Tensor, "row position hop"] | None = None,
    ) -> View:
        """Picks hop after hop.

        Args:
            slots: What can be picked.
            context: The first query.
            told: Slot that each hop must pick, whatever its weight; -1 leaves the choice to it,
                and the number of slots is the null slot.
        """

        def choose(weight: Tensor, hop: int) -> Tensor:
            own = self._own(weight, age=slots.age)
            if told is None:
                return own
            must = told[..., hop]
            return torch.where((must >= 0)[..., None], _one_hot(must, like=weight), own)

        return self._through(slots, context, choose=choose)

    def draw(self, slots: Slots, context: Float[Tensor, "row position width"]) -> Drawn:
        """Picks drawn from the weights, each hop knowing those before."""
        picks = []

        def choose(weight: Tensor, hop: int) -> Tensor:
            chance = with_rest(weight.detach()).flatten(0, 1)
            picks.append(chance.multinomial(1).view(weight.shape[:2]))
            return _one_hot(picks[hop], like=weight)

        view = self._through(slots, context, choose=choose)
        return Drawn(view=view, picks=torch.stack(picks, dim=-1))

    def _memory(self, slots: Slots, *, hop: int) -> Float[Tensor, "row slot width"]:
        """The slots as supporting memories of this hop."""
        if slots.layers is None:
            return slots.values
        if slots.layers.shape[1] < self.hops:
            message = (
                f"output 'hard_read' takes {self.hops} hops but the memory has tables for "
                f"{slots.layers.shape[1]}: set memory.hops={self.hops}"
            )
            raise ConfigError(message)
        return slots.layers[:, hop]

    def _through(
        self, slots: Slots, context: Float[Tensor, "row position width"], *, choose: Choose
    ) -> View:
        """Hop after hop, each reading what is chosen for it."""
        bias = self.bias(slots)
        weights, known = [], [context]
        read = torch.zeros_like(slots.bias)
        for hop in range(self.hops):
            logit = self._alike(slots, sum(known[1:], context), hop=hop) + bias[:, hop]
            if hop:
                logit = logit + self.order[hop - 1][self._later(slots.age, before=read)]
            silence = self.null[hop : hop + 1]
            weight = with_null(logit[:, None], filled=slots.filled, null=silence)[:, 0]
            read = choose(weight, hop)
            known.append(self.dropout(read @ self._memory(slots, hop=hop)))
            weights.append(weight)
        user = self.scale(self.respond(torch.cat(known, dim=-1)))
        return silent_view(slots, user, weights=weights)

    def _alike(
        self, slots: Slots, query: Float[Tensor, "row position width"], *, hop: int
    ) -> Float[Tensor, "row position slot"]:
        """What the query and each slot have in common, for this hop."""
        ours = functional.normalize(self.ask[hop](query), dim=-1)
        its = functional.normalize(self.key[hop](slots.keys), dim=-1)
        return STRONGEST * self.strength[hop].sigmoid() * ours @ its.transpose(1, 2)

    def _later(
        self, age: Int[Tensor, "row position slot"], *, before: Float[Tensor, "row position slot"]
    ) -> Int[Tensor, "row position slot"]:
        """Place in ``order``: how much older than the slot picked before, from the middle."""
        middle = self.order.shape[1] // 2
        since = age.gather(2, heaviest(before, age=age)[..., None])
        return (age - since).clamp(-middle, middle) + middle

    def _own(
        self, weights: Float[Tensor, "row position slot"], *, age: Int[Tensor, "row position slot"]
    ) -> Float[Tensor, "row position slot"]:
        """What a hop reads of each slot when nobody tells it."""
        if self.training and self.untold == "soft":
            return weights
        wins = weights.amax(-1) > 1 - weights.sum(-1)
        hard = _one_hot(heaviest(weights, age=age), like=weights) * wins[..., None]
        return hard + (weights - weights.detach())


def heaviest(
    weights: Float[Tensor, "row position slot"], *, age: Int[Tensor, "row position slot"]
) -> Int[Tensor, "row position"]:
    """The slot of the greatest weight; of those that rounding alone tells apart the most recent."""
    best = weights >= (1 - ROUNDING) * weights.amax(-1, keepdim=True)
    return torch.where(best, age, 1 << 31).argmin(-1)


def with_rest(
    weights: Float[Tensor, "*shape slot"],
) -> Float[Tensor, "*shape place"]:
    """Weights with the null slot's behind them, so that they sum to one."""
    return torch.cat([weights, (1 - weights.sum(-1, keepdim=True)).clamp(min=0)], dim=-1)


def _one_hot(place: Int[Tensor, "row position"], *, like: Tensor) -> Tensor:
    """One at this slot; nowhere for the null slot."""
    return (place[..., None] == torch.arange(like.shape[-1], device=like.device)).to(like.dtype)
