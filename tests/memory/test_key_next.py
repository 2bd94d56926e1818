"""Item -> next item: the second phase of a write needs the next event, and nothing comes before."""

from itertools import pairwise

import torch

from recsys.data.batches import Events
from tests.contract.parts import SLOTS, WIDTH, recommender

HOLE = 0  # an event that is not present


def told(*items):
    """One user's events."""
    item = torch.tensor([items])
    return Events(item, 60 * torch.arange(len(items))[None], 0 * item, present=item > 0)


def pairs(model, slots, *, position=0):
    """(item of the key, row of the value table) of the slots that can be read, oldest first."""
    rows = model.memory.value.weight
    return [
        (int(item), int((rows == value).all(-1).nonzero()[0, 0]))
        for item, value, filled in zip(
            slots.item[0], slots.values[0], slots.filled[0, position], strict=True
        )
        if filled
    ]


def written(model, events):
    state = model.write(model.memory.initial_state(1), events)
    return model.memory.look(state, model.input).slots


def test_a_slot_gives_back_the_item_that_came_next():
    model = recommender("memory=key_next")
    assert pairs(model, written(model, told(3, 5, 3, 7))) == [(3, 5), (5, 3), (3, 7)]


def test_the_newest_event_is_a_key_without_a_value_and_is_not_read():
    model = recommender("memory=key_next")
    assert pairs(model, written(model, told(3))) == []
    state = model.write(model.memory.initial_state(1), told(3))
    after = model.write(state, told(9))
    assert pairs(model, model.memory.look(after, model.input).slots) == [(3, 9)]


def test_an_absent_event_between_two_does_not_part_them():
    model = recommender("memory=key_next")
    along = model.memory.along(
        model.memory.initial_state(1), told(3, HOLE, 5, HOLE, 7), model.input
    )
    seen = [pairs(model, along.slots, position=position) for position in range(5)]
    assert seen == [[], [], [(3, 5)], [(3, 5)], [(3, 5), (5, 7)]]


def test_what_comes_next_reaches_no_view_before_it():
    # the gradient of everything read at a position with respect to the items that come later
    model = recommender("memory=key_next", "output=candidate_read")
    view = model.along(told(3, 5, 7, 9))
    model.scores(view, torch.arange(12))[:, 1].square().sum().backward()
    used = model.memory.value.weight.grad.abs().sum(-1) > 0
    assert used.nonzero()[:, 0].tolist() == [5]


def test_as_many_pairs_are_kept_as_there_are_slots():
    model = recommender("memory=key_next")
    items = list(range(1, SLOTS + 4))
    slots = written(model, told(*items))
    assert pairs(model, slots) == list(pairwise(items))[-SLOTS:]
    assert slots.age[0, 0, slots.filled[0, 0]].tolist() == list(range(SLOTS))[::-1]
    assert slots.values.shape == (1, SLOTS + 1, WIDTH)
