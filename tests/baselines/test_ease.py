import numpy as np
import pytest

from recsys.baselines.ease import Ease
from recsys.data.batches import questions
from recsys.errors import ConfigError
from tests.evaluation.tiny import prepared

WORLD = prepared([[1, 2, 4, 5], [1, 2, 3, 4, 5], [2, 3, 2, 5, 4]], items=5)
TRAINED = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [0, 1, 1, 0, 0]])


def test_weights_solve_each_regression_on_the_other_items():
    scorer = Ease(regularisation=0.5, memory_gb=1.0).fit(WORLD)
    (question,) = questions(WORLD, "test", batch_size=9, history=scorer.history)

    weight = np.zeros((5, 5))
    for item in range(5):
        others = [other for other in range(5) if other != item]
        design = TRAINED[:, others]
        ridge = design.T @ design + 0.5 * np.eye(4)
        weight[others, item] = np.linalg.solve(ridge, design.T @ TRAINED[:, item])
    known = TRAINED + np.array([[0, 0, 0, 1, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]])
    assert scorer.scores(question)[:, 1:].numpy() == pytest.approx(known @ weight, abs=1e-5)


def test_a_catalogue_beyond_the_memory_is_refused_before_the_work():
    with pytest.raises(ConfigError, match=r"needs 4\.3e-07 GB for 5 items but memory_gb is 1e-09"):
        Ease(regularisation=0.5, memory_gb=1e-9).fit(WORLD)


def test_no_regularisation_is_refused():
    with pytest.raises(ConfigError, match="regularisation must be above 0 but is 0"):
        Ease(regularisation=0.0, memory_gb=1.0).fit(WORLD)
