import polars as pl
import pytest

from recsys.data import numbering
from recsys.data.numbering import Distinct, Numbering
from recsys.errors import InputError
from tests.tiny_data import rows, taken


def test_ids_are_numbered_in_order(tmp_path):
    found, events = taken(rows(("b", 20, 2), ("a", 7, 1), ("b", 7, 1)), tmp_path)
    assert found.users.ids.to_list() == ["a", "b"]
    assert found.items.ids.to_list() == [7, 20]
    assert (events.user.tolist(), events.item.tolist()) == ([0, 1, 1], [0, 0, 1])


def test_text_of_integers_is_numbered_as_integers_unless_one_is_a_name():
    assert Numbering(pl.Series(["10", "9"])).ids.to_list() == [9, 10]
    assert Numbering(pl.Series(["10", "9", "007"])).ids.to_list() == ["007", "10", "9"]


@pytest.mark.parametrize("ids", [["é", "a", "Z", "zz", "z"], [5, -3, 9, 0]])
def test_every_id_is_found_at_its_place(ids):
    known = Numbering(pl.Series(ids))
    assert known.ids.gather(known.places(pl.Series(ids * 2))).to_list() == ids * 2


def test_distinct_values_are_the_same_however_often_they_are_merged(monkeypatch):
    monkeypatch.setattr(numbering, "WAITING", 3)
    distinct = Distinct()
    for start in range(40):
        distinct.add(pl.Series([start, start + 1, start % 7]))
    assert sorted(distinct.values()) == list(range(41))


def test_behaviours_are_numbered_by_name_and_0_is_none(tmp_path):
    table = rows(("a", 1, 1), ("a", 2, 2), ("a", 3, 3), behaviours=["view", None, "buy"])
    found, events = taken(table, tmp_path)
    assert found.behaviours == ["buy", "view"]
    assert events.behaviour.tolist() == [2, 0, 1]


def test_a_behaviour_column_that_is_really_an_id_is_refused(tmp_path):
    table = rows(*((1, place, place) for place in range(256)))
    table = table.with_columns(pl.col("item_id").cast(pl.String).alias("behaviour"))
    with pytest.raises(InputError, match="behaviour has 256 values, such as '0'"):
        taken(table, tmp_path)


def test_users_of_dropped_rows_are_counted_but_not_numbered(tmp_path):
    table = rows(("a", 1, 1), ("b", 2, 2), ratings=[5, 1])
    found, _ = taken(table, tmp_path, min_rating=3)
    assert found.users.ids.to_list() == ["a"]
    assert (found.rows, found.kept, found.given_users) == (2, 1, 2)
