"""A window that is moved on by what comes in is the one that scoring would cut from the whole."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import tables
from recsys.scoring.histories import arrange
from recsys.scoring.histories import events as newest
from serving.window import NEVER, Flat, advanced

USERS, ITEMS, HISTORY = 3, 4, 5
EVENT = st.tuples(
    st.integers(0, USERS - 1), st.integers(1, ITEMS), st.integers(0, 9), st.integers(0, 2)
)


def flat(rows):
    """(user, item, time, behaviour) rows, by user."""
    ordered = sorted(rows, key=lambda row: row[0])
    return Flat(*np.array(ordered, dtype=np.int64).reshape(-1, 4).T)


def by_scoring(rows):
    """Of each user the newest events, (item, time, behaviour)."""
    everybody = [(user, 0, 0, 0) for user in range(USERS)]  # item 0 names a user and is no event
    schema = [tables.USER_ID, tables.ITEM, tables.TIMESTAMP, tables.BEHAVIOUR]
    frame = pl.DataFrame(everybody + rows, schema=schema, orient="row")
    seconds = pl.from_epoch(tables.TIMESTAMP, time_unit="s").cast(pl.Datetime("us"))
    past = arrange(
        frame.with_columns(seconds, pl.col(tables.BEHAVIOUR).cast(pl.UInt8)), items=ITEMS
    )
    read = newest(past, np.arange(USERS), history=HISTORY)
    return [
        [row for row in zip(*(field[user].tolist() for field in read), strict=True) if row[0]]
        for user in range(USERS)
    ]


def of_each(events):
    rows = list(zip(*(field.tolist() for field in events), strict=True))
    return [[row[1:] for row in rows if row[0] == user] for user in range(USERS)]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(pieces=st.lists(st.lists(EVENT, max_size=8), min_size=1, max_size=6))
def test_pieces_that_come_in_make_the_window_of_the_whole(pieces):
    whole, window, dropped = [], flat([]), np.full(USERS, NEVER)
    for piece in pieces:
        if any(time == dropped[user] for user, _, time, _ in piece):
            continue  # what was equal to these is no longer known
        whole += piece
        both = [Flat(*(field.tolist() for field in events)) for events in (window, flat(piece))]
        rows = [list(zip(*events, strict=True)) for events in both]
        came = sorted(
            [(row, False) for row in rows[0]] + [(row, True) for row in rows[1]], key=first
        )
        new = np.array([is_new for _, is_new in came], dtype=bool)
        found = advanced(flat([row for row, _ in came]), new=new, dropped=dropped, history=HISTORY)
        window, dropped = found.events, found.dropped
        assert of_each(window) == by_scoring(whole)


def first(pair):
    return pair[0][0]


def moved(old, new, *, dropped=NEVER):
    """A window of one user, (item, time), moved on."""
    rows = [(0, item, time, 0) for item, time in (*old, *new)]
    came = np.arange(len(rows)) >= len(old)
    return advanced(flat(rows), new=came, dropped=np.array([dropped]), history=3)


def test_what_comes_later_is_in_order():
    found = moved([(1, 10), (2, 20)], [(3, 20), (1, 30)])
    assert found.in_order.tolist() == [True]
    assert found.added.item.tolist() == [3, 1]
    assert found.events.item.tolist() == [2, 3, 1]
    assert found.dropped.tolist() == [10]


def test_what_comes_late_is_not_in_order():
    found = moved([(1, 10), (2, 20)], [(3, 15)])
    assert found.in_order.tolist() == [False]
    assert found.events.item.tolist() == [1, 3, 2]
    assert found.dropped.tolist() == [NEVER]


def test_a_repetition_changes_nothing():
    found = moved([(1, 10), (2, 20)], [(1, 10)])
    assert found.changed.tolist() == [False]
    assert found.in_order.tolist() == [True]
    assert found.added.item.tolist() == []


def test_what_is_older_than_a_full_window_changes_nothing():
    found = moved([(1, 10), (2, 20), (3, 30)], [(4, 5)])
    assert found.changed.tolist() == [False]
    assert found.events.item.tolist() == [1, 2, 3]
    assert found.dropped.tolist() == [5]
    assert moved([(1, 10), (2, 20), (3, 30)], [(4, 5)], dropped=7).dropped.tolist() == [7]
