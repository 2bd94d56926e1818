"""Who looks at which items belong together finds the one missing field of the parity."""

import pytest

from recsys.baselines.ease import Ease
from recsys.baselines.item_knn import ItemKnn
from recsys.baselines.markov import Markov
from recsys.baselines.popularity import Popularity
from recsys.evaluation.protocol import evaluate
from tests.evaluation.tiny import checkerboard

WORLD = checkerboard(side=7)


def summary(baseline):
    scorer = baseline.fit(WORLD)
    return evaluate(scorer, WORLD, part="test", ks=(1, 3), seen="exclude", batch_size=5).summary


@pytest.mark.parametrize(
    "baseline",
    [
        ItemKnn(neighbours=6),
        Ease(regularisation=0.1, memory_gb=1.0),
        Markov(window=3),
    ],
    ids=lambda baseline: type(baseline).__name__,
)
def test_it_is_found_for_every_user(baseline):
    assert summary(baseline)["hit_rate@1"] == 1


def test_popularity_knows_nothing_and_ranks_by_item():
    # truth 1 stands first; truths 2j and 2j + 1 stand after j unseen items of the other parity
    got = summary(Popularity())

    assert got["hit_rate@1"] == pytest.approx(1 / 14)
    assert got["hit_rate@3"] == pytest.approx(5 / 14)
