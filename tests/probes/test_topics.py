"""The user's verdict on the candidate's topic: values at addresses that all users share.

Who cannot address by topic knows at best how many of the four are liked: 5 of 16 wrong. Verdicts
that are folded into one number, with a threshold a topic, cannot all be told apart either.
"""

import pytest
import torch

from recsys.task.topics import Topics
from tests.probes.solving import ceiling, solve

TASK = ("task=topics", "lesson.goal=0.005", "lesson.check_every=50")


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("memory", "steps"),
    [("rum", 400), ("entity_network", 400)],
)
def test_shared_keys_with_values_of_the_users_own_know_it(memory, steps):
    keyed = (*TASK, f"memory={memory}", "optimizer.lr=0.01")
    errors = solve(*keyed, steps=steps, passes=lambda wrong: wrong["verdict"] <= 0.05)
    assert errors["verdict"] <= 0.05


@pytest.mark.timeout(900)
@pytest.mark.parametrize("memory", ["mean_pool", "last_event"])
def test_one_vector_that_the_candidate_cannot_address_does_not(memory):
    control = (*TASK, f"memory={memory}", "output=candidate_read", "optimizer.lr=0.01")
    assert ceiling(*control, steps=500)["verdict"] >= 0.25


def test_items_of_a_topic_share_the_verdict_and_every_topic_was_seen_alike():
    told = Topics(topics=4, items=10, length=16).draw(100, torch.Generator().manual_seed(0))
    for row in range(100):
        verdicts = {}
        item, behaviour = told.events.item[row].tolist(), told.events.behaviour[row].tolist()
        for one, verdict in zip(item, behaviour, strict=True):
            verdicts.setdefault(one % 4, []).append(verdict - 1)
        assert {topic: len(those) for topic, those in verdicts.items()} == dict.fromkeys(
            range(4), 4
        )
        assert all(len(set(those)) == 1 for those in verdicts.values())
        assert told.target[row].item() == verdicts[told.question.item[row].item() % 4][0]
    assert not told.question.behaviour.any()
    assert told.events.item.unique().tolist() == list(range(1, 41))
