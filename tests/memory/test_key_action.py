"""Item -> action: the slot is found by the item alone and gives back the action alone."""

import torch

from recsys.data.batches import Events
from tests.contract.parts import SLOTS, recommender


def told(*items, actions):
    """One user's events."""
    item, action = torch.tensor([items]), torch.tensor([actions])
    return Events(item, 60 * torch.arange(len(items))[None], action, present=item > 0)


def slots(model, events):
    state = model.write(model.memory.initial_state(1), events)
    return model.memory.look(state, model.input).slots


def test_what_was_done_changes_the_value_and_never_the_key():
    model = recommender("memory=key_action")
    seen, bought = (slots(model, told(3, 5, actions=[a, 2])) for a in (1, 2))
    assert torch.equal(seen.keys, bought.keys)
    assert not torch.equal(seen.values[:, -2], bought.values[:, -2])
    assert torch.equal(seen.values[:, -1], bought.values[:, -1])


def test_what_it_was_done_with_changes_the_key_and_never_the_value():
    model = recommender("memory=key_action")
    one, other = (slots(model, told(item, actions=[2])) for item in (3, 4))
    assert torch.equal(one.values, other.values)
    assert not torch.equal(one.keys, other.keys)


def test_a_key_is_what_the_candidate_of_the_same_item_asks_with():
    model = recommender("memory=key_action")
    with torch.no_grad():
        model.input.behaviour.weight[0] = 0  # padding, as training leaves it
    found = slots(model, told(3, 5, actions=[1, 2]))
    torch.testing.assert_close(found.keys[0, -2:], model.input.query(torch.tensor([3, 5])))


def test_the_context_knows_the_action():
    model = recommender("memory=key_action")
    states = [
        model.write(model.memory.initial_state(1), told(3, actions=[action])) for action in (1, 2)
    ]
    one, other = (model.memory.look(state, model.input).context[:, 0] for state in states)
    assert not torch.allclose(one, other)


def test_the_state_is_the_log_of_24_bytes_a_slot():
    model = recommender("memory=key_action")
    items = range(1, SLOTS + 3)
    state = model.write(model.memory.initial_state(1), told(*items, actions=[1] * len(items)))
    assert state.item[0].tolist() == list(items)[-SLOTS:]
    assert sum(field.element_size() * field[0].numel() for field in state) == 24 * SLOTS
