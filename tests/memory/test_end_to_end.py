"""End-to-end memory: one log, a table for every hop."""

import pytest
import torch

from tests.contract.parts import EVENTS, SLOTS, USERS, WIDTH, histories, part, recommender

ADJACENT = ("memory=end_to_end", "memory.hops=4")
LAYER_WISE = (*ADJACENT, "memory.tying=layer_wise")


def shown(model, events):
    memory = model.memory
    state = memory.write(memory.initial_state(len(events.item)), events, model.input)
    slots, context = memory.look(state, model.input)
    return slots, context[:, 0]


@pytest.mark.parametrize(("settings", "layers"), [(ADJACENT, 5), (LAYER_WISE, 2)])
def test_hops_have_tables_of_their_own_or_the_same_two(settings, layers):
    slots, _ = shown(recommender(*settings), histories(absent=0))
    assert slots.layers.shape == (USERS, layers, SLOTS, WIDTH)
    different = [
        not torch.allclose(one, other) for one, other in zip(*_neighbours(slots), strict=True)
    ]
    assert all(different)


def _neighbours(slots):
    by_layer = slots.layers.unbind(1)
    return by_layer[:-1], by_layer[1:]


def test_a_slot_is_found_by_the_event_and_the_present_is_the_newest():
    model, events = recommender(*ADJACENT), histories(absent=0)
    slots, context = shown(model, events)
    assert torch.equal(slots.layers[:, 0], slots.keys)
    assert torch.equal(slots.keys[:2], model.input(events)[:2, -SLOTS:])
    assert torch.equal(slots.keys[:, -1], context)


def test_each_layer_is_the_log_in_that_table():
    model, events = recommender(*ADJACENT), histories(absent=0)
    slots, _ = shown(model, events)
    for place, table in enumerate(model.memory.values, 1):
        assert torch.equal(slots.layers[:2, place], table(events.item)[:2, -SLOTS:])
    torch.testing.assert_close(slots.values, slots.layers[:, 1:].sum(1))


def test_what_happened_addresses_but_is_not_told():
    model, events = recommender(*ADJACENT), histories(absent=0)
    other = events._replace(behaviour=events.behaviour.new_ones(events.behaviour.shape))
    (one, _), (same, _) = shown(model, events), shown(model, other)
    assert not torch.allclose(one.keys[:2], same.keys[:2])
    assert torch.equal(one.values, same.values)


def test_a_user_without_events_reads_nothing():
    model = recommender(*ADJACENT)
    slots, context = shown(model, part(histories(), [USERS - 1]))
    assert not slots.filled.any()
    assert torch.equal(model.output.look(slots, context[:, None]).user[:, 0], context)


def test_training_sees_the_layers_that_looking_after_each_event_sees():
    model, events = recommender(*ADJACENT), histories(absent=0)
    along = model.memory.along(model.memory.initial_state(USERS), events, model.input)
    slots, _ = shown(model, events)
    filled = along.slots.filled[:2, EVENTS - 1]
    assert torch.equal(along.slots.layers[:2].transpose(1, 2)[filled], _last(slots))


def _last(slots):
    return slots.layers[:2].transpose(1, 2)[slots.filled[:2, 0]]


def test_the_output_takes_the_hops_and_the_tying_of_the_memory():
    assert recommender(*ADJACENT).output.hops == 4
    assert recommender(*ADJACENT).output.again is None
    assert recommender(*LAYER_WISE).output.again is not None


def test_a_candidate_reads_all_tables_at_once():
    model, events = recommender(*ADJACENT, "output=candidate_read"), histories(absent=0)
    before = model(events, torch.arange(3))
    with torch.no_grad():
        model.memory.values[1].weight[1:] += 1
    assert not torch.allclose(model(events, torch.arange(3))[:2], before[:2])
