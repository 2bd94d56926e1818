"""Ranking metrics, one number a user, from where in the list the truth was met.

Every function takes ``hits`` (place p of the list holds a truth not listed before; the list
length is k) and ``truths`` (how many held-out items the user has). Edges, the same for all:

- a user without truth gets NaN: there is nothing to judge, and a mean must leave the user out;
- a list that ends early keeps its empty places, and they are misses;
- a repeated item counts at its first place only (``recsys.metrics.lists.hits`` sees to it);
- ties were settled before, when the list was made (``recsys.metrics.lists.top_k``).
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def hit_rate(hits: Bool[Tensor, "user k"], truths: Int[Tensor, " user"]) -> Float[Tensor, " user"]:
    """One where any truth is in the list, else zero."""
    return _judged(hits.any(dim=1).float(), truths=truths)


def recall(hits: Bool[Tensor, "user k"], truths: Int[Tensor, " user"]) -> Float[Tensor, " user"]:
    """Share of all truths that are in the list; below one where there are more than k truths."""
    return hits.sum(dim=1).float() / truths


def ndcg(hits: Bool[Tensor, "user k"], truths: Int[Tensor, " user"]) -> Float[Tensor, " user"]:
    """Gain 1 / log2(place + 1) of the hits, over that of min(truths, k) hits in a row.

    Järvelin and Kekäläinen 2002 with binary relevance.
    """
    k = hits.shape[1]
    gain = 1 / torch.log2(torch.arange(2, k + 2, device=hits.device).float())
    ideal = torch.cat([gain.new_zeros(1), gain.cumsum(dim=0)])
    return hits.float() @ gain / ideal[truths.clamp(max=k).long()]


def mrr(hits: Bool[Tensor, "user k"], truths: Int[Tensor, " user"]) -> Float[Tensor, " user"]:
    """One over the place of the first hit; zero where the list has none."""
    return _judged((hits.float() / _places(hits)).amax(dim=1), truths=truths)


def average_precision(
    hits: Bool[Tensor, "user k"], truths: Int[Tensor, " user"]
) -> Float[Tensor, " user"]:
    """Precision at each hit, summed, over min(truths, k); its mean over users is MAP."""
    precision = hits.cumsum(dim=1) / _places(hits)
    return (precision * hits).sum(dim=1) / truths.clamp(max=hits.shape[1])


METRICS = {
    "hit_rate": hit_rate,
    "recall": recall,
    "ndcg": ndcg,
    "mrr": mrr,
    "map": average_precision,
}


def per_user(
    hits: Bool[Tensor, "user k"], *, truths: Int[Tensor, " user"], ks: tuple[int, ...]
) -> dict[str, Float[Tensor, " user"]]:
    """Every metric at every k, named as in ``ndcg@10``; lists must be max(ks) long or longer."""
    if hits.shape[1] < max(ks):
        msg = f"lists have {hits.shape[1]} places but metrics at {max(ks)} are asked: lengthen them"
        raise ValueError(msg)
    return {
        f"{name}@{k}": metric(hits[:, :k], truths) for k in ks for name, metric in METRICS.items()
    }


def _places(hits: Tensor) -> Tensor:
    return torch.arange(1, hits.shape[1] + 1, device=hits.device).float()


def _judged(values: Tensor, *, truths: Tensor) -> Tensor:
    return values.masked_fill(truths == 0, torch.nan)
