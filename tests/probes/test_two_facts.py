"""Two facts in a row: what the first hop reads must become the question of the second."""

import pytest
import torch

from recsys.task.two_facts import TwoFacts
from tests.probes.solving import ceiling, solve

SIZES = {"persons": 4, "rooms": 6, "objects": 3, "events": 20, "fewest": 6}
SETTINGS = ("task=two_facts", "memory=end_to_end", "slots=20", "lesson.goal=0.005")
LINEAR_START = "output.linear_steps=1000"
RECIPE = (*SETTINGS, "optimizer.lr=0.01", "lesson.steps=6000", "lesson.halve_every=1500")


@pytest.mark.acceptance
@pytest.mark.timeout(900)
def test_three_hops_with_linear_start_follow_the_facts():
    errors = solve(*RECIPE, LINEAR_START, steps=6000, passes=lambda found: found["stories"] <= 0.02)
    assert errors["stories"] <= 0.02


@pytest.mark.acceptance
@pytest.mark.timeout(900)
def test_one_hop_cannot():
    assert ceiling(*RECIPE, LINEAR_START, "memory.hops=1", steps=1500)["stories"] >= 0.40


def sentences(task, item):
    """Items as tuples of words."""
    return task.table(1).sentences[item].tolist()


def test_the_answer_is_where_the_holder_went_last():
    task = TwoFacts(**SIZES, stories=50)
    told = task.draw(40, torch.Generator().manual_seed(0))
    for row in range(40):
        [[_, thing, _]] = sentences(task, told.question.item[row])
        where, holder = {}, {}
        present = told.events.present[row]
        for name, verb, what in sentences(task, told.events.item[row][present]):
            (where if verb == 1 else holder)[name if verb == 1 else what] = (
                what if verb == 1 else name
            )
        room = where[holder[thing]]
        assert told.target[row].item() == room - 4 - SIZES["persons"]


def test_support_is_the_taking_and_then_the_move():
    task = TwoFacts(**SIZES, stories=50)
    told = task.draw(40, torch.Generator().manual_seed(1))
    taking, moving = (
        sentences(task, told.events.item.gather(1, told.support[:, [hop]])[:, 0]) for hop in (0, 1)
    )
    asked = sentences(task, told.question.item[:, 0])
    for (taker, took, what), (mover, moved, room), (_, thing, _), target in zip(
        taking, moving, asked, told.target.flatten().tolist(), strict=True
    ):
        assert (took, moved) == (2, 1)
        assert what == thing
        assert mover == taker
        assert room - 4 - SIZES["persons"] == target


def test_stories_have_six_to_twenty_events_at_the_end_of_their_rows():
    task = TwoFacts(**SIZES, stories=500)
    present = task.draw(400, torch.Generator().manual_seed(2)).events.present
    length = present.sum(1)
    assert (length.min(), length.max()) == (6, 20)
    assert (present.long().diff(dim=1) >= 0).all()


def test_training_draws_from_fixed_stories_and_exams_are_others():
    task = TwoFacts(**SIZES, stories=100)
    again = TwoFacts(**SIZES, stories=100)
    assert torch.equal(task.known.events.item, again.known.events.item)
    known = {tuple(row) for row in task.known.events.item.tolist()}
    drawn = task.draw(300, torch.Generator().manual_seed(3)).events.item.tolist()
    exam = task.exams(torch.Generator().manual_seed(3))["stories"].events.item.tolist()
    assert {tuple(row) for row in drawn} <= known
    assert len({tuple(row) for row in exam} & known) < 10  # the shortest stories may coincide
