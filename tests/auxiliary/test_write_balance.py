"""Topics as frequent as words: a memory of few slots writes most into few, unless it is paid."""

import math

import numpy as np
import pytest
import torch

from recsys.data.batches import asked, question
from tests import worlds
from tests.evaluation.tiny import prepared

TOPICS, SIDE, EVENTS = 12, 8, 20
PLAIN = ("memory=mimn", "output=candidate_read", "slots=20", "memory.slots=8", "width=16")
PAID = (*PLAIN, "auxiliary=[write_balance]")


def zipf(*, users=400, seed=0):
    """Each user takes items of three topics; topic k is drawn as often as 1 / k."""
    draw = np.random.default_rng(seed)
    share = 1 / np.arange(1, TOPICS + 1)
    histories = []
    for _ in range(users):
        tastes = draw.choice(TOPICS, size=3, replace=False, p=share / share.sum())
        topic = tastes[draw.integers(3, size=EVENTS)]
        histories.append(topic * SIDE + 1 + draw.integers(SIDE, size=EVENTS))
    return prepared(histories, items=TOPICS * SIDE, splitter=worlds.LAST_EVENT)


@torch.no_grad()
def evenness_and_auc(words, world, *, seed):
    """Entropy of a held-out user's writes over the slots, as a share of log N, and AUC."""
    model = worlds.trained(world, *words, epochs=8, batch_size=40, seed=seed).model.eval()
    asks = question(world, "test", users=asked(world, "test"), history=EVENTS)
    written = model.write(model.memory.initial_state(len(asks.user)), asks.events).written
    used = written / written.sum(1, keepdim=True)
    entropy = torch.special.entr(used).sum(1).mean() / math.log(used.shape[1])
    scores = model(asks.events, torch.arange(1, world.items + 1))
    above = scores.gather(1, asks.truth[:, 1:] - 1) > scores
    return entropy.item(), (above.sum(1) / (world.items - 1)).mean().item()


@pytest.mark.acceptance
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_penalty_spreads_the_writes_and_costs_no_quality(seed):
    world = zipf()
    plain, quality = evenness_and_auc(PLAIN, world, seed=seed)
    paid, kept = evenness_and_auc(PAID, world, seed=seed)
    assert paid >= 0.9
    assert paid > plain
    assert kept >= 0.99 * quality
