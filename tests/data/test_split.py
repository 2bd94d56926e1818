from datetime import datetime
from itertools import pairwise

import numpy as np
import pytest

from recsys.data import split as splits
from recsys.data.histories import Histories
from recsys.data.split import GlobalTime, LeaveOneOut, UserHoldout
from recsys.errors import ConfigError, InputError

DAY = 86_400
PARTS = ("valid", "test")
QUARTERS = GlobalTime(valid=0.25, test=0.25, valid_from=None, test_from=None)


def histories(*times):
    """One user per list of times; items count up from 1."""
    lengths = [len(own) for own in times]
    flat = np.array([time for own in times for time in own], dtype=np.int64)
    return Histories(
        offset=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        item=np.arange(1, len(flat) + 1, dtype=np.int32),
        time=flat,
        behaviour=np.zeros(len(flat), dtype=np.uint8),
    )


def bounds(split):
    return {name: getattr(split, name).tolist() for name in split._fields[1:]}


def test_global_time_cuts_everybody_at_the_same_moments():
    world = histories([1, 2, 6, 8], [3, 4], [5, 7])
    split = QUARTERS.split(world, clock="seconds")  # the moments are 5 and 7
    assert bounds(split) == {
        "train_end": [2, 6, 6],
        "valid_start": [2, 6, 6],
        "valid_end": [3, 6, 7],
        "test_start": [3, 6, 7],
        "test_end": [4, 6, 8],
    }
    assert split.protocol["valid_from"] == "1970-01-01T00:00:05+00:00"
    assert split.protocol["test_from"] == "1970-01-01T00:00:07+00:00"
    assert not split.protocol["leaks"]
    assert split.protocol["counts"] == {
        "train_users": 2,
        "valid_users": 2,
        "test_users": 2,
        "train_events": 4,
        "valid_events": 2,
        "test_events": 2,
    }


def test_events_of_one_moment_fall_into_one_window():
    world = histories([1, 2, 5, 5], [3, 5, 5, 9])  # a quarter would cut between equal times
    quarter = GlobalTime(valid=0.25, test=0.125, valid_from=None, test_from=None)
    split = quarter.split(world, clock="seconds")
    assert split.valid_start.tolist() == [2, 5]
    assert split.test_start.tolist() == [4, 7]


def test_given_moments_are_kept():
    world = histories([0, DAY, 2 * DAY], [0, 3 * DAY])
    given = GlobalTime(valid=0.1, test=0.1, valid_from="1970-01-02", test_from="1970-01-03T00:00Z")
    split = given.split(world, clock="seconds")
    assert bounds(split) == {
        "train_end": [1, 4],
        "valid_start": [1, 4],
        "valid_end": [2, 4],
        "test_start": [2, 4],
        "test_end": [3, 5],
    }


def test_leave_one_out_takes_the_last_two_events_and_spares_short_histories():
    world = histories([1, 2, 2, 2], [7], [4, 5], [1, 2, 3])
    split = LeaveOneOut().split(world, clock="order")
    assert bounds(split) == {
        "train_end": [2, 5, 7, 8],
        "valid_start": [2, 5, 7, 8],
        "valid_end": [3, 5, 7, 9],
        "test_start": [3, 5, 7, 9],
        "test_end": [4, 5, 7, 10],
    }
    assert split.protocol["leaks"]


def test_user_holdout_keeps_some_users_out_of_training():
    world = histories(*([1, 2, 3, 4, 5],) * 8, [1], [2])
    split = UserHoldout(valid=0.25, test=0.25, holdout=0.4, seed=3).split(world, clock="seconds")
    begin, end = world.offset[:-1], world.offset[1:]
    tested, validated = split.test_end > split.test_start, split.valid_end > split.valid_start
    assert (tested.sum(), validated.sum(), (tested & validated).sum()) == (2, 2, 0)
    assert not (tested | validated)[8:].any()  # one event cannot be history and truth
    assert (split.train_end == np.where(tested | validated, begin, end)).all()
    assert (split.test_end - split.test_start)[tested].tolist() == [2, 2]
    assert (split.valid_end == end).all()


