from itertools import pairwise

import pytest
import torch

from recsys.metrics.lists import hits, truths
from recsys.metrics.ranking import per_user
from recsys.metrics.running import RankingMetrics

ITEMS, KS = 31, (1, 7)


def users(count, *, seed):
    """Lists and truths of some users; every fifth has no truth."""
    draw = torch.Generator().manual_seed(seed)
    lists = torch.stack([torch.randperm(ITEMS, generator=draw)[:7] + 1 for _ in range(count)])
    pairs = [
        (row, item)
        for row in range(count)
        if row % 5
        for item in (torch.randperm(ITEMS, generator=draw)[: 1 + row % 3] + 1).tolist()
    ]
    return lists, torch.tensor(pairs)


def shard(lists, truth, *, first, last):
    inside = (truth[:, 0] >= first) & (truth[:, 0] < last)
    return lists[first:last], truth[inside] - torch.tensor([first, 0])


def test_uneven_shards_give_the_same_bits_as_one_process():
    lists, truth = users(203, seed=3)
    alone = RankingMetrics(KS, items=ITEMS)
    alone.update(lists, truth)
    shards = []
    for bounds in ([0, 1, 40], [40, 171], [171, 203]):
        metric = RankingMetrics(KS, items=ITEMS)
        for first, last in pairwise(bounds):
            metric.update(*shard(lists, truth, first=first, last=last))
        shards.append(metric)

    shards[0].merge_state(shards[2])
    shards[0].merge_state(shards[1])

    assert shards[0].compute() == alone.compute()


def test_means_are_over_users_with_truth():
    lists, truth = users(53, seed=4)
    metric = RankingMetrics(KS, items=ITEMS)

    metric.update(lists, truth)

    held_out = truths(truth, users=53)
    expected = per_user(hits(lists, truth), truths=held_out, ks=KS)
    values = metric.compute()
    for name, column in expected.items():
        assert values[name].item() == pytest.approx(column[held_out > 0].mean().item(), abs=1e-6)
    assert metric.without_truth == 11


def test_coverage_does_not_look_at_users_without_truth():
    metric = RankingMetrics((2,), items=4)

    metric.update(torch.tensor([[1, 2], [3, 4]]), torch.tensor([[0, 4]]))

    assert metric.compute()["coverage@2"] == 0.5


def test_nobody_with_truth_is_not_a_number():
    metric = RankingMetrics((2,), items=4)

    metric.update(torch.tensor([[1, 2]]), torch.empty(0, 2, dtype=torch.long))

    assert metric.compute()["ndcg@2"].isnan()
