"""A sequence told again: what follows is what followed before."""

import pytest

from tests.probes.solving import solve

TASK = ["task=repeat", "memory=transformer", "lesson.goal=0.003"]


@pytest.mark.parametrize("blocks", ["sasrec", "hstu"])
def test_two_layers_continue_every_repeated_sequence(blocks):
    errors = solve(
        *TASK, f"memory.blocks={blocks}", steps=1000, passes=lambda it: max(it.values()) <= 0.01
    )
    assert max(errors.values()) <= 0.01
