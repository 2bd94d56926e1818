"""One slot of forty is picked, nobody tells which: the reward of the answer alone must teach it."""

import pytest

from recsys.teaching.contract import Taught, Teaching
from tests.probes.test_supervised_reads import reads

SETTINGS = (
    *("task=recall", "memory=key_action", "output=hard_read", "output.hops=1"),
    *("slots=40", "width=64", "optimizer.lr=0.01", "lesson.batch_size=256"),
    *("lesson.check_every=50", "lesson.goal=0.02"),
)

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]


class Unrewarded(Teaching):
    """Picks are drawn, and what follows them learns; they themselves are not taught."""

    def __call__(self, output, along, *, support, cost, step):
        view = output.draw(*along).view
        return Taught(view, cost(view))


def test_the_reward_teaches_which_slot_to_pick():
    for seed in (0, 1):
        answered, picked = reads(*SETTINGS, "teaching=reinforced", seed=seed, steps=1500)
        if answered >= 0.97 and picked >= 0.95:
            break
    assert answered >= 0.97
    assert picked >= 0.95


def test_without_the_reward_of_the_picks_nothing_is_found():
    answered, picked = reads(*SETTINGS, seed=0, steps=420, teaching=Unrewarded())
    assert answered <= 0.40
    assert picked <= 0.10
