"""What people really give: each case is one line with the rule, the value and the remedy."""

import gzip
import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsys import cli
from recsys.data.prepared import load
from recsys.data.split import GlobalTime
from recsys.errors import ArtifactError, ConfigError, InputError
from recsys.source.table import Table
from tests.tiny_data import Given, prepare_frame, prepare_source, rows

GOOD = rows(*((user, item, 10 * user + item) for user in (1, 2, 3) for item in (4, 5, 6, 7)))
MILLISECONDS = 1_577_836_800_000
NOBODY = GlobalTime(valid=0.1, test=0.1, valid_from="1960-01-01", test_from="1960-01-02")


def with_column(name, values):
    """The good table with this column; short lists are repeated."""
    return GOOD.with_columns(pl.Series(name, (values * 12)[:12], strict=False))


def one_bad(name, value, *, others):
    """The good table with a column of one value, and a bad one in its sixth row."""
    values = [others] * 12
    values[5] = value
    return GOOD.with_columns(pl.Series(name, values, strict=False))


CASES = {
    "missing column": (GOOD.drop("item_id"), {}, "column 'item_id' is missing, the table has"),
    "users are lists": (
        with_column("user_id", [[1]]),
        {},
        "text or an integer, but is List(Int64)",
    ),
    "users are booleans": (with_column("user_id", [True]), {}, "user_id is text or an integer"),
    "floats as ids": (with_column("item_id", [4.5]), {}, "item_id .* holds decimals such as 4.5"),
    "an id and a hole": (one_bad("user_id", None, others=7.0), {}, "holds decimals such as 7.0"),
    "text of floats": (with_column("user_id", ["7.0"]), {}, "holds decimals such as 7.0"),
    "null user": (one_bad("user_id", None, others=3), {}, "user_id is empty in 1 of 12 rows"),
    "null item": (one_bad("item_id", None, others=3), {}, "item_id is empty in 1 of 12 rows"),
    "empty text": (one_bad("item_id", "", others="x"), {}, "item_id is empty in 1 of 12 rows"),
    "null time": (one_bad("timestamp", None, others=3), {}, "timestamp is empty in 1 of 12 rows"),
    "no time": (one_bad("timestamp", "soon", others="2020-01-01"), {}, "'soon' is no time"),
    "durations": (with_column("timestamp", [timedelta(1)]), {}, "timestamp is Duration"),
    "milliseconds": (with_column("timestamp", [MILLISECONDS]), {}, "set source.time_unit=ms"),
    "mixed units": (one_bad("timestamp", MILLISECONDS, others=MILLISECONDS // 1000), {}, "mixes"),
    "unknown unit": (GOOD, {"time_unit": "hours"}, "time_unit is one of s, ms, us, ns, order"),
    "bad rating": (one_bad("rating", "five", others="5"), {}, "rating 'five' is no number"),
    "rating of lists": (with_column("rating", [[5]]), {}, "rating is a number, but is List"),
    "no row": (GOOD.clear(), {}, "no interactions: give a table with at least one row"),
    "core of nobody": (GOOD, {"user_core": 5}, "core drops all of the 12 interactions"),
    "rated too low": (with_column("rating", [1]), {"min_rating": 4}, "min_rating drops all"),
    "no rating": (GOOD, {"min_rating": 4}, "min_rating needs a column 'rating'"),
    "no behaviour": (GOOD, {"behaviours": ["buy"]}, "behaviours needs a column 'behaviour'"),
    "unknown behaviour": (
        with_column("behaviour", ["view"]),
        {"behaviours": ["buy"]},
        "behaviours names 'buy', but the data has ['view']",
    ),
    "cap of nothing": (GOOD, {"history_cap": 0}, "history_cap is at least 1, but is 0"),
    "cut before all": (GOOD, {"splitter": NOBODY}, "split=global_time leaves no train event"),
    "short histories": (GOOD, {"history_cap": 2}, "split=leave_one_out leaves no valid event"),
    "no catalogue": (
        GOOD,
        {"extends": Path("absent.parquet")},
        "extends='absent.parquet' is no file",
    ),
    "an item twice": (
        GOOD,
        {"items": pl.DataFrame({"item_id": [4, 4]})},
        "item_id '4' has several rows in the items table",
    ),
}


@pytest.mark.parametrize("case", list(CASES))
def test_a_bad_table_is_refused_in_one_line_and_nothing_is_written(tmp_path, case):
    frame, options, said = CASES[case]
    with pytest.raises((InputError, ConfigError)) as caught:
        prepare_frame(frame, tmp_path / "deep" / "out", **options)
    message = str(caught.value)
    assert all(part in message for part in said.split(" .* "))
    assert "\n" not in message
    assert ": " in message  # the remedy stands after the rule
    assert not list(tmp_path.iterdir())


TEXTS = {
    "no file": (None, "no data file at"),
    "nothing in it": ("", "has columns none"),
    "header alone": ("user_id,item_id,timestamp\n", "at least one row"),
    "too many fields": ("user_id,item_id,timestamp\n1,2,3,4\n", "cannot be read"),
    "not UTF-8": (b"user_id,item_id,timestamp\n1,\xff\xfe,3\n", "cannot be read"),
    "renamed column": ("user,item_id,timestamp\n1,2,3\n", "'user', 'item_id', 'timestamp'"),
    "a word as time": ("user_id,item_id,timestamp\n1,2,3\n1,2,x\n", "timestamp 'x' is no time"),
    "a hole": ("user_id,item_id,timestamp\n1,,3\n", "item_id is empty in 1 of 1 rows"),
    "pandas floats": ("user_id,item_id,timestamp\n1.0,2,3\n", "decimals such as 1.0"),
}


@pytest.mark.parametrize("case", list(TEXTS))
def test_a_bad_file_is_refused_in_one_line_and_nothing_is_written(tmp_path, case):
    text, said = TEXTS[case]
    path = tmp_path / "given.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as caught:
        prepare_file(path, tmp_path / "out")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir() if file != path] == []


def test_a_truncated_archive_is_refused(tmp_path):
    path = tmp_path / "given.csv.gz"
    text = "user_id,item_id,timestamp\n" + "".join(f"{n},{n * n},{n**3}\n" for n in range(999))
    path.write_bytes(gzip.compress(text.encode())[:-500])
    with pytest.raises(InputError, match="cannot be read"):
        prepare_file(path, tmp_path / "out")


def test_a_file_of_items_that_is_no_parquet_is_refused(tmp_path):
    GOOD.write_csv(tmp_path / "given.csv")
    (tmp_path / "items.parquet").write_text("no parquet")
    with pytest.raises(InputError, match="cannot be read"):
        prepare_file(tmp_path / "given.csv", tmp_path / "out", items=tmp_path / "items.parquet")
    assert not (tmp_path / "out").exists()


def prepare_file(path, out, *, items=None):
    columns = {name: name for name in ("user_id", "item_id", "timestamp")}
    source = Table(
        str(path),
        columns=columns,
        separator=None,
        header=True,
        time_unit="s",
        items=items and str(items),
        item_columns={},
        list_separator="|",
    )
    prepare_source(source, out)


def test_a_user_without_a_usable_event_is_left_out_and_counted(tmp_path):
    ratings = [5.0] * 8 + [1.0] * 4
    prepared = prepare_frame(
        GOOD.with_columns(pl.Series("rating", ratings)), tmp_path / "out", min_rating=4
    )
    assert prepared.users.to_list() == [1, 2]
    assert prepared.manifest["counts"]["dropped_users"] == 1
    assert prepared.manifest["counts"]["dropped"]["min_rating"] == 4


def test_repeated_rows_are_kept_once_and_counted(tmp_path):
    prepared = prepare_frame(pl.concat([GOOD, GOOD]), tmp_path / "out")
    assert prepared.histories.events == 12
    assert prepared.manifest["counts"]["dropped"]["duplicates"] == 12


def test_an_existing_folder_is_not_touched(tmp_path):
    first = prepare_frame(GOOD, tmp_path / "out")
    with pytest.raises(ConfigError, match="exists: choose another folder or set overwrite=true"):
        prepare_frame(GOOD.head(8), tmp_path / "out")
    assert load(tmp_path / "out").manifest == first.manifest
    second = prepare_frame(GOOD.head(8), tmp_path / "out", overwrite=True)
    assert second.histories.events == 8


def corrupt_array(folder):
    item = np.load(folder / "histories" / "item.npy")
    item[3] += 1
    np.save(folder / "histories" / "item.npy", item)


def rewrite_manifest(folder, **changes):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))


