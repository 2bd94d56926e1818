import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recsys.metrics.lists import coverage, hits, listed, members, top_k, truths

SCORE = st.sampled_from([-math.inf, -1.5, -0.0, 0.0, 0.25, 2.0, math.inf])


def naive(row, *, k):
    """The definition: higher first, then lower column; minus infinity never; zeros at the end."""
    order = sorted(
        (item for item in range(len(row)) if row[item] > -math.inf),
        key=lambda item: (-row[item], item),
    )
    return (order + [0] * k)[:k]


@given(st.data(), st.integers(1, 4), st.integers(1, 9), st.integers(1, 12))
def test_top_k_is_the_definition_also_among_equals(data, users, items, k):
    row = st.lists(SCORE, min_size=items, max_size=items)
    rows = data.draw(st.lists(row, min_size=users, max_size=users))

    got = top_k(torch.tensor(rows), k)

    assert got.tolist() == [naive(row, k=k) for row in rows]


def test_top_k_settles_ties_over_a_large_catalogue():
    scores = torch.randint(0, 50, (7, 3001), generator=torch.Generator().manual_seed(1)).float()

    assert top_k(scores, 100).tolist() == [naive(row, k=100) for row in scores.tolist()]


def test_top_k_leaves_the_scores_as_they_were():
    scores = torch.tensor([[3.0, 3.0, 1.0, 3.0]])

    top_k(scores, 2)

    assert scores.tolist() == [[3.0, 3.0, 1.0, 3.0]]


def test_top_k_refuses_what_is_not_a_number():
    with pytest.raises(ValueError, match="NaN"):
        top_k(torch.tensor([[0.0, torch.nan, 1.0]]), 1)


def test_hits_are_the_truths_of_the_same_row_only():
    lists = torch.tensor([[5, 2, 7], [2, 5, 9]])
    truth = torch.tensor([[0, 2], [0, 7], [1, 9]])

    assert hits(lists, truth).tolist() == [[False, True, True], [False, False, True]]


def test_an_item_listed_again_counts_at_its_first_place():
    lists = torch.tensor([[4, 8, 4, 8, 4], [1, 4, 4, 1, 4]])
    truth = torch.tensor([[0, 4], [0, 8], [1, 4]])

    assert hits(lists, truth).tolist() == [[True, True] + [False] * 3, [False, True] + [False] * 3]


def test_an_empty_place_hits_nothing():
    assert not hits(torch.tensor([[0, 0]]), torch.tensor([[0, 0], [0, 3]])).any()


def test_no_truth_means_no_hits():
    none = torch.empty(0, 2, dtype=torch.long)

    assert not hits(torch.tensor([[1, 2]]), none).any()
    assert truths(none, users=3).tolist() == [0, 0, 0]


def test_truths_are_counted_by_row():
    assert truths(torch.tensor([[0, 3], [2, 3], [2, 1]]), users=4).tolist() == [1, 0, 2, 0]


def test_members_compare_whole_pairs():
    pairs, among = torch.tensor([[0, 3], [1, 3], [1, 4]]), torch.tensor([[1, 3], [0, 4]])

    assert members(pairs, among=among).tolist() == [False, True, False]


def test_coverage_counts_distinct_items_of_the_catalogue():
    lists = torch.tensor([[3, 1], [3, 5], [0, 0]])

    found = listed(lists, items=6, ks=(1, 2))

    assert coverage(found).tolist() == pytest.approx([1 / 6, 3 / 6])
