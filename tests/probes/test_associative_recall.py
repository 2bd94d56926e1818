"""What followed this key: two layers of attention know, one layer guesses among the values."""

import pytest

from tests.probes.solving import ceiling, solve

TASK = ["task=associative_recall", "memory=transformer", "lesson.goal=0.001"]


@pytest.mark.parametrize("blocks", ["sasrec", "hstu"])
def test_two_layers_know_the_value_of_every_key(blocks):
    errors = solve(
        *TASK, f"memory.blocks={blocks}", steps=1000, passes=lambda it: it["values"] <= 0.01
    )
    assert errors["values"] <= 0.01


@pytest.mark.acceptance
@pytest.mark.parametrize("blocks", ["sasrec", "hstu"])
def test_one_layer_does_not(blocks):
    errors = ceiling(*TASK, f"memory.blocks={blocks}", "memory.layers=1", steps=700)
    assert errors["values"] >= 0.7
