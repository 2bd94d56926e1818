"""The copy task again: links tell a reading head what was written next, at any length."""

import pytest

from tests.probes.solving import solve

DNC = (
    "task=copy",
    "task.longest=8",
    "task.lengths=[8,12]",
    "memory=dnc",
    "memory.slots=24",
    "memory.heads=1",
    "output=context_read",
    "width=16",
    "lesson.batch_size=16",
    "lesson.check_every=500",
)


@pytest.mark.acceptance
@pytest.mark.timeout(900)
def test_a_neural_computer_copies_half_as_many_again_as_it_was_taught_with():
    errors = solve(*DNC, steps=1350, passes=lambda wrong: wrong["12"] <= 0.01)
    assert errors["8"] <= 0.01
    assert errors["12"] <= 0.01
