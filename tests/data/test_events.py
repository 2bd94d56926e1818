import polars as pl
import pytest

from recsys import tables
from recsys.data.events import events, items, pack, users
from recsys.errors import InputError
from tests.tiny_data import rows


def made(frame, *, time_unit="s"):
    return events(tables.interactions(frame.lazy(), time_unit=time_unit).collect())


def test_events_are_sorted_by_user_and_time_and_ties_keep_file_order():
    table = rows(("b", "x", 5), ("a", "z", 9), ("b", "y", 3), ("a", "x", 9), ("a", "y", 9))
    found = made(table)
    assert found.user.tolist() == [0, 0, 0, 1, 1]
    assert found.item_ids.gather(found.item).to_list() == ["z", "x", "y", "y", "x"]


def test_many_ties_keep_file_order():
    table = rows(*((user, item, 1) for item in range(300) for user in (2, 1)))
    found = made(table)
    assert found.item_ids.gather(found.item).to_list() == [*range(300), *range(300)]


def test_packing_numbers_from_the_catalogue_and_writes_seconds():
    found = made(rows(("a", 20, 1.5), ("b", 10, 2.0), ("a", 10, 0.25)))
    packed = pack(found, index=pl.Series([4, 7]).to_numpy().astype("int32"), clock="seconds")
    assert packed.offset.tolist() == [0, 2, 3]
    assert packed.item.tolist() == [4, 7, 4]
    assert packed.time.tolist() == [0, 1, 2]


def test_users_and_items_without_events_are_left_out():
    found = made(rows(("a", 1, 1), ("b", 2, 1), ("c", 3, 1)))
    kept = found.at(found.user != 1)
    assert users(kept).to_list() == ["a", "c"]
    assert items(kept).to_list() == [1, 3]
    packed = pack(kept, index=pl.Series([1, 0, 2]).to_numpy().astype("int32"), clock="seconds")
    assert packed.offset.tolist() == [0, 1, 2]
    assert packed.item.tolist() == [1, 2]


def test_behaviours_are_numbered_by_name_and_0_is_none():
    found = made(rows(("a", 1, 1), ("a", 2, 2), ("a", 3, 3), behaviours=["view", None, "buy"]))
    assert found.behaviours == ["buy", "view"]
    assert found.behaviour.tolist() == [2, 0, 1]


def test_a_behaviour_column_that_is_really_an_id_is_refused():
    table = rows(*((1, place, place) for place in range(256)))
    table = table.with_columns(pl.col("item_id").cast(pl.String).alias("behaviour"))
    with pytest.raises(InputError, match="behaviour has 256 values, such as '0'"):
        made(table)