DAMAGES = {
    "changed array": (corrupt_array, "item.npy' was changed since"),
    "lost file": (lambda folder: (folder / "users.parquet").unlink(), "users.parquet' is missing"),
    "another version": (lambda folder: rewrite_manifest(folder, format=99), "has format 99"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "is no prepared folder"),
    "cut manifest": (lambda folder: (folder / "manifest.json").write_text("{"), "is damaged"),
    "odd manifest": (lambda folder: (folder / "manifest.json").write_text("[]"), "has format None"),
    "bare manifest": (
        lambda folder: (folder / "manifest.json").write_text('{"format": 1}'),
        "is damaged",
    ),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_damaged_folder_is_refused(tmp_path, damage):
    prepare_frame(GOOD, tmp_path / "out")
    harm, said = DAMAGES[damage]
    harm(tmp_path / "out")
    with pytest.raises(ArtifactError) as caught:
        load(tmp_path / "out")
    assert said in str(caught.value)
    assert "recsys prepare" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_source_that_fails_late_leaves_nothing(tmp_path):
    class Late(Given):
        def describe(self):
            raise KeyError

    with pytest.raises(KeyError):
        prepare_source(Late(GOOD), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_the_command_prints_one_line_and_exits_with_2(tmp_path, monkeypatch, capfd):
    with_column("timestamp", [MILLISECONDS]).write_csv(tmp_path / "given.csv")
    settings = [f"source.path={tmp_path}/given.csv", f"out={tmp_path}/out"]
    monkeypatch.setattr("sys.argv", ["recsys", "prepare", "source=table", *settings])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    said = capfd.readouterr().err.strip()
    assert said == (
        f"recsys prepare: timestamp {MILLISECONDS} is in milliseconds: set source.time_unit=ms"
    )
    assert not (tmp_path / "out").exists()
