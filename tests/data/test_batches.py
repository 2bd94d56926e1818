"""Index arithmetic against histories short enough to follow with a finger."""

import numpy as np
import pytest
import torch

from tests.evaluation.tiny import prepared

# Of three users; each event's item is its place in the arrays plus one.
HISTORIES = [[1, 2, 3, 4, 5], [6, 7], [8, 9, 10]]


@pytest.fixture
def tiny():
    """Leave-one-out: items 4, 9 validate, 5, 10 test; user 1 is too short to be asked about."""
    return prepared(HISTORIES, items=10)


def places(*numbers):
    return np.array(numbers, dtype=np.int64)


def gathered(tiny, *, begin, start, end):
    from recsys.data.batches import gather

    bounds = {"begin": places(*begin), "start": places(*start), "end": places(*end)}
    return gather(tiny.histories, **bounds)


def test_rows_are_filled_up_at_the_end(tiny):
    events = gathered(tiny, begin=[0, 5], start=[1, 5], end=[4, 7])
    assert events.item.tolist() == [[2, 3, 4], [6, 7, 0]]
    assert events.present.tolist() == [[True, True, True], [True, True, False]]


def test_every_field_comes_from_the_same_place(tiny):
    behaviour = np.arange(10, dtype=np.uint8)
    histories = tiny.histories._replace(behaviour=behaviour, time=tiny.histories.item * 100)
    events = gathered(tiny._replace(histories=histories), begin=[5, 0], start=[5, 1], end=[6, 4])
    assert events.time.tolist() == [[600, 0, 0], [200, 300, 400]]
    assert events.behaviour.tolist() == [[5, 0, 0], [1, 2, 3]]
    assert {field.dtype for field in events[:3]} == {torch.int64}


def test_an_empty_row_is_all_padding(tiny):
    events = gathered(tiny, begin=[0, 5], start=[3, 5], end=[3, 6])
    assert events.item.tolist() == [[0], [6]]
    assert gathered(tiny, begin=[], start=[], end=[]).item.shape == (0, 1)


def test_what_stands_before_a_history_is_absent(tiny):
    events = gathered(tiny, begin=[0, 5], start=[-1, 4], end=[1, 6])
    assert events.item.tolist() == [[0, 1], [0, 6]]
    assert events.present.tolist() == [[False, True], [False, True]]


def test_the_first_window_begins_with_the_empty_memory(tiny):
    from recsys.data.batches import window

    bounds = {"begin": places(0, 7), "start": places(0, 7), "end": places(3, 8)}
    batch = window(tiny.histories, **bounds, targets=4.0)
    assert batch.target.tolist() == [[1, 2, 3], [8, 0, 0]]
    assert batch.events.item.tolist() == [[0, 1, 2], [0, 0, 0]]
    assert batch.events.present.tolist() == [[False, True, True], [False, False, False]]


def test_a_later_window_begins_with_the_event_before_its_first_target(tiny):
    from recsys.data.batches import window

    bounds = {"begin": places(0), "start": places(2), "end": places(5)}
    batch = window(tiny.histories, **bounds, targets=3.0)
    assert batch.target.tolist() == [[3, 4, 5]]
    assert batch.events.item.tolist() == [[2, 3, 4]]


def test_a_question_holds_the_history_before_the_cut_and_the_truth_after_it(tiny):
    from recsys.data.batches import question

    asks = question(tiny, "test", users=places(0, 2), history=None)
    assert asks.user.tolist() == [0, 2]
    assert asks.events.item.tolist() == [[1, 2, 3, 4], [8, 9, 0, 0]]
    assert asks.seen.tolist() == [[0, 1], [0, 2], [0, 3], [0, 4], [1, 8], [1, 9]]
    assert asks.truth.tolist() == [[0, 5], [1, 10]]


def test_the_validation_part_ends_before_the_test_part(tiny):
    from recsys.data.batches import question

    asks = question(tiny, "valid", users=places(0), history=None)
    assert asks.events.item.tolist() == [[1, 2, 3]]
    assert asks.truth.tolist() == [[0, 4]]


def test_a_short_history_keeps_the_newest_events_but_everything_seen(tiny):
    from recsys.data.batches import question

    asks = question(tiny, "test", users=places(0, 2), history=3)
    assert asks.events.item.tolist() == [[2, 3, 4], [8, 9, 0]]
    assert [0, 1] in asks.seen.tolist()


def test_truth_names_an_item_once(tiny):
    from recsys.data.batches import question

    repeated = tiny.histories._replace(item=np.array([1, 2, 3, 3, 3, 6, 7, 8, 9, 10]))
    until_the_end = tiny.split._replace(valid_end=places(5, 7, 9))
    again = tiny._replace(histories=repeated, split=until_the_end)
    asks = question(again, "valid", users=places(0), history=None)
    assert asks.truth.tolist() == [[0, 3]]


def test_questions_come_in_user_order_and_leave_out_who_has_no_truth(tiny):
    from recsys.data.batches import asked, questions

    assert asked(tiny, "valid").tolist() == [0, 2]
    batches = list(questions(tiny, "valid", batch_size=1, history=None))
    assert [batch.user.tolist() for batch in batches] == [[0], [2]]


def test_users_of_like_length_stand_together_and_equals_keep_their_order():
    from recsys.data.batches import asked, by_length

    data = prepared([[1, 2, 3, 4, 5], [6, 7, 8], [8, 9, 10, 1], [3, 4, 5]], items=10)
    users = by_length(data, "test", users=asked(data, "test"))
    assert users.tolist() == [1, 3, 2, 0]


def test_a_target_counts_half_for_every_half_life_it_is_older(tiny):
    from recsys.data.batches import Recency, weighed, window

    histories = tiny.histories._replace(time=tiny.histories.item.astype(np.int64) * 60)
    bounds = {"begin": places(0, 5), "start": places(1, 5), "end": places(4, 7)}
    recency = Recency(newest=420, half_life=60.0)  # when item 7 was taken
    made = window(histories, **bounds, targets=1.0, recency=recency)
    assert made.target.tolist() == [[2, 3, 4], [6, 7, 0]]
    assert made.weight.tolist() == [[1 / 32, 1 / 16, 1 / 8], [1 / 2, 1, 0]]
    assert weighed(histories, **bounds, recency=recency) == 1 / 32 + 1 / 16 + 1 / 8 + 1 / 2 + 1


def test_all_targets_count_alike_by_default_and_padding_counts_nothing(tiny):
    from recsys.data.batches import window

    bounds = {"begin": places(0, 5), "start": places(1, 5), "end": places(4, 7)}
    made = window(tiny.histories, **bounds, targets=1.0)
    assert made.weight.tolist() == [[1, 1, 1], [1, 1, 0]]
