"""Decoys in a world of tastes: who is told which slots are strangers' stops reading them."""

import numpy as np
import pytest
import torch

from recsys.auxiliary.contract import Seen
from recsys.auxiliary.disturbance import Disturbance, share_of
from recsys.auxiliary.reads import weights_of_targets
from recsys.data.batches import window
from recsys.data.datamodule import stretches
from tests import worlds
from tests.evaluation.tiny import prepared

TASTES, SIDE = 8, 12
MIXED = ("decoys=0.5", "memory=key_value", "slots=20", "width=16")
PENALTY = (
    "+auxiliary.read_irrelevant._target_=recsys.auxiliary.read_irrelevant.ReadIrrelevant",
    "+auxiliary.read_irrelevant.weight=10.0",
)


def tastes(*, users=400, events=10, seed=0):
    """Each user takes items of one taste only, in any order, none twice."""
    draw = np.random.default_rng(seed)
    return prepared(
        [user % TASTES * SIDE + 1 + draw.permutation(SIDE)[:events] for user in range(users)],
        items=TASTES * SIDE,
    )


def decoy_mass(model, world):
    """Mean weight that targets give to decoys."""
    torch.manual_seed(9)
    windows = stretches(world, length=20)
    batch = window(world.histories, **windows._asdict(), targets=1.0)
    mixed, decoy = Disturbance(event_dropout=0.0, decoys=0.5, dot_dropout=0.0)(batch)
    with torch.no_grad():
        seen = Seen(model, mixed.events, model.along(mixed.events), mixed.target, decoy)
        share = share_of(weights_of_targets(seen), decoy)
    return share[mixed.target > 0].mean().item()


def ndcg(model, world):
    from recsys.evaluation.protocol import evaluate
    from recsys.run import TrainedScorer

    scorer = TrainedScorer(model, history=20, items=world.items)
    report = evaluate(scorer, world, part="test", ks=(10,), seen="exclude", batch_size=200)
    return report.summary["ndcg@10"]


@pytest.mark.acceptance
def test_the_penalty_takes_the_reads_off_decoys_and_costs_no_quality():
    world = tastes()
    plain = worlds.trained(world, *MIXED, epochs=40, batch_size=40).model.eval()
    told = worlds.trained(world, *MIXED, *PENALTY, epochs=40, batch_size=40).model.eval()
    assert decoy_mass(told, world) <= decoy_mass(plain, world) / 5
    assert ndcg(told, world) >= 0.99 * ndcg(plain, world)
