import numpy as np
import torch

from recsys.baselines.bpr_mf import BprMf
from recsys.data.batches import questions
from tests.evaluation.tiny import prepared

SETTINGS = {"width": 8, "batch_size": 64, "rate": 0.02, "regularisation": 0.001, "seed": 0}


def camps(*, users=60, side=10, events=8):
    """Even users take even items, odd users odd ones, each a few of them."""
    draw = np.random.default_rng(0)
    return prepared(
        [2 * (draw.permutation(side)[:events] + 1) - user % 2 for user in range(users)],
        items=2 * side,
    )


def scored(scorer, world):
    (question,) = questions(world, "test", batch_size=100, history=scorer.history)
    return question, scorer.scores(question)


def test_the_side_of_a_user_is_found():
    world = camps()
    question, scores = scored(BprMf(epochs=60, **SETTINGS).fit(world), world)
    side = torch.arange(1, 21) % 2 == (question.user % 2)[:, None]
    truth = scores[tuple(question.truth.T)]  # never trained on, and drawn as a negative
    other = (scores[:, 1:] * ~side).sum(1) / 10
    assert (truth > other).float().mean() > 0.95


def test_a_user_without_training_events_is_ranked_by_the_biases():
    world = camps()
    begin = np.asarray(world.histories.offset[:-1])
    train_end = np.asarray(world.split.train_end).copy()
    train_end[:5] = begin[:5]
    scorer = BprMf(epochs=2, **SETTINGS).fit(
        world._replace(split=world.split._replace(train_end=train_end))
    )
    assert scorer.known.tolist() == [False] * 5 + [True] * 55
    _, scores = scored(scorer, world)
    assert torch.equal(scores[:5], scorer.bias.expand(5, -1))
    assert not torch.equal(scores[5], scorer.bias)


def test_the_same_seed_gives_the_same_vectors():
    world = camps(users=9)
    first, second = (BprMf(epochs=2, **SETTINGS).fit(world) for _ in range(2))
    assert torch.equal(first.user, second.user)
    other = BprMf(epochs=2, **{**SETTINGS, "seed": 1}).fit(world)
    assert not torch.equal(first.user, other.user)
