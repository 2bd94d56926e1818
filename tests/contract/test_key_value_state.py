"""What only the log of the key-value memory promises."""

import torch

from tests.contract.parts import ITEMS, SLOTS, histories, part, recommender

CATALOGUE = torch.arange(ITEMS + 1)


def test_empty_slots_in_front_change_no_answer():
    model = recommender("memory=key_value")
    state = model.write(model.memory.initial_state(3), histories(events=3, absent=0))
    longer = type(state)(*(torch.nn.functional.pad(field, (2, 0)) for field in state))
    torch.testing.assert_close(
        model.scores(model.look(longer), CATALOGUE), model.scores(model.look(state), CATALOGUE)
    )


def test_only_the_newest_events_are_kept_in_order():
    model = recommender("memory=key_value")
    events = histories(users=1, events=12, absent=0)
    state = model.write(model.memory.initial_state(1), events)
    assert state.item[0].tolist() == events.item[0, -SLOTS:].tolist()
    assert state.time[0].tolist() == events.time[0, -SLOTS:].tolist()


def test_a_deleted_event_leaves_no_trace():
    model = recommender("memory=key_value")
    events = histories(users=1, events=4, absent=0)
    whole = model.write(model.memory.initial_state(1), events)
    kept = [0, 1, 3]
    forgotten = type(whole)(*(field[:, [-4, -3, -1]] for field in whole))
    never = part(events, slice(None))
    never = type(events)(*(field[:, kept] for field in never))
    other = model.write(model.memory.initial_state(1), never)
    torch.testing.assert_close(
        model.scores(model.look(forgotten), CATALOGUE), model.scores(model.look(other), CATALOGUE)
    )
