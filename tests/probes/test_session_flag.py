"""A question finds one event, another one of its session answers: only two levels can."""

import pytest
import torch

from recsys.task.session_flag import SessionFlag
from tests.probes.solving import ceiling, solve

TASK = ["task=session_flag", "memory=hierarchical"]
ASKED = ["output.hops=0", "output.address=candidate", "output.strength=4.0"]


def test_two_levels_answer_what_the_session_knows():
    errors = solve(*TASK, *ASKED, steps=400, passes=lambda errors: errors["stories"] <= 0.03)
    assert errors["stories"] <= 0.03


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("flat", [ASKED, ["output.hops=2"]])
def test_a_flat_read_of_the_same_memory_cannot(flat):
    errors = ceiling(*TASK, "output=candidate_read", *flat, steps=2000)
    assert errors["stories"] >= 0.4


@pytest.mark.acceptance
@pytest.mark.timeout(900)
def test_the_mean_of_all_events_cannot():
    errors = ceiling("task=session_flag", "memory=mean_pool", "question=written", steps=7500)
    assert errors["stories"] >= 0.5


def test_the_answer_is_the_value_of_the_flag_of_the_same_session():
    task = SessionFlag(sessions=3, length=4, catalogue=20, values=5)
    told = task.draw(50, torch.Generator().manual_seed(0))
    for story in range(50):
        item, time, behaviour = (field[story].tolist() for field in told.events[:3])
        asked = item.index(told.question.item[story].item())
        mates = [place for place in range(12) if abs(time[place] - time[asked]) < 60]
        flagged = [behaviour[place] - 6 for place in mates if behaviour[place] > 5]
        assert len(mates) == 4
        assert flagged == [told.target[story, 0, 0].item()]
        assert behaviour[told.support[story, 0]] - 6 == flagged[0]
