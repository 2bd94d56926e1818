from typing import NamedTuple

import numpy as np
import pytest
import torch

from recsys.errors import InputError
from recsys.evaluation.protocol import evaluate
from tests.evaluation.tiny import prepared

# item 6 is never trained on; u3 has too few events to be judged; u2 meets an item again
WORLD = prepared([[1, 2, 3, 4], [2, 1, 5, 6], [3, 1, 5, 3], [1, 2]], items=7)


class Fixed(NamedTuple):
    """The same scores for everybody, item 1 first."""

    row: torch.Tensor
    history: int | None = 2

    def scores(self, question):
        return self.row.expand(len(question.user), -1)


DOWN = Fixed(torch.arange(8, 0, -1).float())


def judged(scorer=DOWN, *, seen="exclude", ks=(1, 3), batch_size=2):
    return evaluate(scorer, WORLD, part="test", ks=ks, seen=seen, batch_size=batch_size)


def test_ranks_are_among_what_the_user_has_not_seen():
    report = judged()

    # unseen, best first: u0 4 5 6 7 (truth 4), u1 3 4 6 7 (truth 6), u2 2 4 6 7 (truth 3, seen)
    assert report.users["mrr@3"].to_list() == pytest.approx([1, 1 / 3, 0])
    assert report.summary["mrr@3"] == pytest.approx(4 / 9)
    assert report.summary["hit_rate@1"] == pytest.approx(1 / 3)


def test_seen_items_may_be_kept():
    report = judged(seen="keep")

    assert report.users["mrr@3"].to_list() == pytest.approx([0, 0, 1 / 3])


def test_counts_say_what_the_means_are_over():
    assert judged().counts == {
        "users": 3,
        "users_without_truth": 1,
        "truths": 3,
        "truths_seen": 1,
        "truths_untrained": 2,  # 4 and 6: trained on are 1 2 of u0, 2 1 of u1, 3 1 of u2, 1 2 of u3
        "listed_seen": 0,
        "short_lists": 0,
    }


def test_coverage_is_over_the_whole_catalogue():
    # at 1: items 4, 3 and 2; at 3: those and 5 and 6
    report = judged()

    assert report.summary["coverage@1"] == pytest.approx(3 / 7)
    assert report.summary["coverage@3"] == pytest.approx(5 / 7)


def test_lists_end_where_nothing_is_left():
    report = judged(ks=(6,))

    assert report.counts["short_lists"] == 3
    assert report.summary["hit_rate@6"] == pytest.approx(2 / 3)


def test_equal_scores_are_ranked_by_item():
    report = judged(Fixed(torch.zeros(8)))

    assert report.users["mrr@3"].to_list() == pytest.approx([1, 1 / 3, 0])


def test_the_size_of_a_batch_changes_nothing():
    one, all_at_once = judged(batch_size=1), judged(batch_size=50)

    assert one.summary == all_at_once.summary
    assert one.users.equals(all_at_once.users)


def test_users_are_reported_in_the_order_of_the_data_however_long_their_histories():
    data = prepared([[1, 2, 3, 4, 5], [6, 2, 1], [3, 1, 4, 6]], items=7)
    report = evaluate(DOWN, data, part="test", ks=(1,), seen="exclude", batch_size=1)

    # unseen, best first: the longest's truth 5 is first, the shortest's 1 too, the third's 6 is not
    assert report.users["user_id"].to_list() == data.users.to_list()
    assert report.users["mrr@1"].to_list() == [1, 1, 0]


def test_users_are_named_as_they_were_given():
    assert judged().users["user_id"].to_list() == ["u0", "u1", "u2"]


def test_progress_is_told_by_batch():
    told = []

    evaluate(DOWN, WORLD, part="valid", ks=(1,), seen="keep", batch_size=2, advance=told.append)

    assert told == [2, 1]


def test_scores_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 7\), not \(2, 8\)"):
        judged(Fixed(torch.zeros(7)))


def test_a_part_without_truth_is_refused():
    empty = WORLD.split._replace(test_end=np.asarray(WORLD.split.test_start))

    with pytest.raises(InputError, match="no user has held-out items"):
        evaluate(DOWN, WORLD._replace(split=empty), part="test", ks=(1,), seen="keep", batch_size=2)
