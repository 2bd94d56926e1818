"""What is looked up late: a log holds what happened, tables say what it means."""

import torch

from recsys.input.table import own_rows
from tests.contract.parts import ITEMS, SLOTS, WIDTH, histories, recommender


def test_the_state_is_the_log_of_24_bytes_a_slot():
    model = recommender("memory=key_value")
    state = model.write(model.memory.initial_state(1), histories(users=1, events=9, absent=0))
    assert sum(field.element_size() * field[0].numel() for field in state) == 24 * SLOTS


def test_keys_come_from_the_input_and_values_from_a_table_of_its_own():
    model = recommender("memory=key_value")
    events = histories(users=1, events=SLOTS, absent=0)
    state = model.write(model.memory.initial_state(1), events)
    slots = model.memory.look(state, model.input).slots
    torch.testing.assert_close(slots.keys, model.input(events))
    torch.testing.assert_close(slots.values[0], model.memory.value.weight[events.item[0]])


def test_new_weights_make_no_stored_state_stale():
    model = recommender("memory=key_value")
    events = histories(users=2, events=4, absent=0)
    before = model.write(model.memory.initial_state(2), events)
    model.memory.value = own_rows(WIDTH, items=ITEMS)
    after = model.write(model.memory.initial_state(2), events)
    old, new = (model.memory.look(state, model.input).slots for state in (before, after))
    assert torch.equal(old.values, new.values)


def test_checkpoints_of_the_default_memory_keep_their_names():
    assert list(recommender("memory=key_value").memory.state_dict()) == ["value.weight"]
