"""A world of tastes: what is not of the user's taste is noise, and the memory says so."""

import pytest
import torch

from recsys.errors import ConfigError
from recsys.noise import denoised, implausible
from tests import worlds
from tests.auxiliary.test_decoys import SIDE, TASTES, tastes
from tests.contract.parts import histories, recommender


@pytest.fixture(scope="module")
def model():
    settings = ("memory=key_value", "slots=20", "width=16")
    return worlds.trained(tastes(), *settings, epochs=15, batch_size=40).model.eval()


def mixed(model):
    """Logs of one user a taste: eight own events, and between them one of every other taste."""
    own = torch.stack([torch.arange(8) + taste * SIDE + 1 for taste in range(TASTES)])
    other = (torch.arange(TASTES)[:, None] + torch.arange(1, 9)) % TASTES  # the eighth is unused
    strange = other * SIDE + torch.arange(8) + 1
    item = torch.stack([own, strange], dim=2).flatten(1)[:, :15]
    from recsys.data.batches import Events

    events = Events(item, torch.arange(15).expand(TASTES, -1) * 60, item * 0, item > 0)
    return model.write(model.memory.initial_state(TASTES), events), item


@torch.no_grad()
def test_strange_events_are_dropped_and_own_ones_stay(model):
    state, _ = mixed(model)
    left = denoised(model, state, below=1 - 1 / TASTES, rounds=3).item  # a taste is an eighth
    taste = torch.arange(TASTES)[:, None]
    own = (left > 0) & ((left - 1) // SIDE == taste)
    strange = (left > 0) & ~own
    assert own.sum() >= 0.8 * 8 * TASTES
    assert strange.sum() <= 0.1 * 7 * TASTES


@torch.no_grad()
def test_an_event_does_not_vouch_for_itself(model):
    state, _ = mixed(model)
    state = type(state)(*(field[:, -1:] for field in state))  # one event and nothing else
    empty = model.memory.initial_state(TASTES)
    view = model.look(state)
    alone = model.own_scores(view, state.item) - model.effect(view, state.item).effect[..., -1]
    memory = model.scores(model.look(empty)._replace(user=view.user), state.item[:, 0])
    torch.testing.assert_close(alone[:, 0], memory[:, 0].diagonal(), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_nothing_is_implausible_below_the_lowest_score(model):
    state, _ = mixed(model)
    gone = implausible(model, state, below=0.0)
    assert gone.float().mean() < 0.1  # an event may score lowest of all without its own slot


def test_a_memory_that_does_not_explain_is_refused():
    model = recommender("memory=gru")
    state = model.write(model.memory.initial_state(3), histories())
    with pytest.raises(ConfigError, match="memory=key_value"):
        denoised(model, state, below=0.5, rounds=1)
