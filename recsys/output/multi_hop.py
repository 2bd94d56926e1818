"""Reading hop after hop with tables of each hop's own, without a candidate.

Sukhbaatar et al. 2015: section 2.2 (hops and tying), 4.1 (temporal encoding, random noise) and 4.2
(linear start).
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from recsys.memory.contract import Slots
from recsys.output import one_vector
from recsys.output.contract import Output, View
from recsys.output.hop import LOWEST, silent_view

LONG = 50  # slots; in the linear phase the weights of a longer memory are scaled down


class MultiHop(Output):
    """``hops`` times: weigh the slots by the query, read them, add what was read to the query.

    Hop h finds slots in layer h of the memory and reads layer h + 1 (``adjacent``) or finds in the
    first and reads the second every time, with a learned map of the query (``layer_wise``). A
    memory without layers shows its keys and values to every hop. Each layer has a vector for every
    age, which is added to its slots.

    The softmax goes over all ``slots`` places of the memory: an empty one has logit 0 and value 0,
    so little is read of a short history unless it is to the point. During the first
    ``linear_steps`` looks in training the softmax is left out; what is looked at otherwise is read
    as training stands. ``blanks`` makes slots older than they are, in training: up to this share of
    empty slots stand among them.
    """

    slot_width = 0
    explains = False
    every = one_vector.every
    each = one_vector.each
    effect = one_vector.effect

    looks: Tensor

    def __init__(
        self,
        *,
        width: int,
        slots: int,
        hops: int,
        tying: Literal["adjacent", "layer_wise"],
        linear_steps: int,
        blanks: float,
    ) -> None:
        super().__init__()
        self.hops = hops
        self.linear_steps, self.blanks = linear_steps, blanks
        layers = hops + 1 if tying == "adjacent" else 2
        self.age = nn.Parameter(0.1 * torch.randn(layers, slots, width))
        self.again = None if tying == "adjacent" else nn.Linear(width, width, bias=False)
        self.register_buffer("looks", torch.zeros((), dtype=torch.long))

    def look(self, slots: Slots, context: Float[Tensor, "row position width"]) -> View:
        """The user's vector is the query after the last hop: o^H + u^H of the paper."""
        age = self._age(slots)
        weights = []
        for hop in range(self.hops):
            read, told = self._read(slots, context, age=age, hop=hop)
            context = (context if self.again is None else self.again(context)) + told
            weights.append(read)
        if self.training:
            self.looks += 1
        return silent_view(slots, context, weights=weights)

    def _read(
        self,
        slots: Slots,
        query: Float[Tensor, "row position width"],
        *,
        age: Int[Tensor, "row position slot"],
        hop: int,
    ) -> tuple[Float[Tensor, "row position slot"], Float[Tensor, "row position width"]]:
        """Weights of one hop and what it read.

        Ages are added to products, not to slots: no array is position x slot x width.
        """
        first = 0 if self.again is not None else hop
        keys, values = slots.keys, slots.values
        if slots.layers is not None:
            keys, values = slots.layers[:, first], slots.layers[:, first + 1]
        old, young = self.age[first], self.age[first + 1]
        logit = query @ keys.transpose(1, 2) + (query @ old.T).gather(2, age)
        weights = self._weights(logit, slots)
        by_age = torch.zeros_like(query @ young.T).scatter_add(2, age, weights)
        return weights, weights @ values + by_age @ young

    def _weights(
        self, logit: Float[Tensor, "row position slot"], slots: Slots
    ) -> Float[Tensor, "row position slot"]:
        count = slots.bias.exp() * slots.filled
        events = count.sum(-1, keepdim=True)
        empty = (self.age.shape[1] - events).clamp(min=0).log().clamp(min=LOWEST)
        masked = torch.where(slots.filled, logit + slots.bias, LOWEST)
        soft = torch.cat([masked, empty], dim=-1).softmax(-1)[..., :-1]
        if not self.linear_steps:
            return soft
        linear = logit * count / (events / LONG).clamp(min=1).sqrt()
        return torch.where(self.looks < self.linear_steps, linear, soft)

    def _age(self, slots: Slots) -> Int[Tensor, "row position slot"]:
        """Events since each slot's own, and in training the blanks that stand between them."""
        oldest = self.age.shape[1] - 1
        age = slots.age.clamp(max=oldest)
        if not (self.training and self.blanks):
            return age
        rows, positions, _ = age.shape
        share = self.blanks * torch.rand(rows, 1, 1, device=age.device)
        blank = torch.rand(rows, 1, oldest + 1, device=age.device) < share
        older = blank.cumsum(2).expand(-1, positions, -1).gather(2, age)
        return (age + older).clamp(max=oldest)
