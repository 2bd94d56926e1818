"""What happened 1, 9 or 33 events ago, as the question chooses: one time scale a layer.

Chance is seven in eight wrong; who knows the newest event and guesses the others is wrong in 58.3
% of all cases.
"""

import pytest
import torch

from recsys.task.lag_query import LagQuery
from tests.probes.solving import ceiling, solve

TASK = ("task=lag_query", "lesson.goal=0.01")


@pytest.mark.acceptance
@pytest.mark.timeout(900)
def test_periodic_layers_keep_all_three():
    errors = solve(*TASK, "memory=hpmn", steps=1100, passes=lambda wrong: wrong["any lag"] <= 0.05)
    assert errors["any lag"] <= 0.05


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_wider_recurrent_unit_keeps_the_newest():
    gru = (*TASK, "memory=gru", "question=written", "width=64")
    errors = ceiling(*gru, steps=1500)
    assert errors["any lag"] >= 0.4
    assert errors["lag 1"] <= 0.05


def test_the_answer_is_so_many_events_back():
    task = LagQuery(symbols=8, length=64, lags=[1, 9, 33])
    told = task.draw(300, torch.Generator().manual_seed(0))
    asked = told.question.item[:, 0].tolist()
    assert set(asked) == {9, 10, 11}
    for row, question in enumerate(asked):
        back = {9: -1, 10: -9, 11: -33}[question]
        assert told.target[row].item() + 1 == told.events.item[row, back].item()
        assert told.events.item[row, told.support[row, 0]] == told.events.item[row, back]


def test_the_exams_ask_for_each_lag_of_the_same_stories():
    exams = LagQuery(symbols=8, length=64, lags=[1, 9, 33]).exams(torch.Generator().manual_seed(0))
    assert list(exams) == ["any lag", "lag 1", "lag 9", "lag 33"]
    assert torch.equal(exams["lag 9"].events.item, exams["any lag"].events.item)
    assert (exams["lag 9"].target[:, 0, 0] + 1).tolist() == exams["any lag"].events.item[
        :, -9
    ].tolist()
