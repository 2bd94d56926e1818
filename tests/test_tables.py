from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest

from recsys import tables
from recsys.errors import InputError

NEW_YEAR = 1_577_836_800  # 2020-01-01T00:00:00Z
EAST = timezone(timedelta(hours=2))


def read(values, *, time_unit="s"):
    """Seconds of a column of times, after the checks."""
    size = len(values)
    given = pl.LazyFrame({"user_id": ["u"] * size, "item_id": range(size), "timestamp": values})
    frame = tables.interactions(given, time_unit=time_unit).collect()
    tables.check(frame)
    return frame.select(tables.seconds(frame.schema)).to_series().to_list()


@pytest.mark.parametrize(
    ("values", "time_unit", "expected"),
    [
        ([0, -5, 7], "s", [0, -5, 7]),
        ([1.75, -0.25], "s", [1, -1]),
        ([NEW_YEAR * 1000 + 999], "ms", [NEW_YEAR]),
        ([NEW_YEAR * 10**6], "us", [NEW_YEAR]),
        ([NEW_YEAR * 10**9 + 1], "ns", [NEW_YEAR]),
        ([3, 1, 2], "order", [3, 1, 2]),
        ([3.0, 1.0], "order", [3, 1]),
        (["3", "1"], "order", [3, 1]),
        (["1577836800", "1577836801.5"], "s", [NEW_YEAR, NEW_YEAR + 1]),
        (["1577836800000000001"], "ns", [NEW_YEAR]),
        (["2020-01-01", "2020-01-01 00:00:01"], "s", [NEW_YEAR, NEW_YEAR + 1]),
        (["2020-01-01T00:00:00Z", "2020-01-01T02:00:00+02:00"], "s", [NEW_YEAR, NEW_YEAR]),
        (["2020-01-01T00:01", " 2020-01-01T00:00:00.25 "], "ms", [NEW_YEAR + 60, NEW_YEAR]),
        ([date(2020, 1, 1)], "s", [NEW_YEAR]),
        ([datetime(2020, 1, 1)], "s", [NEW_YEAR]),
        ([datetime(2020, 1, 1, 2, tzinfo=EAST), datetime(2020, 1, 1, tzinfo=UTC)], "s", None),
    ],
)
def test_times_become_seconds_since_1970(values, time_unit, expected):
    assert read(values, time_unit=time_unit) == (expected or [NEW_YEAR, NEW_YEAR])


def test_fractions_of_a_second_still_order_events():
    given = pl.LazyFrame({"user_id": [1, 1], "item_id": [1, 2], "timestamp": [0.5, 0.25]})
    times = tables.interactions(given, time_unit="s").collect()[tables.TIMESTAMP]
    assert times.arg_sort().to_list() == [1, 0]


@pytest.mark.parametrize(
    ("values", "time_unit", "said"),
    [
        ([NEW_YEAR * 1000] * 2, "s", "is in milliseconds: set source.time_unit=ms"),
        ([str(NEW_YEAR * 10**6)] * 2, "s", "is in microseconds: set source.time_unit=us"),
        ([NEW_YEAR] * 2, "ms", "is in seconds: set source.time_unit=s"),
        ([NEW_YEAR, NEW_YEAR * 1000], "s", "mixes units, 1 of 2 rows look like milliseconds"),
        ([NEW_YEAR * 1000, NEW_YEAR], "ms", "mixes units, 1 of 2 rows look like seconds"),
        (["2020-01-01", "soon"], "s", "'soon' is no time (1 of 2 rows cannot be read)"),
        (["soon", "2020-01-01"], "s", "'soon' is no time"),
        ([1.0, float("nan")], "s", "'NaN' is no time"),
        ([1.5, 2.0], "order", "'1.5' is no whole number"),
        ([1, None], "s", "timestamp is empty in 1 of 2 rows"),
    ],
)
def test_a_time_in_another_unit_or_no_time_at_all_is_refused(values, time_unit, said):
    with pytest.raises(InputError) as caught:
        read(values, time_unit=time_unit)
    assert said in str(caught.value)


def test_file_order_and_extra_columns():
    given = pl.LazyFrame(
        {"rest": [0, 0], "timestamp": [2, 1], "item_id": ["b", "a"], "user_id": [9, 8]}
    )
    frame = tables.interactions(given, time_unit="order").collect()
    assert frame.columns == ["user_id", "item_id", "timestamp", "fault"]
    assert frame["item_id"].to_list() == ["b", "a"]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["7", "-12", "0"], [7, -12, 0]),
        (["7", "007"], ["7", "007"]),
        (["7", "+7"], ["7", "+7"]),
        (["7", "B00X"], ["7", "B00X"]),
        (["1.0", "x"], ["1.0", "x"]),
        (["99999999999999999999"], ["99999999999999999999"]),
        ([5, 6], [5, 6]),
        ([], []),
    ],
)
def test_only_text_that_is_plain_integers_throughout_becomes_integers(ids, expected):
    kind = pl.String if not ids or isinstance(ids[0], str) else pl.Int64
    assert tables.canonical(pl.Series(ids, dtype=kind)).to_list() == expected


def test_text_of_decimals_is_the_trace_of_a_float_column():
    with pytest.raises(InputError, match=r"item_id .* decimals such as 12\.0"):
        tables.canonical(pl.Series("item_id", ["12.0", "7.00"]))
