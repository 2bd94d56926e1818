import pytest

from recsys.baselines.markov import Markov
from recsys.data.batches import questions
from tests.evaluation.tiny import prepared


def scores(world, *, window):
    scorer = Markov(window=window).fit(world)
    (question,) = questions(world, "test", batch_size=9, history=scorer.history)
    return scorer.scores(question)


def test_pairs_count_one_over_their_distance():
    # trained on 1 2 3 1 4; the last event before the test is 1
    world = prepared([[1, 2, 3, 1, 4, 1, 5]], items=5)

    weight = scores(world, window=3)[0].floor() / 6

    # from 1: to 2 at distance 1, to 3 at 2, to itself at 3, to 4 at 1
    assert weight.tolist() == pytest.approx([0, 1 / 3, 1, 1 / 2, 1, 0])


def test_users_do_not_follow_each_other():
    world = prepared([[1, 5, 5], [2, 1, 5]], items=5)

    assert scores(world, window=2).floor().sum() == 0


def test_popularity_settles_ties_and_ranks_the_rest():
    # 1 is followed by 2 and by 3 once each; 3 and then 4 are the popular ones
    world = prepared([[1, 3, 1, 5], [1, 2, 1, 5], [3, 3, 4, 4, 6, 6, 5]], items=6)

    (row, *_) = scores(world, window=1)

    order = row[1:].argsort(descending=True, stable=True) + 1
    assert order.tolist() == [3, 2, 1, 4, 6, 5]


def test_nobody_had_enough_for_a_pair():
    world = prepared([[1, 2, 3], [3, 2, 1]], items=3)

    assert scores(world, window=3)[0].tolist() == pytest.approx([0, 0.5, 0, 0.5])
