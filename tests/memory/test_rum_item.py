"""User memory by items: the newest few events, first in, first out."""

import torch

from tests.contract.parts import ITEMS, histories, recommender


def written(*, events, items=5):
    model = recommender("memory=rum_item", f"memory.items={items}")
    return model, model.write(model.memory.initial_state(len(events.item)), events)


def test_the_newest_events_are_kept_first_in_first_out():
    events = histories(users=2, events=12, absent=0.2)
    _, state = written(events=events)
    for user in range(2):
        past = events.item[user][events.present[user]].tolist()
        expected = [0] * (5 - len(past[-5:])) + past[-5:]
        assert state.item[user].tolist() == expected


def test_a_slot_gives_back_the_event_it_is_found_by():
    events = histories(users=2, events=12, absent=0)
    model, state = written(events=events)
    slots = model.memory.look(state, model.input).slots
    assert torch.equal(slots.keys, slots.values)
    assert torch.equal(slots.keys, model.input(type(events)(*(f[:, -5:] for f in events))))
    assert torch.equal(slots.item, events.item[:, -5:])


def test_an_event_beyond_the_newest_leaves_no_trace():
    events = histories(users=1, events=9, absent=0)
    other = type(events)(*(field.clone() for field in events))
    other.item[:, :4] = other.item[:, :4] % ITEMS + 1
    everybody = torch.arange(ITEMS + 1)
    scores = []
    for past in (events, other):
        model, state = written(events=past)
        scores.append(model.scores(model.look(state), everybody))
    assert torch.equal(*scores)


def test_it_has_no_parameters_of_its_own():
    assert list(recommender("memory=rum_item").memory.parameters()) == []
