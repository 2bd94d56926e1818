from math import erfc, sqrt

import numpy as np
import pytest

from recsys.evaluation import statistics
from recsys.evaluation.statistics import holm, paired_bootstrap


def test_the_interval_is_that_of_the_normal_law_for_many_users():
    draw = np.random.default_rng(5)
    differences = draw.normal(loc=[0.0, -0.1], scale=[0.5, 1.0], size=(4000, 2))

    small, large = paired_bootstrap(differences, resamples=4000, seed=1)

    for interval, column in ((small, differences[:, 0]), (large, differences[:, 1])):
        error = column.std() / np.sqrt(len(column))
        reach = 1.96 * error
        assert interval.mean == pytest.approx(column.mean())
        assert interval.low == pytest.approx(column.mean() - reach, abs=0.06 * reach)
        assert interval.high == pytest.approx(column.mean() + reach, abs=0.06 * reach)
        assert interval.p == pytest.approx(erfc(abs(column.mean()) / error / sqrt(2)), abs=0.03)


def test_the_same_gain_for_everybody_is_certain():
    (interval,) = paired_bootstrap(np.full((9, 1), 0.25), resamples=99, seed=1)

    assert (interval.mean, interval.low, interval.high) == pytest.approx((0.25, 0.25, 0.25))
    assert interval.p == 1 / 100


def test_no_difference_is_no_evidence():
    (interval,) = paired_bootstrap(np.zeros((9, 1)), resamples=99, seed=1)

    assert interval == (0, 0, 0, 1)


def test_seeds_repeat_and_blocks_do_not_show(monkeypatch):
    differences = np.random.default_rng(2).normal(size=(31, 3))
    whole = paired_bootstrap(differences, resamples=50, seed=8)
    monkeypatch.setattr(statistics, "_DRAWS", 31 * 7)

    again = paired_bootstrap(differences, resamples=50, seed=8)

    assert [interval.low for interval in again] == pytest.approx([each.low for each in whole])
    assert paired_bootstrap(differences, resamples=50, seed=9) != whole


def test_holm_steps_down_and_keeps_the_order():
    # 4 x .01, 3 x .0125 raised to .04, 2 x .03, 1 x .2
    assert holm([0.03, 0.01, 0.2, 0.0125]) == pytest.approx([0.06, 0.04, 0.2, 0.04])


def test_holm_never_exceeds_one():
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []
