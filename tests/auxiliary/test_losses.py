"""Each auxiliary loss on numbers that can be followed by hand."""

import math

import pytest
import torch

from recsys.auxiliary.clustering import Clustering
from recsys.auxiliary.contract import Seen
from recsys.auxiliary.decorrelate import Decorrelate
from recsys.auxiliary.next_item import NextItem
from recsys.auxiliary.read_irrelevant import ReadIrrelevant
from recsys.auxiliary.reconstruct import Reconstruct
from recsys.auxiliary.utilise import Utilise
from recsys.auxiliary.write_balance import WriteBalance
from recsys.errors import ConfigError
from tests.contract.parts import histories, part, recommender


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


def test_next_item_asks_the_state_after_each_event_what_followed():
    step = seen("memory=dynamic", "output=dien")
    model, target = step.model, step.target.clone()
    target[0, 2] = 0  # nothing is asked there
    step = step._replace(target=target)
    known = (target > 0) & step.events.present
    torch.manual_seed(0)
    cost = NextItem(weight=2.0)(step)
    torch.manual_seed(0)
    asked = target[known]
    drawn = iter(asked[torch.randint(len(asked), asked.shape)].tolist())
    vector, losses = model.input.item, []
    for user, place in known.nonzero().tolist():
        past = part(part(step.events, [user]), slice(0, place + 1))
        state = model.write(model.memory.initial_state(1), past)
        interest = model.memory.look(state, model.input).context[0, 0]
        right, wrong = int(target[user, place]), next(drawn)
        if wrong != right:
            scores = torch.stack([vector(torch.tensor(item)) @ interest for item in (right, wrong)])
            losses.append(-scores[0].sigmoid().log() - (1 - scores[1].sigmoid()).log())
    assert 5 < len(losses) < int(known.sum())
    torch.testing.assert_close(cost, 2 * torch.stack(losses).mean())


def test_next_item_refuses_a_memory_without_a_state_for_each_event():
    with pytest.raises(ConfigError, match="memory=dynamic"):
        NextItem(weight=1.0)(seen("memory=gru"))


def test_clustering_is_the_mean_divergence_of_the_shares_of_what_is_present():
    step = seen("memory=graph_centroids")
    shares = step.model.memory.shares(step.model.input(step.events))[step.events.present]
    aim = shares**2 / shares.sum(0)
    aim = aim / aim.sum(1, keepdim=True)
    expected = (aim * (aim / shares).log()).sum() / len(shares)
    assert expected > 0
    torch.testing.assert_close(Clustering(weight=3.0)(step), 3 * expected)


def test_clustering_refuses_a_memory_without_centroids():
    with pytest.raises(ConfigError, match="memory=graph_centroids"):
        Clustering(weight=1.0)(seen("memory=key_value"))


@pytest.mark.parametrize(
    ("words", "loss"),
    [
        (("memory=dynamic", "output=dien"), NextItem(weight=1.0)),
        (("memory=graph_centroids",), Clustering(weight=1.0)),
    ],
)
def test_a_step_without_events_costs_nothing(words, loss):
    step = seen(*words)
    nothing = step.events._replace(present=step.events.present & False)
    cost = loss(step._replace(events=nothing, target=step.target * 0))
    assert cost == 0
    cost.backward()
