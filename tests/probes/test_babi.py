"""End-to-end memory on the twenty tasks' files: the four that it must master (S2, section 9)."""

import pytest

from benchmarks.babi import train

MASTERED = 0.02


@pytest.mark.acceptance
@pytest.mark.timeout(600)
@pytest.mark.parametrize("task", [1, 12, 15, 20])
def test_end_to_end_masters_this_task_with_a_thousand_questions(task, datasets):
    trainings = (
        train(datasets / "babi" / "en", (task,), seed=seed, settings=()) for seed in (0, 1)
    )
    errors = (training["errors"][f"task_{task}"] for training in trainings)
    assert any(error <= MASTERED for error in errors)
