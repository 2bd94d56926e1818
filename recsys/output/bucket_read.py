"""Reading by buckets (SDIM, Cao et al. 2022): from each hash table the candidate's own bucket.

    memory = mean over tables of <bucket / |bucket|, answer>          normalise: length
    memory = sum over tables of <bucket, answer> / events in them     normalise: count

The first is the paper's; the second estimates a softmax-like mean with weights that fall with the
angle between candidate and event as (1 - angle / pi)^bits.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from recsys.memory.contract import Slots
from recsys.output.contract import Effect, Output, Reading, View
from recsys.output.hop import LOWEST, silent_view


class BucketRead(Output):
    """The slots, in the order of their age, are tables of 2^``bits`` buckets each.

    A candidate reads, of each table, the slot whose key its query has the largest inner product
    with: its own bucket where keys are directions of buckets (memory ``lsh``), of a log the best
    match among each 2^``bits`` neighbours. Slots that match equally share the read. The address has
    no parameter: it is fixed by what I sees, and only what was read can learn.

    A form that chooses needs candidate x slot at every position; positions take turns, so nothing
    holds all three. Where all rows match alike (``lsh``) that is done once for all.
    """

    explains = False

    def __init__(self, *, width: int, bits: int, normalise: Literal["length", "count"]) -> None:
        super().__init__()
        self.slot_width, self.buckets, self.normalise = width, 2**bits, normalise
        self.norm = nn.LayerNorm(width)
        self.gain = nn.Parameter(torch.tensor(2.0))

    def look(self, slots: Slots, context: Float[Tensor, "row position width"]) -> View:
        return silent_view(slots, self.norm(context))

    def every(
        self,
        view: View,
        queries: Float[Tensor, "candidate width"],
        answers: Float[Tensor, "candidate slot_width"],
    ) -> Reading:
        slots, match = view.slots, queries @ _once(view.slots.keys).transpose(1, 2)
        places = [slice(p, p + 1) for p in range(slots.filled.shape[1])]
        if match.shape[0] == _once(slots.filled).shape[0] == _once(slots.age).shape[0] == 1:
            memory = [self._read_alike(slots, match, answers, place) for place in places]
        else:
            told = answers @ self._values(slots).transpose(1, 2)
            memory = [self._read(slots, match, told, place) for place in places]
        return Reading(user=view.user, memory=torch.stack(memory, dim=1))

    def each(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Float[Tensor, "row candidate"]:
        match = queries @ _once(view.slots.keys).transpose(1, 2)
        told = answers @ self._values(view.slots).transpose(1, 2)
        return self._read(view.slots, match, told, slice(None))

    def effect(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Effect:
        message = "a bucket of many events does not tell what each of them did"
        raise NotImplementedError(message)

    def _values(self, slots: Slots) -> Float[Tensor, "row slot width"]:
        length = self.normalise == "length"
        return functional.normalize(slots.values, dim=-1) if length else slots.values

    def _read_alike(
        self,
        slots: Slots,
        match: Float[Tensor, "1 candidate slot"],
        answers: Float[Tensor, "candidate slot_width"],
        position: slice,
    ) -> Float[Tensor, "row candidate"]:
        """:meth:`_read` where all rows match alike: nothing is of row x candidate x slot."""
        own, loud = self._own(slots, match, position)[0], self._loud(slots, position)[:, 0]
        asked = (own[..., None] * answers[:, None]).flatten(1)
        told = (loud[..., None] * self._values(slots)).flatten(1)
        return self.gain * (told @ asked.T) / (loud @ own.T).clamp(min=1)

    def _read(
        self,
        slots: Slots,
        match: Float[Tensor, "#row candidate slot"],
        told: Float[Tensor, "row candidate slot"],
        positions: slice,
    ) -> Float[Tensor, "row candidate"]:
        """From one position, or from a position of each candidate's own."""
        weights = self._own(slots, match, positions) * self._loud(slots, positions)
        return self.gain * (weights * told).sum(-1) / weights.sum(-1).clamp(min=1)

    def _own(
        self, slots: Slots, match: Float[Tensor, "#row candidate slot"], positions: slice
    ) -> Float[Tensor, "#row candidate slot"]:
        filled = _once(slots.filled[:, positions])
        table = _once(slots.age[:, positions]) // self.buckets
        return _best_of_table(match.detach(), filled=filled, table=table, buckets=self.buckets)

    def _loud(self, slots: Slots, positions: slice) -> Float[Tensor, "row #position slot"]:
        """How often a slot counts: as often as it has events, or like any other."""
        bias = slots.bias[:, positions]
        return bias.exp() if self.normalise == "count" else torch.ones_like(bias[:1])


def _once(field: Tensor) -> Tensor:
    """One row, which broadcasts, where all rows are views of it; else the field as it is."""
    return field[:1] if field.stride(0) == 0 else field


def _best_of_table(
    match: Float[Tensor, "#row candidate slot"],
    *,
    filled: Bool[Tensor, "#row #candidate slot"],
    table: Int[Tensor, "#row #candidate slot"],
    buckets: int,
) -> Float[Tensor, "#row candidate slot"]:
    """One for the best match of each table, shared by equals; zero for every other slot."""
    match, filled, table = torch.broadcast_tensors(match, filled, table)
    tables = (match.shape[2] + buckets - 1) // buckets
    masked = torch.where(filled, match, LOWEST)
    nothing = match.new_full((*match.shape[:2], tables), LOWEST)
    best = nothing.scatter_reduce(2, table, masked, "amax").gather(2, table)
    chosen = (filled & (masked >= best)).to(match.dtype)
    equals = torch.zeros_like(nothing).scatter_add(2, table, chosen).gather(2, table)
    return chosen / equals.clamp(min=1)
