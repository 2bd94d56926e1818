"""What happened 20 events ago: known to who sees so far back, guessed (1 in 8) by everyone else."""

import pytest

from tests.probes.solving import ceiling, solve

TASK = ["task=lag_copy", "lesson.check_every=25", "lesson.goal=0.001"]
TCN = ["memory=tcn", "memory.kernel=3"]
WAVENET = ["memory=wavenet", "memory.kernel=3"]
SEES_31 = {
    "tcn": [*TCN, "memory.dilations=[[1],[2],[4],[8]]"],
    "wavenet": [*WAVENET, "memory.dilations=[1,2,4,8]"],
}
SEES_LESS = {
    "tcn": [*TCN, "memory.dilations=[[1],[2],[4]]"],  # 15
    "wavenet": [*WAVENET, "memory.dilations=[1,2,4]"],  # 15
    "cnn": ["memory=cnn"],  # 5
}


@pytest.mark.parametrize("memory", SEES_31)
def test_a_receptive_field_of_31_events_knows(memory):
    errors = solve(*TASK, *SEES_31[memory], steps=200, passes=lambda it: max(it.values()) <= 0.01)
    assert errors["every position"] <= 0.01


@pytest.mark.parametrize("memory", SEES_LESS)
def test_a_shorter_one_guesses(memory):
    errors = ceiling(*TASK, *SEES_LESS[memory], steps=200)
    assert errors["every position"] >= 0.84
