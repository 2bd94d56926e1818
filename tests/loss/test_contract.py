"""What every objective of conf/loss must hold, through the scores of a whole catalogue."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate

from recsys.config import CONF
from tests.contract.parts import config

LOSSES = sorted(file.stem for file in (Path(CONF) / "loss").glob("*.yaml"))
ITEMS = 6
COUNT = torch.tensor([0, 5, 1, 9, 2, 2, 4])
TARGET = torch.tensor([2, 5, 1, 1])


@pytest.fixture(params=LOSSES)
def loss(request):
    return instantiate(config(f"loss={request.param}").loss, count=COUNT)


def lost(loss, scores, *, seed=0):
    """Loss at each position of these scores ``[position, item]``, and the items drawn."""
    item, log_expected = loss.draw(torch.Generator().manual_seed(seed))
    positive = scores.gather(1, TARGET[:, None] - 1)[:, 0]
    accidental = TARGET[:, None] == item
    return loss(positive, scores[:, item - 1], log_expected, accidental), item


def scored(wanted, *, high, low):
    """Scores that put one item of each position above all others."""
    return torch.full((len(wanted), ITEMS), low).scatter(1, wanted[:, None] - 1, high)


def test_draws_are_items_of_the_catalogue(loss):
    item, log_expected = loss.draw(torch.Generator().manual_seed(0))
    assert item.dtype == torch.long
    assert item.min() >= 1
    assert item.max() <= ITEMS
    assert log_expected.shape == item.shape
    assert log_expected.isfinite().all()


def test_the_same_generator_state_draws_the_same(loss):
    first, again, other = (loss.draw(torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(first.item, again.item)
    assert torch.equal(first.log_expected, again.log_expected)
    everything = torch.equal(first.item.unique(), first.item)  # nothing was left to chance
    assert everything or not torch.equal(first.item, other.item)


def test_the_target_is_pushed_up_and_the_others_down(loss):
    scores = torch.randn(4, ITEMS, generator=torch.Generator().manual_seed(1), requires_grad=True)
    loss_of_each, item = lost(loss, scores)
    loss_of_each.sum().backward()
    is_target = torch.zeros(4, ITEMS, dtype=torch.bool).scatter(1, TARGET[:, None] - 1, True)
    drawn = torch.zeros(ITEMS, dtype=torch.bool).index_fill(0, item - 1, True)
    assert drawn.all()  # with so many draws of so few items
    assert (scores.grad[is_target] < 0).all()
    assert (scores.grad[~is_target] > 0).all()


def test_the_right_answer_costs_less_than_a_wrong_one(loss):
    right, _ = lost(loss, scored(TARGET, high=2.0, low=-1.0))
    wrong, _ = lost(loss, scored(TARGET % ITEMS + 1, high=2.0, low=-1.0))
    assert right.shape == TARGET.shape
    assert (right < wrong).all()
    assert (right >= 0).all()


@pytest.mark.parametrize(("high", "low"), [(50.0, -50.0), (-50.0, 50.0), (50.0, 50.0)])
def test_loud_scores_stay_finite(loss, high, low):
    scores = scored(TARGET, high=high, low=low).requires_grad_()
    loss_of_each, _ = lost(loss, scores)
    loss_of_each.sum().backward()
    assert loss_of_each.isfinite().all()
    assert scores.grad.isfinite().all()


def test_positions_do_not_touch(loss):
    scores = torch.randn(4, ITEMS, generator=torch.Generator().manual_seed(1))
    other = torch.cat([scores[:1], scores[1:] * 3])
    assert torch.equal(lost(loss, scores)[0][:1], lost(loss, other)[0][:1])
