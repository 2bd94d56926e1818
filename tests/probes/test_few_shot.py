"""Few-shot binding: names dealt out anew in every episode, told one event late."""

import pytest
import torch

from recsys.task.few_shot import FewShot
from tests.probes.solving import solve

FEW_SHOT = ("task=few_shot", "output=context_read", "lesson.batch_size=32")
MANN = (*FEW_SHOT, "memory=mann", "width=64", "lesson.check_every=50", "lesson.goal=0.05")


@pytest.mark.acceptance
@pytest.mark.timeout(900)
def test_least_used_access_binds_a_name_after_one_showing():
    errors = solve(
        *MANN, steps=1300, passes=lambda wrong: wrong["second"] <= 0.2 and wrong["fifth"] <= 0.1
    )
    assert errors["second"] <= 0.2
    assert errors["fifth"] <= 0.1
    assert errors["first"] >= 0.55  # nobody can know a name before it was told


def few_shot():
    return FewShot(ways=5, shots=7, things=20, noise=0.3, sitting=9)


def test_a_name_is_told_one_event_late():
    episodes = few_shot().draw(6, torch.Generator().manual_seed(0))
    assert (episodes.events.behaviour[:, 0] == 0).all()
    assert torch.equal(episodes.events.behaviour[:, 1:], episodes.target[:, :-1, 0] + 1)


def test_exams_show_new_things_and_ask_each_once():
    task = few_shot()
    taught = task.draw(50, torch.Generator().manual_seed(0)).events.item
    for episodes in task.exams(torch.Generator().manual_seed(0)).values():
        assert episodes.events.item.min() > taught.max()
        assert ((episodes.target >= 0).sum(dim=1) == 5).all()


def test_no_view_is_shown_twice_in_an_episode():
    item = few_shot().draw(6, torch.Generator().manual_seed(0)).events.item
    assert all(row.unique().numel() == 35 for row in item)
