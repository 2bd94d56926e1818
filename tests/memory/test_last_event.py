"""The last event alone: a control without a past."""

import torch

from tests.contract.parts import ITEMS, histories, recommender


def scores(model, events):
    state = model.write(model.memory.initial_state(len(events.item)), events)
    return model.scores(model.look(state), torch.arange(ITEMS + 1))


def test_the_past_makes_no_difference():
    model = recommender("memory=last_event")
    events = histories(users=1, events=8, absent=0)
    last = type(events)(*(field[:, -1:] for field in events))
    assert torch.equal(scores(model, events), scores(model, last))


def test_the_context_is_the_event_itself():
    model = recommender("memory=last_event")
    events = histories(users=2, events=4, absent=0)
    state = model.write(model.memory.initial_state(2), events)
    expected = model.input(type(events)(*(field[:, -1:] for field in events)))[:, 0]
    assert torch.equal(model.memory.look(state, model.input).context[:, 0], expected)


def test_absent_events_leave_the_last_one_where_it_is():
    model = recommender("memory=last_event")
    events = histories(users=1, events=4, absent=0)
    absent = events._replace(present=torch.tensor([[True, True, False, False]]))
    state = model.write(model.memory.initial_state(1), absent)
    assert state.item.tolist() == [[events.item[0, 1].item()]]


def test_a_user_takes_24_bytes():
    model = recommender("memory=last_event")
    state = model.write(model.memory.initial_state(1), histories(users=1, events=9, absent=0))
    assert sum(field.nbytes for field in state) == 24