def test_user_holdout_leaves_a_history_and_a_truth():
    world = histories(*([1, 2],) * 4)
    split = UserHoldout(valid=0.25, test=0.25, holdout=0.9, seed=0).split(world, clock="seconds")
    assert sorted((split.test_end - split.test_start).tolist()) == [0, 0, 0, 1]


def test_user_holdout_is_drawn_by_its_seed():
    world = histories(*([1, 2, 3],) * 40)
    drawn = [
        UserHoldout(valid=0.2, test=0.2, holdout=0.5, seed=seed).split(world, clock="seconds")
        for seed in (1, 1, 2)
    ]
    assert (drawn[0].test_start == drawn[1].test_start).all()
    assert (drawn[0].test_start != drawn[2].test_start).any()


@pytest.mark.parametrize("splitter", [QUARTERS, LeaveOneOut()])
def test_histories_and_truths_of_a_part_meet(splitter):
    world = histories([1, 2, 6, 8], [3, 4], [5, 7, 7, 9])
    split = splitter.split(world, clock="seconds")
    begin, end = world.offset[:-1], world.offset[1:]
    order = [begin, split.train_end, split.valid_start, split.valid_end, split.test_start, end]
    assert all((before <= after).all() for before, after in pairwise(order))


def test_training_events_are_those_before_train_end():
    world = histories([1, 2, 3, 4], [5], [1, 2, 3])
    split = LeaveOneOut().split(world, clock="order")
    found = splits.training_events(split, world)
    assert found.tolist() == [True, True, False, False, True, True, False, False]


def test_a_split_written_is_the_split_read(tmp_path):
    split = LeaveOneOut().split(histories([1, 2, 3, 4], [5]), clock="order")
    splits.write(split, tmp_path)
    assert bounds(splits.read(tmp_path)) == bounds(split)
    assert splits.read(tmp_path).protocol == split.protocol


@pytest.mark.parametrize(
    ("splitter", "said"),
    [
        (GlobalTime(valid=0.6, test=0.5, valid_from=None, test_from=None), "below 1, but are 0.6"),
        (GlobalTime(valid=0.1, test=0.1, valid_from="soon", test_from=None), "but is 'soon'"),
        (
            GlobalTime(valid=0.1, test=0.1, valid_from="1970-01-03", test_from="1970-01-02"),
            "lies after",
        ),
        (UserHoldout(valid=0.1, test=0.1, holdout=1.0, seed=0), "below 1, but are 1.0"),
    ],
)
def test_options_without_a_meaning_are_refused(splitter, said):
    with pytest.raises(ConfigError) as caught:
        splitter.split(histories([1, 2, 3]), clock="seconds")
    assert said in str(caught.value)


def test_an_order_has_no_global_time():
    with pytest.raises(ConfigError, match="set split=leave_one_out or split=user_holdout"):
        QUARTERS.split(histories([1, 2, 3]), clock="order")


@pytest.mark.parametrize(
    ("splitter", "part"),
    [
        (QUARTERS, "train"),
        (LeaveOneOut(), "valid"),
        (UserHoldout(valid=0.1, test=0.1, holdout=0.5, seed=0), "valid"),
    ],
)
def test_an_empty_part_is_refused(splitter, part):
    with pytest.raises(InputError, match=f"leaves no {part} event of 4 interactions of 2 users"):
        splitter.split(histories([5, 5], [5, 5]), clock="seconds")


@pytest.mark.parametrize("seed", range(1, 9))
def test_moments_are_those_of_the_sorted_times(monkeypatch, seed):
    monkeypatch.setattr(splits, "STRETCH", 7)
    random = np.random.default_rng(seed)
    times = np.sort(random.integers(-(10**seed), 10**seed, (5, 20)) * 3, axis=1)
    world, everyone = histories(*times.tolist()), np.sort(times, axis=None)
    for held in range(5, 45, 3):
        shares = GlobalTime(valid=0.5, test=held / 100, valid_from=None, test_from=None)
        moments = [shares.split(world, clock="seconds").protocol[f"{part}_from"] for part in PARTS]
        expected = [everyone[100 - held - 50], everyone[100 - held]]
        assert [datetime.fromisoformat(moment).timestamp() for moment in moments] == expected
