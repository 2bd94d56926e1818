"""Lists of the best items: how they are made, and where they meet the truth."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_ITEM_BITS = 32  # (row, item) pairs become one int64 key


def top_k(scores: Float[Tensor, "user item"], k: int) -> Int[Tensor, "user k"]:
    """The k best columns of each row, best first; of equal scores the lower column comes first.

    A score of minus infinity is never listed; where fewer than k columns are left, the places
    at the end hold 0. Equal scores only cost time in the rows where they touch the list.

    Raises:
        ValueError: A score that reaches the list is not a number.

    Example:
        >>> top_k(torch.tensor([[-torch.inf, 1.0, 2.0, 2.0]]), 4)
        tensor([[2, 3, 1, 0]])
    """
    width = min(k, scores.shape[1])
    values, items = scores.topk(min(width + 1, scores.shape[1]), dim=1)
    if values.isnan().any():
        msg = "scores hold values that are not numbers (NaN), so no order exists: mend the scorer"
        raise ValueError(msg)
    tied = (values[:, 1:] == values[:, :-1]) & (values[:, 1:] > -torch.inf)
    values, items = values[:, :width], items[:, :width]
    rows = tied.any(dim=1).nonzero()[:, 0]
    if len(rows):
        items[rows] = _exact(scores[rows], best=values[rows])
    items = items.masked_fill(values == -torch.inf, 0)
    return torch.nn.functional.pad(items, (0, k - width))


def hits(lists: Int[Tensor, "user k"], truth: Int[Tensor, "pair 2"]) -> Bool[Tensor, "user k"]:
    """Places that hold a truth of their row; of an item listed twice only the first place.

    Args:
        lists: Items, best first; 0 is an empty place.
        truth: Distinct (row, item) pairs.
    """
    row = torch.arange(len(lists), device=lists.device)[:, None]
    found = torch.isin(_key(row, lists), _key(truth[:, 0], truth[:, 1])) & (lists > 0)
    several = (found.sum(dim=1) > 1).nonzero()[:, 0]
    if len(several):
        found[several] &= _first(lists[several])
    return found


def truths(truth: Int[Tensor, "pair 2"], *, users: int) -> Int[Tensor, " user"]:
    """Held-out items of each row; 0 for a row that no pair names."""
    return torch.bincount(truth[:, 0], minlength=users)


def members(
    pairs: Int[Tensor, "pair 2"], *, among: Int[Tensor, "other 2"]
) -> Bool[Tensor, " pair"]:
    """Which (row, item) pairs are also in the other set."""
    return torch.isin(_key(pairs[:, 0], pairs[:, 1]), _key(among[:, 0], among[:, 1]))


def listed(
    lists: Int[Tensor, "user width"], *, items: int, ks: tuple[int, ...]
) -> Bool[Tensor, "k item"]:
    """Which items (columns 0 to ``items``) stand in the first k places of any list, for each k."""
    found = torch.zeros(len(ks), items + 1, dtype=torch.bool, device=lists.device)
    for place, k in enumerate(ks):
        found[place, lists[:, :k].flatten().long()] = True
    return found


def coverage(recommended: Bool[Tensor, "k item"]) -> Float[Tensor, " k"]:
    """Distinct items recommended to anybody over items in the catalogue; column 0 is padding."""
    return recommended[:, 1:].float().mean(dim=1)


def _exact(scores: Tensor, *, best: Tensor) -> Tensor:
    """Columns that hold the ``best`` scores of each row, lower column first among equals."""
    smallest, width = best[:, -1:], best.shape[1]
    above = scores > smallest
    equal = scores == smallest
    wanted = width - above.sum(dim=1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(dim=1, dtype=torch.int32) <= wanted))
    items = chosen.nonzero()[:, 1].view(-1, width)
    order = scores.gather(1, items).argsort(dim=1, descending=True, stable=True)
    return items.gather(1, order)


def _first(lists: Tensor) -> Tensor:
    """Places whose item does not stand earlier in the same row."""
    ordered, place = lists.sort(dim=1, stable=True)
    fresh = torch.ones_like(lists, dtype=torch.bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return torch.empty_like(fresh).scatter_(1, place, fresh)


def _key(row: Tensor, item: Tensor) -> Tensor:
    return (row.long() << _ITEM_BITS) | item.long()
