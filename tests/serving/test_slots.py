"""Which event of a log each slot is shown as."""

from types import SimpleNamespace

import numpy as np

from recsys.runtime import Scored
from serving.store.contract import Logged
from serving.view import _slots

MODEL = SimpleNamespace(bundle=SimpleNamespace(history=3))
EVENTS = [Logged(place, item, 60 * place, None) for place, item in enumerate("abca", 1)]


def shown(items, ages, *, events=EVENTS):
    scored = Scored(np.zeros((1, 1)), None, None, np.array([items]), np.array([ages]))
    filled, found = _slots(events, scored, row=0, model=MODEL)
    return None if filled is None else filled.tolist(), [event.position for event in found]


def test_a_slot_is_the_event_of_its_age_and_an_empty_one_is_left_out():
    assert shown([0, 2, 3, 1], [-1, 2, 1, 0]) == ([1, 2, 3], [2, 3, 4])


def test_slots_in_any_order_find_their_events():
    assert shown([1, 3, 2], [0, 1, 2]) == ([0, 1, 2], [4, 3, 2])


def test_slots_that_every_event_rewrites_are_laid_beside_none():
    assert shown([0, 0, 0, 0], [0, 0, 0, 0]) == (None, [2, 3, 4])


def test_of_a_user_without_events_nothing_is_shown():
    assert shown([0, 0], [-1, -1], events=[]) == (None, [])
