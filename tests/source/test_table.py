import gzip

import polars as pl
import pytest

from recsys.errors import ConfigError, InputError
from recsys.source.contract import read
from recsys.source.table import Table

OPTIONS = {
    "columns": {"user_id": "who", "item_id": "what", "timestamp": "at"},
    "separator": None,
    "header": True,
    "time_unit": "s",
    "items": None,
    "item_columns": {"item_id": "what", "title": None, "categories": None},
    "list_separator": "|",
}
TEXT = "at,what,who,price\n5,007,ann,1\n3,8,bob,2\n"
ROWS = [("ann", "007", 5), ("bob", "8", 3)]


def table(path, **options):
    return Table(str(path), **{**OPTIONS, **options})


def rows(source):
    frame = pl.concat(read(source))
    seconds = pl.col("timestamp").cast(pl.Int64) // 1_000_000
    return frame.select("user_id", "item_id", seconds).rows()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "one.csv").write_text(TEXT)
    (tmp_path / "tabs.tsv").write_text(TEXT.replace(",", "\t"))
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
    pl.read_csv(tmp_path / "one.csv", schema_overrides={"what": pl.String}).write_parquet(
        tmp_path / "one.parquet"
    )
    return tmp_path


@pytest.mark.parametrize("name", ["one.csv", "tabs.tsv", "packed.csv.gz", "one.parquet"])
def test_every_kind_of_file_gives_the_same_rows(folder, name):
    assert rows(table(folder / name)) == ROWS


def test_a_folder_and_a_glob_are_read_in_order_of_name(tmp_path):
    (tmp_path / "b.csv").write_text("who,what,at\nb,1,1\n")
    (tmp_path / "a.csv").write_text("who,what,at\na,1,1\n")
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "notes.md").write_text("not data")
    assert [row[0] for row in rows(table(tmp_path))] == ["a", "b"]
    assert [row[0] for row in rows(table(tmp_path / "*.csv"))] == ["a", "b"]


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_the_separator_is_found_in_the_first_line(tmp_path, separator):
    (tmp_path / "plain.txt").write_text(TEXT.replace(",", separator))
    assert rows(table(tmp_path / "plain.txt")) == ROWS
    assert rows(table(tmp_path / "plain.txt", separator=separator)) == ROWS


def test_a_tab_can_be_written_in_a_shell_and_words_cannot(tmp_path):
    (tmp_path / "plain.txt").write_text(TEXT.replace(",", "\t"))
    assert rows(table(tmp_path / "plain.txt", separator=r"\t")) == ROWS
    with pytest.raises(ConfigError, match="one character, but is 'tab'"):
        rows(table(tmp_path / "plain.txt", separator="tab"))


def test_columns_are_named_by_place_where_there_is_no_header(tmp_path):
    (tmp_path / "bare.txt").write_text("5;007;ann\n3;8;bob\n")
    columns = {"user_id": 2, "item_id": 1, "timestamp": 0}
    source = table(tmp_path / "bare.txt", columns=columns, header=False, separator=";")
    assert rows(source) == ROWS


def test_without_times_the_order_of_rows_is_the_order_of_time(folder):
    columns = {"user_id": "who", "item_id": "what", "timestamp": None}
    source = table(folder / "one.csv", columns=columns, time_unit="order")
    assert pl.concat(read(source))["timestamp"].to_list() == [0, 1]
    with pytest.raises(ConfigError, match=r"set source\.time_unit=order"):
        table(folder / "one.csv", columns=columns)


def test_behaviour_and_rating_are_read_where_they_are_named(tmp_path):
    (tmp_path / "rich.csv").write_text("who,what,at,did,stars\na,1,1,buy,4.5\na,2,2,,\n")
    columns = {**OPTIONS["columns"], "behaviour": "did", "rating": "stars"}
    frame = pl.concat(read(table(tmp_path / "rich.csv", columns=columns)))
    assert frame["behaviour"].to_list() == ["buy", None]
    assert frame["rating"].to_list() == [4.5, None]


def test_items_keep_their_other_columns(folder):
    (folder / "goods.csv").write_text("what,name,kinds,price\n007,Seven,a|b,3\n")
    named = {"item_id": "what", "title": "name", "categories": "kinds"}
    source = table(folder / "one.csv", items=str(folder / "goods.csv"), item_columns=named)
    assert source.items().to_dicts() == [
        {"item_id": "007", "title": "Seven", "categories": ["a", "b"], "price": "3"}
    ]
    assert set(source.describe()["files"]) == {"one.csv", "goods.csv"}


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("absent.csv", {}, "no data file at"),
        ("*.nothing", {}, "no data file at"),
        ("*", {}, "files are all Parquet or all text"),
        (
            "one.csv",
            {"columns": {**OPTIONS["columns"], "user_id": "user"}},
            "set source.columns.user_id to one of them",
        ),
        (
            "one.csv",
            {"columns": {**OPTIONS["columns"], "user_id": 9}},
            "source.columns.user_id is '9'",
        ),
    ],
)
def test_a_path_or_column_that_is_not_there_is_named(folder, name, options, said):
    with pytest.raises(InputError) as caught:
        rows(table(folder / name, **options))
    assert said in str(caught.value)
