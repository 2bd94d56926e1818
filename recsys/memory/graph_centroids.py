"""Centroids of a graph memory network: a history of any length, in a fixed number of slots.

Khasahmadi et al. 2020, section 3.2, equations 1 to 4. Every event is shared out among learned
centroids and added up where it belongs, so a write costs the same however long the history is.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Slots, Table

SHARPEST = 4.0  # difference of two logits, at the start, where all heads are sure of one centroid
RAREST = 1e-6  # events; a slot's count has a logarithm
Shares = Float[Tensor, "user event slot"]


class GraphCentroidsState(NamedTuple):
    """4 bytes times ((width + 1) times centroids + width) a user."""

    total: Float[Tensor, "user slot width"]  # of events times their shares: C^T X
    events: Float[Tensor, "user slot"]  # of events, shares added up
    newest: Float[Tensor, "user width"]  # the newest event


class GraphCentroids(Memory[GraphCentroidsState]):
    """A slot is a centroid: it tells the mean event of its cluster, and how many those are.

    Each of the ``heads`` has centroid keys of its own and shares an event out by a Student kernel
    of the distance; the heads together, weighed and passed through a softmax, decide. The count is
    a slot's log bias, so that a cluster of k events speaks as loudly as k slots. The user's present
    is the newest event plus what the clusters that it belongs to tell.
    """

    remembers = False
    grows = ()

    def __init__(self, *, table: Table, width: int, centroids: int, heads: int) -> None:
        super().__init__()
        self.keys = nn.Parameter(0.1 * torch.randn(heads, centroids, width))
        self.weight = nn.Parameter(torch.full((heads,), SHARPEST / heads))
        self.cluster = nn.Linear(width, width, bias=False)

    def initial_state(self, users: int) -> GraphCentroidsState:
        _, centroids, width = self.keys.shape
        return GraphCentroidsState(
            total=self.keys.new_zeros(users, centroids, width),
            events=self.keys.new_zeros(users, centroids),
            newest=self.keys.new_zeros(users, width),
        )

    def write(
        self, state: GraphCentroidsState, events: Events, encode: Encode
    ) -> GraphCentroidsState:
        vectors = encode(events)
        shares = self.shares(vectors) * events.present[..., None]
        places = torch.arange(1, vectors.shape[1] + 1, device=vectors.device) * events.present
        place = places.amax(1)[:, None, None].expand(-1, -1, vectors.shape[2])
        seen = torch.cat([state.newest[:, None], vectors], dim=1)
        return GraphCentroidsState(
            total=state.total + shares.transpose(1, 2) @ vectors,
            events=state.events + shares.sum(1),
            newest=seen.gather(1, place)[:, 0],
        )

    def look(self, state: GraphCentroidsState, encode: Encode) -> Look:
        mean = state.total / state.events.clamp(min=RAREST)[..., None]
        told = functional.leaky_relu(self.cluster(mean))
        age = torch.zeros_like(state.events[:, None], dtype=torch.long)
        slots = Slots(
            keys=told,
            values=told,
            bias=state.events[:, None].clamp(min=RAREST).log(),
            filled=state.events[:, None] > 0,
            age=age,
            gap_seconds=age,
            item=age[:, 0],
        )
        newest = state.newest[:, None]
        return Look(slots=slots, context=newest + self.shares(newest) @ told)

    def along(self, state: GraphCentroidsState, events: Events, encode: Encode) -> Look:
        vectors = encode(events)
        shares = self.shares(vectors) * events.present[..., None]
        place = torch.arange(1, vectors.shape[1] + 1, device=vectors.device) * events.present
        place = place.cummax(dim=1).values[..., None].expand_as(vectors)
        added = shares[..., None] * vectors[:, :, None]
        states = GraphCentroidsState(
            total=(state.total[:, None] + added.cumsum(1)).flatten(0, 1),
            events=(state.events[:, None] + shares.cumsum(1)).flatten(0, 1),
            newest=torch.cat([state.newest[:, None], vectors], dim=1)
            .gather(1, place)
            .flatten(0, 1),
        )
        return self.look(states, encode)

    def shares(self, vectors: Float[Tensor, "user event width"]) -> Shares:
        """How each event is shared out among the centroids; they sum to one (equations 1 and 2)."""
        away = vectors[:, :, None, None] - self.keys
        near = 1 / (1 + away.square().sum(-1))
        near = near / near.sum(-1, keepdim=True)  # user event head slot
        return (near * self.weight[:, None]).sum(2).softmax(-1)


def clustering_loss(shares: Shares, *, present: Bool[Tensor, "user event"]) -> Float[Tensor, ""]:
    """How far the shares are from sharper ones: KL(P || C) an event, equations 5 and 6.

    P is C squared, over how much each centroid has, normalised: it rewards being sure and having
    centroids of the same size. P is what is aimed at and gets no gradient. 0 without an event.
    """
    chosen = shares[present]
    aim = chosen.square() / chosen.sum(0)
    aim = (aim / aim.sum(-1, keepdim=True)).detach()
    return functional.kl_div(chosen.log(), aim, reduction="sum") / max(chosen.shape[0], 1)
