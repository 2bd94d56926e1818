import numpy as np
import pytest

from recsys.baselines.popularity import Popularity, share
from recsys.baselines.recent_popularity import RecentPopularity
from recsys.data.batches import questions
from recsys.errors import ConfigError
from tests.evaluation.tiny import prepared

# training parts: 1 1 2, then 2, then 3 4
WORLD = prepared([[1, 1, 2, 5, 5], [2, 5, 5], [3, 4]], items=5)


def scores(scorer, world=WORLD):
    (question,) = questions(world, "test", batch_size=9, history=scorer.history)
    return scorer.scores(question).tolist()


def test_popularity_counts_the_training_part_only():
    assert scores(Popularity().fit(WORLD)) == [[0, 2, 2, 1, 1, 0]] * 2


def test_recent_interactions_count_more():
    # item 1 twice at the beginning, item 2 once in the middle, item 3 once at the end
    times = [np.array([100, 100, 150, 500, 500]), np.array([200, 500, 500])]
    world = prepared([[1, 1, 2, 4, 4], [3, 4, 4]], items=4, times=times)

    (row, _) = scores(RecentPopularity(half_life=0.25).fit(world), world)

    assert row == pytest.approx([0, 2 / 16, 1 / 4, 1, 0])


def test_a_half_life_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="half_life must be above 0 but is 0"):
        RecentPopularity(half_life=0.0)


def test_the_share_keeps_the_order_and_stays_below_one():
    assert share(WORLD).tolist() == pytest.approx([0, 2 / 3, 2 / 3, 1 / 3, 1 / 3, 0])
