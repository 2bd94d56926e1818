"""Slots come in the order of events, and each hop has a table of its own."""

import torch

from recsys.data.batches import Events
from tests.contract.parts import SLOTS, WIDTH, recommender

MEMORY = ("memory=igor",)
TOLD = torch.tensor([[3, 5, 3, 7, 1, 2, 9]])


def events(item, *, behaviour=1):
    time = torch.arange(item.shape[1]).expand_as(item) * 60
    return Events(item, time, torch.full_like(item, behaviour), item > 0)


def seen(model, told):
    state = model.write(model.memory.initial_state(len(told.item)), told)
    return model.memory.look(state, model.input).slots


def test_an_event_takes_the_next_slot_and_the_oldest_is_forgotten():
    slots = seen(recommender(*MEMORY), events(TOLD))
    assert slots.item.tolist() == [TOLD[0, -SLOTS:].tolist()]
    assert slots.age.tolist() == [[[4, 3, 2, 1, 0]]]
    assert slots.gap_seconds.tolist() == [[[240, 180, 120, 60, 0]]]


def test_each_hop_has_a_supporting_memory_of_its_own():
    model = recommender(*MEMORY, "memory.hops=3", "output.hops=3")
    slots = seen(model, events(TOLD))
    assert slots.layers.shape == (1, 3, SLOTS, WIDTH)
    told = slots.layers - slots.keys[:, None]
    for hop, table in enumerate(model.memory.value):
        torch.testing.assert_close(told[:, hop], table(slots.item))
    assert not torch.allclose(told[:, 0], told[:, 1])
    torch.testing.assert_close(slots.values, slots.layers.mean(1))


def test_a_supporting_memory_tells_behaviours_apart():
    model = recommender(*MEMORY)
    bought, viewed = (seen(model, events(TOLD, behaviour=kind)).layers for kind in (1, 2))
    assert not torch.allclose(bought, viewed)


def test_the_question_is_the_newest_event():
    model = recommender(*MEMORY)
    told = events(TOLD)
    state = model.write(model.memory.initial_state(1), told)
    torch.testing.assert_close(
        model.memory.look(state, model.input).context, model.input(told)[:, -1:]
    )


def test_a_log_takes_24_bytes_a_slot():
    model = recommender(*MEMORY)
    state = model.write(model.memory.initial_state(1), events(TOLD))
    assert sum(field.nbytes for field in state) == 24 * SLOTS
