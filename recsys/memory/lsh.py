"""Hashed memory for very long histories (SDIM, Cao et al. 2022): events summed up in hash buckets.

Random hyperplanes cut the space of items into 2^bits buckets, once for each of ``tables`` tables.
Two items share the bucket of a table with probability (1 - angle / pi)^bits, so a candidate that
reads its own bucket of each table reads what attention with these weights would read.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Slots, Table
from recsys.memory.log import newest

NOBODY = -1e4  # log of a count of none: too faint for any read, and zero events once it is undone


class LshState(NamedTuple):
    """4 bytes times ``width`` + 1 for each of ``tables`` x 2^``bits`` buckets, plus ``width``."""

    total: Float[Tensor, "user bucket width"]  # sum of the events in each bucket
    events: Float[Tensor, "user bucket"]  # how many they are
    newest: Float[Tensor, "user width"]  # the newest event


class Lsh(Memory[LshState]):
    """A slot is a bucket: table by table, ``age`` is its number, ``bias`` the log of its count.

    An event is hashed by its item as I sees it when nothing was done with it, which is what a
    candidate asks with. A slot's key is the direction that hashes to its bucket: of a table's keys,
    a vector's inner product is largest with that of its own bucket. Its value is a map of the mean
    of its events; slots of empty buckets say zero and are never loud.

    Writing is one sum, of any number of events at once. The hyperplanes are drawn from ``seed`` and
    never learn, but what they cut does: sums made before a training must be made anew.
    """

    remembers = False
    grows = ()
    planes: Tensor

    def __init__(self, *, table: Table, width: int, tables: int, bits: int, seed: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.register_buffer("planes", torch.randn(tables, bits, width, generator=draw))
        self.value = nn.Linear(width, width, bias=False)

    def initial_state(self, users: int) -> LshState:
        tables, bits, width = self.planes.shape
        buckets = tables * 2**bits
        return LshState(
            total=self.planes.new_zeros(users, buckets, width),
            events=self.planes.new_zeros(users, buckets),
            newest=self.planes.new_zeros(users, width),
        )

    def write(self, state: LshState, events: Events, encode: Encode) -> LshState:
        vectors, bucket = encode(events), self._bucket(events, encode)
        there = events.present.to(vectors.dtype)[..., None].expand_as(bucket)
        tables, width = bucket.shape[2], vectors.shape[2]
        part = (vectors * there[..., :1])[:, :, None].expand(-1, -1, tables, -1).flatten(1, 2)
        place = bucket.flatten(1)
        known = torch.cat([state.newest[:, None], vectors], dim=1)
        latest = (torch.arange(1, known.shape[1], device=place.device) * events.present).amax(1)
        return LshState(
            total=state.total.scatter_add(1, place[..., None].expand(-1, -1, width), part),
            events=state.events.scatter_add(1, place, there.flatten(1)),
            newest=known.gather(1, latest[:, None, None].expand(-1, 1, width))[:, 0],
        )

    def look(self, state: LshState, encode: Encode) -> Look:
        count = state.events[:, None]
        faint = torch.where(count > 0, count.clamp(min=1).log(), NOBODY)
        number = torch.arange(count.shape[2], device=count.device).expand(count.shape[0], 1, -1)
        slots = Slots(
            keys=self._directions().expand_as(state.total),
            values=self.value(state.total / state.events.clamp(min=1)[..., None]),
            bias=faint,
            filled=torch.ones_like(number[:1], dtype=torch.bool).expand_as(number),
            age=number,
            gap_seconds=torch.zeros_like(number),
            item=torch.zeros_like(number[:, 0]),
        )
        return Look(slots=slots, context=state.newest[:, None])

    def along(self, state: LshState, events: Events, encode: Encode) -> Look:
        vectors, bucket = encode(events), self._bucket(events, encode)
        before = torch.ones_like(events.present[:, :1])
        known = torch.cat([state.newest[:, None], vectors], dim=1)
        latest = newest(torch.cat([before, events.present], dim=1))[:, 1:, None]
        mine = vectors.new_zeros(*bucket.shape[:2], state.events.shape[1])
        mine = mine.scatter(2, bucket, 1.0) * events.present[..., None]
        total = state.total[:, None] + (mine[..., None] * vectors[:, :, None]).cumsum(dim=1)
        after = LshState(
            total=total.flatten(0, 1),
            events=(state.events[:, None] + mine.cumsum(dim=1)).flatten(0, 1),
            newest=known.gather(1, latest.expand_as(vectors)).flatten(0, 1),
        )
        return self.look(after, encode)

    def _bucket(self, events: Events, encode: Encode) -> Int[Tensor, "user event table"]:
        """The number of each event's bucket in each table, counted through all tables."""
        item = encode(events._replace(behaviour=torch.zeros_like(events.behaviour)))
        tables, bits, _ = self.planes.shape
        side = (item @ self.planes.flatten(0, 1).T).unflatten(-1, (tables, bits)) > 0
        first = 2**bits * torch.arange(tables, device=item.device)
        return first + (side * 2 ** torch.arange(bits, device=item.device)).sum(-1)

    def _directions(self) -> Float[Tensor, "bucket width"]:
        """The sum of a bucket's hyperplanes, each with the sign that its side has."""
        tables, bits, width = self.planes.shape
        number = torch.arange(2**bits, device=self.planes.device)
        side = number[:, None] // 2 ** torch.arange(bits, device=self.planes.device) % 2
        return ((2.0 * side - 1) @ self.planes).reshape(tables * 2**bits, width)
