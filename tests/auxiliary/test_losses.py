"""Each auxiliary loss on numbers that can be followed by hand."""

import math

import pytest
import torch

from recsys.auxiliary.contract import Seen
from recsys.auxiliary.decorrelate import Decorrelate
from recsys.auxiliary.read_irrelevant import ReadIrrelevant
from recsys.auxiliary.reconstruct import Reconstruct
from recsys.auxiliary.utilise import Utilise
from recsys.auxiliary.write_balance import WriteBalance
from recsys.errors import ConfigError
from tests.contract.parts import histories, recommender


def seen(*overrides, decoy=None):
    model = recommender(*overrides)
    events = histories(absent=0.1)
    target = events.item.roll(-1, 1)
    decoy = torch.zeros_like(events.present) if decoy is None else decoy
    return Seen(model, events, model.along(events), target, decoy)


def with_view(**fields):
    """A step of which only these parts of the view matter; two positions asked, one not."""
    step = seen("memory=key_value")
    return step._replace(target=torch.tensor([[3, 4, 0]]), view=step.view._replace(**fields))


def test_utilise_is_least_for_peaked_reads_of_different_slots():
    cost = Utilise(weight=1.0)
    peaked = torch.tensor([[[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]]])
    same = torch.tensor([[[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]]])
    flat = torch.full((1, 1, 3, 2), 0.5)
    assert cost(with_view(hops=peaked)).item() == pytest.approx(-math.log(2))
    assert cost(with_view(hops=same)).item() == pytest.approx(0)
    assert cost(with_view(hops=flat)).item() == pytest.approx(0)


def test_decorrelate_is_the_norm_of_what_slots_share():
    keys = torch.tensor([[[1.0, -1.0], [1.0, -1.0], [5.0, 9.0]]])
    filled = torch.tensor([[[True, True, False]]])
    slots = seen("memory=key_value").view.slots._replace(keys=keys, filled=filled)
    cost = Decorrelate(weight=2.0)(with_view(slots=slots))
    assert cost.item() == pytest.approx(2 * math.sqrt(2))  # covariance 1, above and below
    alone = torch.tensor([[[True, False, False]]])
    cost = Decorrelate(weight=2.0)(with_view(slots=slots._replace(filled=alone)))
    assert cost.item() == pytest.approx(0, abs=1e-5)


def test_read_irrelevant_is_the_mean_weight_on_decoys():
    decoy = histories(absent=0.1).present & (torch.arange(7) % 2 == 0)
    step = seen("memory=key_value", decoy=decoy)
    weights = step.model.effect(step.view, step.target).weights
    expected = []
    for user, place in (step.target > 0).nonzero().tolist():
        on_decoys = weights[user, place, 1:][decoy[user]]  # slot 0 is the empty start
        expected.append(on_decoys.sum())
    cost = ReadIrrelevant(weight=3.0)(step)
    torch.testing.assert_close(cost, 3 * torch.stack(expected).mean())


def test_read_irrelevant_refuses_a_memory_that_does_not_know_its_events():
    with pytest.raises(ConfigError, match="memory=key_value"):
        ReadIrrelevant(weight=1.0)(seen("memory=gru"))


@pytest.mark.parametrize("memory", ["key_value", "gru"])
def test_reconstruct_asks_the_newest_memory_of_a_past_item(memory):
    step = seen(f"memory={memory}", "output=candidate_read")
    state = step.model.write(step.model.memory.initial_state(3), step.events)
    torch.manual_seed(2)  # draws two different items
    cost = Reconstruct(weight=1.0)(step)
    torch.manual_seed(2)
    drawn = torch.rand_like(step.events.present, dtype=torch.float)
    place = torch.where(step.events.present, drawn, -1.0).argmax(1)
    past = step.events.item.gather(1, place[:, None])[:2, 0]  # the last user has no event
    scores = step.model.scores(step.model.look(state), past)[:2, 0]
    expected = torch.nn.functional.cross_entropy(scores, torch.arange(2))
    assert past[0] != past[1]
    torch.testing.assert_close(cost, expected, rtol=1e-4, atol=1e-5)


def test_write_balance_is_the_variance_of_what_the_slots_have_had_at_the_end():
    step = seen("memory=mimn")
    state = step.model.write(step.model.memory.initial_state(3), step.events)
    expected = state.written.var(dim=1, unbiased=False).mean()
    assert expected > 0
    torch.testing.assert_close(WriteBalance(weight=2.0)(step), 2 * expected)


def test_write_balance_refuses_a_memory_that_does_not_sum_its_writes():
    with pytest.raises(ConfigError, match="memory=mimn"):
        WriteBalance(weight=1.0)(seen("memory=gru"))
