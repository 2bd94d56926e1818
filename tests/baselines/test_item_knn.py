from math import sqrt

import pytest
import torch

from recsys.baselines import occurrences
from recsys.baselines.item_knn import ItemKnn
from recsys.data.batches import questions
from tests.evaluation.tiny import prepared

# trained on 1 2, 1 2 3, 2 3 2; the histories at the test hold 4 and 5 besides
WORLD = prepared([[1, 2, 4, 5], [1, 2, 3, 4, 5], [2, 3, 2, 5, 4]], items=5)


def scores(*, neighbours):
    scorer = ItemKnn(neighbours=neighbours).fit(WORLD)
    (question,) = questions(WORLD, "test", batch_size=9, history=scorer.history)
    return scorer.scores(question)


def test_scores_are_sums_of_cosines():
    one_two, one_three, two_three = 2 / sqrt(2 * 3), 1 / sqrt(2 * 2), 2 / sqrt(3 * 2)

    first, second, third = scores(neighbours=9).tolist()

    assert first == pytest.approx([0, one_two, one_two, one_three + two_three, 0, 0])
    both = [one_two + one_three, one_two + two_three, one_three + two_three]
    assert second == pytest.approx([0, *both, 0, 0])
    assert third == pytest.approx([0, both[0], two_three, two_three, 0, 0])


def test_an_item_speaks_for_its_nearest_only():
    # the nearest to 1 and to 3 is 2; 1 and 3 are equally near to 2, and 1 is the lower
    near = 2 / sqrt(6)

    got = scores(neighbours=1)[:, 1:4]

    assert got.tolist() == [
        pytest.approx(row) for row in ([near, near, 0], [near, 2 * near, 0], [near, near, 0])
    ]


def test_blocks_of_columns_do_not_show(monkeypatch):
    whole = scores(neighbours=2)
    monkeypatch.setattr(occurrences, "_CELLS", 6)  # two columns at a time

    assert torch.equal(scores(neighbours=2), whole)
