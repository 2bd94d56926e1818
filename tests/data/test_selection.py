from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from recsys.data.selection import Selection
from recsys.errors import ConfigError, InputError
from tests.tiny_data import EVERYTHING, rows, taken


def kept(frame, **rules):
    """(user_id, item_id) of what is left, and what each rule dropped."""
    selection = Selection(**{**EVERYTHING, **rules})
    with TemporaryDirectory() as folder:
        found, events = taken(frame, Path(folder), **rules)
    events, lost = selection.of_user(events)
    left = selection.core(lambda: halves(events), users=len(found.users), items=len(found.items))
    chosen = left.of(events)
    users, items = found.users.ids.gather(chosen.user), found.items.ids.gather(chosen.item)
    dropped = found.dropped | lost | {"core": events.size - chosen.size}
    return list(zip(users, items, strict=True)), {rule: n for rule, n in dropped.items() if n}


def halves(events):
    """The same events in two parts, as a table larger than memory has many."""
    yield events.at(np.arange(events.size // 2))
    yield events.at(np.arange(events.size // 2, events.size))


def test_repeated_rows_are_kept_once_and_counted():
    table = rows(("a", 1, 5), ("a", 2, 5), ("a", 1, 5), ("a", 1, 6), ("b", 1, 5))
    assert kept(table) == ([("a", 1), ("a", 2), ("a", 1), ("b", 1)], {"duplicates": 1})


def test_another_behaviour_at_the_same_time_is_no_repeat():
    table = rows(("a", 1, 5), ("a", 1, 5), ("a", 1, 5), behaviours=["view", "buy", "view"])
    assert kept(table) == ([("a", 1), ("a", 1)], {"duplicates": 1})


def test_the_cap_keeps_the_newest_events():
    table = rows(("a", 1, 3), ("a", 2, 1), ("a", 3, 2), ("b", 4, 1))
    assert kept(table, history_cap=2) == ([("a", 3), ("a", 1), ("b", 4)], {"history_cap": 1})


def test_ratings_and_behaviours_are_chosen_row_by_row():
    table = rows(
        ("a", 1, 1),
        ("a", 2, 2),
        ("a", 3, 3),
        ("a", 4, 4),
        behaviours=["buy", "view", "buy", "buy"],
        ratings=[5, 5, 3, None],
    )
    found = kept(table, behaviours=["buy"], min_rating=4)
    assert found == ([("a", 1)], {"behaviours": 1, "min_rating": 2})


def test_the_core_is_a_fixed_point():
    # Item 3 goes (one event), then user c (one left), then item 2 (one left): a chain of three.
    table = rows(
        ("a", 1, 1), ("a", 4, 2), ("b", 1, 1), ("b", 4, 2), ("a", 2, 3), ("c", 2, 1), ("c", 3, 2)
    )
    pairs, dropped = kept(table, user_core=2, item_core=2)
    assert pairs == [("a", 1), ("a", 4), ("b", 1), ("b", 4)]
    assert dropped == {"core": 3}


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"min_rating": 9}, "min_rating drops all of the 2 interactions"),
        ({"item_core": 3}, "core drops all of the 2 interactions"),
        ({"behaviours": ["cart"]}, "behaviours names 'cart', but the data has ['buy', 'view']"),
    ],
)
def test_a_rule_that_leaves_nothing_is_named(rules, said):
    table = rows(("a", 1, 1), ("a", 2, 2), behaviours=["buy", "view"], ratings=[1, 2])
    with pytest.raises(InputError) as caught:
        kept(table, **rules)
    assert said in str(caught.value)


@pytest.mark.parametrize("rule", [{"min_rating": 1}, {"behaviours": ["buy"]}])
def test_a_rule_needs_its_column(rule):
    with pytest.raises(InputError, match="needs a column"):
        kept(rows(("a", 1, 1)), **rule)


def test_counts_are_at_least_one():
    with pytest.raises(ConfigError, match="history_cap is at least 1, but is 0"):
        kept(rows(("a", 1, 1)), history_cap=0)
