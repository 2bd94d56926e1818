"""Ranking metrics that are gathered batch by batch and device by device."""

import torch
from jaxtyping import Int
from torch import Tensor
from torchmetrics import Metric

from recsys.metrics.lists import coverage, hits, listed, truths
from recsys.metrics.ranking import METRICS, per_user

_UNIT = 2.0**32  # sums are whole numbers of 2^-32, so no order of summation can change them


class RankingMetrics(Metric):
    """Means over users and coverage, equal to the last bit however users are split over devices.

    State is a few numbers and one byte an item, never lists or scores. A user without truth is
    counted and left out of the means.

    Args:
        ks: List lengths.
        items: Items in the catalogue, padding not counted.
    """

    full_state_update = False
    totals: Tensor
    judged: Tensor
    without_truth: Tensor
    recommended: Tensor

    def __init__(self, ks: tuple[int, ...], *, items: int) -> None:
        super().__init__()
        self.ks, self.items = tuple(ks), items
        count = torch.zeros((), dtype=torch.int64)
        totals = torch.zeros(len(ks) * len(METRICS), dtype=torch.int64)
        seen = torch.zeros(len(ks), items + 1, dtype=torch.uint8)
        self.add_state("totals", totals, dist_reduce_fx="sum")
        self.add_state("judged", count, dist_reduce_fx="sum")
        self.add_state("without_truth", count.clone(), dist_reduce_fx="sum")
        self.add_state("recommended", seen, dist_reduce_fx="max")

    def update(self, lists: Int[Tensor, "user k"], truth: Int[Tensor, "pair 2"]) -> None:
        """Add some users.

        Args:
            lists: Items, best first, max(ks) places or more; 0 is an empty place.
            truth: Distinct (row, item) pairs of held-out items.
        """
        held_out = truths(truth, users=len(lists))
        judged = held_out > 0
        values = per_user(hits(lists, truth)[judged], truths=held_out[judged], ks=self.ks)
        units = torch.stack(list(values.values())) * _UNIT
        self.totals += units.round().long().sum(dim=1)
        self.judged += judged.sum()
        self.without_truth += (~judged).sum()
        self.recommended |= listed(lists[judged], items=self.items, ks=self.ks)

    def compute(self) -> dict[str, Tensor]:
        """Means as in ``ndcg@10`` and ``coverage@10``; NaN where no user had truth."""
        names = [f"{name}@{k}" for k in self.ks for name in METRICS]
        means = self.totals / (_UNIT * self.judged)
        share = coverage(self.recommended.bool())
        covered = {f"coverage@{k}": value for k, value in zip(self.ks, share, strict=True)}
        return dict(zip(names, means, strict=True)) | covered
