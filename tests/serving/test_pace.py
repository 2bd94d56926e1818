"""The line through what batches took."""

import numpy as np
import pytest

from serving.pace import Pace


def after(*batches):
    pace = Pace()
    for size, seconds in batches:
        pace.measured(size, seconds)
    return pace


def test_nothing_is_known_of_no_batch():
    assert after().seconds(64) == 0


def test_sizes_that_are_all_alike_say_that_twice_as_many_take_twice_as_long():
    pace = after(*[(8, 0.04)] * 50)
    assert pace.seconds(8) == pytest.approx(0.04)
    assert pace.seconds(16) == pytest.approx(0.08)


def test_what_is_fixed_is_told_from_what_each_question_takes():
    sizes = np.random.default_rng(0).integers(1, 65, 200)
    pace = after(*((int(size), 0.01 + 0.0002 * size) for size in sizes))
    assert pace.fixed == pytest.approx(0.01, rel=0.1)
    assert pace.each == pytest.approx(0.0002, rel=0.2)


def test_a_machine_that_grew_slow_is_noticed():
    sizes = np.random.default_rng(0).integers(1, 65, 400)
    pace = after(*((int(n), (1 if place < 200 else 5) * 1e-3 * n) for place, n in enumerate(sizes)))
    assert pace.seconds(64) == pytest.approx(0.32, rel=0.1)


def test_no_batch_takes_less_for_being_larger():
    pace = after((64, 0.001), (1, 0.1), (64, 0.001), (1, 0.1))
    assert pace.each == 0
    assert pace.fixed > 0
