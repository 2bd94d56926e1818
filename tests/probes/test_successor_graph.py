"""News two edges away reaches an item's node in two propagations, and in no fewer."""

import pytest
import torch

from recsys.task.successor_graph import SuccessorGraph
from tests.probes.solving import ceiling, solve

TASK = ["task=successor_graph", "memory=graph", "output=context_read", "question=written"]


def test_two_propagations_know_the_value_two_items_on():
    errors = solve(
        *TASK, "memory.propagations=2", steps=400, passes=lambda errors: errors["rings"] <= 0.1
    )
    assert errors["rings"] <= 0.1


@pytest.mark.acceptance
@pytest.mark.timeout(900)
@pytest.mark.parametrize("propagations", [0, 1])
def test_fewer_propagations_know_no_more_than_the_ring_allows(propagations):
    errors = ceiling(*TASK, f"memory.propagations={propagations}", steps=2900)
    assert errors["rings"] >= 0.6


def test_the_answer_is_the_value_two_events_after_the_item_asked_for():
    told = SuccessorGraph(nodes=12, values=4, steps=2).draw(50, torch.Generator().manual_seed(0))
    for ring in range(50):
        item, behaviour = told.events.item[ring].tolist(), told.events.behaviour[ring].tolist()
        assert sorted(item[:-1]) == list(range(1, 13))
        assert (item[-1], behaviour[-1]) == (item[0], behaviour[0])
        assert sorted(behaviour[:-1]) == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
        asked = item.index(told.question.item[ring].item())
        assert behaviour[(asked + 2) % 12] - 1 == told.target[ring, 0, 0].item()
