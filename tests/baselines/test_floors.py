"""Published floors of MovieLens-1M: leave-one-out, whole catalogue, seen items excluded."""

import gzip

import numpy as np
import pytest

from recsys.baselines.ease import Ease
from recsys.baselines.item_knn import ItemKnn
from recsys.baselines.markov import Markov
from recsys.baselines.popularity import Popularity
from recsys.evaluation.protocol import evaluate
from tests.evaluation.tiny import prepared

FLOORS = {
    "popularity": (Popularity(), 0.0369, 0.0180),
    "markov": (Markov(window=3), 0.2255, 0.1308),
    "item_knn": (ItemKnn(neighbours=100), 0.0699, 0.0359),
    "ease": (Ease(regularisation=200.0, memory_gb=1.0), 0.1089, 0.0535),
}


@pytest.fixture(scope="module")
def movielens(datasets):
    with gzip.open(datasets / "ml-1m" / "ml-1m_sas.txt.gz") as file:
        user, item = np.loadtxt(file, dtype=np.int64).T
    starts = np.flatnonzero(np.diff(user)) + 1
    return prepared(np.split(item, starts), items=item.max())


@pytest.mark.parametrize("name", FLOORS)
def test_the_floor_is_reproduced(movielens, name):
    baseline, hit_rate, ndcg = FLOORS[name]
    scorer = baseline.fit(movielens)

    report = evaluate(scorer, movielens, part="test", ks=(10,), seen="exclude", batch_size=256)

    assert report.counts["users"] == 6040
    assert report.summary["hit_rate@10"] == pytest.approx(hit_rate, abs=0.003)
    assert report.summary["ndcg@10"] == pytest.approx(ndcg, abs=0.003)
