from fractions import Fraction
from math import log2

import pytest
import torch

from recsys.metrics.ranking import METRICS, average_precision, hit_rate, mrr, ndcg, per_user, recall

# user: hits at places, number of truths; list length 4
HITS = torch.tensor(
    [
        [True, False, False, True],  # places 1 and 4 of 3 truths
        [False, True, False, False],  # place 2 of 1 truth
        [False, False, False, False],  # none of 2 truths
        [True, True, True, True],  # all four places, 6 truths
    ]
)
TRUTHS = torch.tensor([3, 1, 2, 6])


def expect(values, fractions):
    assert values.tolist() == pytest.approx([float(value) for value in fractions], abs=1e-6)


def test_hit_rate_asks_for_any_truth():
    expect(hit_rate(HITS, TRUTHS), [1, 1, 0, 1])


def test_recall_divides_by_all_truths_also_beyond_k():
    expect(recall(HITS, TRUTHS), [Fraction(2, 3), 1, 0, Fraction(4, 6)])


def test_mrr_looks_at_the_first_hit_only():
    expect(mrr(HITS, TRUTHS), [1, Fraction(1, 2), 0, 1])


def test_average_precision_divides_by_what_the_list_could_hold():
    first = (Fraction(1, 1) + Fraction(2, 4)) / 3
    expect(average_precision(HITS, TRUTHS), [first, Fraction(1, 2), 0, 1])


def test_ndcg_is_one_for_a_full_list_however_many_truths_are_left():
    ideal = 1 + 1 / log2(3) + 1 / log2(4)
    expect(ndcg(HITS, TRUTHS), [(1 + 1 / log2(5)) / ideal, 1 / log2(3), 0, 1])


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_user_without_truth_is_not_a_number(metric):
    values = metric(torch.zeros(2, 3, dtype=torch.bool), torch.tensor([0, 1]))

    assert values[0].isnan()
    assert values[1] == 0


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_perfect_list_of_one_truth_scores_one(metric):
    assert metric(torch.tensor([[True, False]]), torch.tensor([1])).tolist() == [1.0]


def test_per_user_cuts_the_list_at_each_k():
    values = per_user(HITS, truths=TRUTHS, ks=(1, 4))

    expect(values["hit_rate@1"], [1, 0, 0, 1])
    expect(values["recall@1"], [Fraction(1, 3), 0, 0, Fraction(1, 6)])
    expect(values["ndcg@1"], [1, 0, 0, 1])
    expect(values["hit_rate@4"], [1, 1, 0, 1])
    assert len(values) == 2 * len(METRICS)


def test_lists_shorter_than_k_are_refused():
    with pytest.raises(ValueError, match="4 places but metrics at 5"):
        per_user(HITS, truths=TRUTHS, ks=(1, 5))
