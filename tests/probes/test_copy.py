"""The copy task: heads that move from slot to slot copy sequences longer than any they heard."""

import pytest

from tests.probes.solving import ceiling, solve

COPY = ("task=copy", "output=context_read", "lesson.batch_size=32")
NTM = (
    *COPY,
    "memory=ntm",
    "memory.slots=24",
    "memory.slot_width=16",
    "memory.hidden=32",
    "+optimizer.eps=1e-6",
)


@pytest.mark.acceptance
@pytest.mark.timeout(900)
def test_a_turing_machine_copies_twice_as_many_patterns_as_it_was_taught_with():
    errors = solve(
        *NTM, steps=3900, passes=lambda wrong: wrong["10"] <= 0.001 and wrong["20"] <= 0.01
    )
    assert errors["10"] <= 0.001
    assert errors["20"] <= 0.01


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_long_short_term_memory_does_not():
    errors = ceiling(*COPY, "memory=lstm", "width=128", steps=1500)
    assert errors["20"] >= 0.2
