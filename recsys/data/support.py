"""Which past event speaks for the next item: labels for the reads of a memory, where data have any.

Each function answers for every position of a history at once: the places, among the events up to
that position, of the ``hops`` best reasons for the target that came next, best first; -1 where
there are not so many. Of equally good reasons the newest is the better.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recsys.data.batches import Events

NONE = -1


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
