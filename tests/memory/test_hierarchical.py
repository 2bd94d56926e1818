"""Where sessions begin, whoever looks and whatever was forgotten."""

from functools import partial

import torch

from recsys.data.batches import Events
from recsys.input.event import EventInput
from recsys.input.table import own_rows
from recsys.memory.hierarchical import Hierarchical

ITEMS, SLOTS, WIDTH, GAP = 9, 6, 4, 100
TIMES = [500, 600, 701, 705, 806, 906, 5000, 5000, 5101]
SESSIONS = [0, 0, 1, 1, 2, 2, 3, 3, 4]  # a silence of 100 seconds ends none, one of 101 does


def parts(*, gap_seconds=GAP):
    torch.manual_seed(0)
    table = partial(own_rows, items=ITEMS)
    made = Hierarchical(table=table, width=WIDTH, slots=SLOTS, gap_seconds=gap_seconds, dropout=0.0)
    return made, EventInput(table=table, behaviours=2, width=WIDTH, dropout=0.0)


def at(times, *, present=None):
    time = torch.tensor([times])
    there = torch.ones_like(time) if present is None else torch.tensor([present])
    item = torch.arange(1, time.shape[1] + 1)[None]
    return Events(item * there, time * there, 0 * time, there > 0)


def state(made, encode, events):
    return made.write(made.initial_state(1), events, encode)


def together(session, filled):
    """Which of the readable slots are of one session."""
    there = session[filled]
    return (there[:, None] == there).tolist()


def expected(sessions):
    return [[one == other for other in sessions] for one in sessions]


def test_a_longer_silence_than_the_gap_ends_a_session():
    made, encode = parts()
    slots = made.look(state(made, encode, at(TIMES[:SLOTS])), encode).slots
    assert together(slots.session[0], slots.filled[0, 0]) == expected(SESSIONS[:SLOTS])


def test_sessions_stay_what_they_are_when_their_beginning_is_forgotten():
    made, encode = parts()
    slots = made.look(state(made, encode, at(TIMES)), encode).slots
    assert together(slots.session[0], slots.filled[0, 0]) == expected(SESSIONS[-SLOTS:])


def test_training_sees_the_same_sessions_at_every_position():
    made, encode = parts()
    along = made.along(made.initial_state(1), at(TIMES), encode).slots
    for newest in range(len(TIMES)):
        seen = SESSIONS[max(newest + 1 - SLOTS, 0) : newest + 1]
        assert together(along.session[0], along.filled[0, newest]) == expected(seen)


def test_absent_events_and_an_earlier_state_part_no_session():
    made, encode = parts()
    start = state(made, encode, at(TIMES[:4]))
    times, present = [0, 806, 0, 906, 5000], [0, 1, 0, 1, 1]
    along = made.along(start, at(times, present=present), encode).slots
    assert together(along.session[0], along.filled[0, -1]) == expected(SESSIONS[1:7])


def test_times_that_are_only_an_order_are_one_session():
    made, encode = parts(gap_seconds=1800)
    slots = made.look(state(made, encode, at(list(range(1, 10)))), encode).slots
    assert together(slots.session[0], slots.filled[0, 0]) == expected([0] * SLOTS)


def test_a_slot_tells_what_happened_and_not_only_to_what():
    made, encode = parts()
    events = at(TIMES[:2])
    viewed, bought = (
        made.look(
            state(made, encode, events._replace(behaviour=kind + 0 * events.item)), encode
        ).slots
        for kind in (1, 2)
    )
    assert not torch.allclose(viewed.values[0, -1], bought.values[0, -1])
