"""Which past event speaks for the next item: labels for the reads of a memory, where data have any.

Each function answers for every position of a history at once: the places, among the events up to
that position, of the ``hops`` best reasons for the target that came next, best first; -1 where
there are not so many. Of equally good reasons the newest is the better.
"""

from abc import ABC, abstractmethod
from typing import Protocol

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.data.prepared import Prepared
from recsys.errors import ConfigError
from recsys.tables import ITEM

NONE = -1


class Support(nn.Module, ABC):
    """A source of labels; ``hops`` of them for each target, the best for the first hop."""

    @abstractmethod
    def forward(
        self, events: Events, target: Int[Tensor, "user position"]
    ) -> Int[Tensor, "user position hop"]:
        """Places of the events that speak for each target; -1 where there is none."""


class Repeated(Support):
    """Repeat consumption."""

    def __init__(self, *, prepared: Prepared, hops: int) -> None:
        super().__init__()
        self.hops = hops

    def forward(
        self, events: Events, target: Int[Tensor, "user position"]
    ) -> Int[Tensor, "user position hop"]:
        return repeated(events, target, hops=self.hops)


class Alike(Support):
    """Shared attributes.

    Args:
        prepared: The data set.
        columns: Columns of its catalogue, one value an item or a list of values.
        hops: Labels for each target.

    Raises:
        ConfigError: The catalogue has no such column.
    """

    features: Tensor

    def __init__(self, *, prepared: Prepared, columns: list[str], hops: int) -> None:
        super().__init__()
        self.hops = hops
        found = [_attributes(prepared.catalogue, column) for column in columns]
        self.register_buffer("features", torch.cat(found, dim=1), persistent=False)

    def forward(
        self, events: Events, target: Int[Tensor, "user position"]
    ) -> Int[Tensor, "user position hop"]:
        return alike(events, target, features=self.features, hops=self.hops)


class Similar(Protocol):
    """What a teacher has learned: ``similarity`` [candidate, item], sparse and coalesced."""

    @property
    def similarity(self) -> Tensor: ...


class Teacher(Protocol):
    """Learns from the training part, as a baseline does."""

    def fit(self, prepared: Prepared) -> Similar: ...


class Nearest(Support):
    """A teacher's attribution."""

    place: Tensor
    value: Tensor

    def __init__(self, *, prepared: Prepared, teacher: Teacher, hops: int) -> None:
        super().__init__()
        self.hops, self.items = hops, prepared.items
        similarity = teacher.fit(prepared).similarity
        self.register_buffer("place", similarity.indices(), persistent=False)
        self.register_buffer("value", similarity.values(), persistent=False)

    def forward(
        self, events: Events, target: Int[Tensor, "user position"]
    ) -> Int[Tensor, "user position hop"]:
        size = (self.items + 1, self.items + 1)
        similarity = torch.sparse_coo_tensor(
            self.place, self.value, size, is_coalesced=True, check_invariants=False
        )
        return nearest(events, target, similarity=similarity, hops=self.hops)


def age_of(
    place: Int[Tensor, "user position hop"], events: Events
) -> Int[Tensor, "user position hop"]:
    """How many events each position has seen since the labelled one; -1 where there is none."""
    rank = events.present.long().cumsum(dim=1)
    then = rank.gather(1, place.clamp(min=0).flatten(1)).view(place.shape)
    return torch.where(place >= 0, rank[..., None] - then, NONE)


def repeated(
    events: Events, target: Int[Tensor, "user position"], *, hops: int
) -> Int[Tensor, "user position hop"]:
    """Repeat consumption: the last times that the user took the target itself."""
    same = events.item[:, None, :] == target[..., None]
    return _best(same.float(), events, target, hops=hops)


def alike(
    events: Events,
    target: Int[Tensor, "user position"],
    *,
    features: Float[Tensor, "item feature"],
    hops: int,
) -> Int[Tensor, "user position hop"]:
    """Shared attributes: the events whose items have most in common with the target.

    Args:
        events: Histories.
        target: What came after each event.
        features: What each item is, 1 or 0 (series, brand, artist, category); row 0 is padding.
        hops: Reasons for each target.
    """
    shared = features[target] @ features[events.item].transpose(1, 2)
    return _best(shared, events, target, hops=hops)


def nearest(
    events: Events,
    target: Int[Tensor, "user position"],
    *,
    similarity: Float[Tensor, "candidate item"],
    hops: int,
) -> Int[Tensor, "user position hop"]:
    """A teacher's attribution: the events whose items the teacher finds nearest to the target.

    Args:
        events: Histories.
        target: What came after each event.
        similarity: How much an item speaks for a candidate, sparse and coalesced, as the baseline
            ``item_knn`` fits it; what is not stored or not above 0 is no reason.
        hops: Reasons for each target.
    """
    asked = target[..., None] * similarity.shape[1] + events.item[:, None, :]
    candidate, item = similarity.indices()
    key = candidate * similarity.shape[1] + item  # rises, for it is coalesced
    key = torch.cat([key, key.new_full((1,), torch.iinfo(torch.long).max)])
    value = torch.cat([similarity.values(), similarity.values().new_zeros(1)])
    place = torch.searchsorted(key, asked)
    return _best(torch.where(key[place] == asked, value[place], 0), events, target, hops=hops)


def _attributes(catalogue: pl.DataFrame, column: str) -> Float[Tensor, "item value"]:
    """Which item has which value of a column, 1 or 0; row 0 is padding."""
    if column not in catalogue.columns:
        message = (
            f"the catalogue has no column '{column}', only {', '.join(catalogue.columns)}: "
            "set support.columns"
        )
        raise ConfigError(message)
    pairs = catalogue.select(ITEM, pl.col(column).alias("value"))
    if isinstance(pairs.schema["value"], pl.List):
        pairs = pairs.explode("value")
    pairs = pairs.drop_nulls().with_columns(pl.col("value").rank("dense").cast(pl.Int64) - 1)
    item, value = (pairs[name].cast(pl.Int64).to_torch() for name in (ITEM, "value"))
    features = torch.zeros(catalogue.height + 1, int(value.max()) + 1 if len(value) else 0)
    return features.index_put((item, value), torch.ones(()))


def _best(
    score: Float[Tensor, "user position event"],
    events: Events,
    target: Int[Tensor, "user position"],
    *,
    hops: int,
) -> Int[Tensor, "user position hop"]:
    """Places of the greatest scores above 0 among the events that had happened."""
    width = score.shape[2]
    happened = torch.ones(score.shape[1:], dtype=torch.bool, device=score.device).tril()
    counts = happened & events.present[:, None, :] & (target > 0)[..., None]
    newest_first = (score * counts).flip(2)
    ranked = newest_first.sort(dim=2, descending=True, stable=True)
    place = torch.where(ranked.values > 0, width - 1 - ranked.indices, NONE)[..., :hops]
    missing = place.new_full((*place.shape[:2], max(hops - width, 0)), NONE)
    return torch.cat([place, missing], dim=2)
