"""The log of a live store as a table of interactions."""

import sqlite3

import polars as pl
import pytest
from hydra import compose, initialize_config_dir

from recsys.config import CONF
from recsys.errors import InputError
from recsys.score import main
from recsys.source import state_store
from recsys.source.state_store import StateStore
from serving.store.contract import Write
from serving.store.embedded import Embedded
from tests.tiny_bundle import world, write_bundle

ROWS = [(user, 100 + user * step % 7, 60 * step) for step in range(1, 6) for user in (2, 10, 33)]


def writes(rows):
    return [Write(str(user), str(item), time, None, None) for user, item, time in rows]


@pytest.fixture
def store(tmp_path):
    found = Embedded(tmp_path / "states.sqlite", busy_seconds=5)
    found.append(writes(ROWS))
    yield found
    found.close()


def source(store, **changes):
    return StateStore(str(store.path), **({"time_unit": "s", "snapshot": None} | changes))


def score(*words):
    with initialize_config_dir(CONF, version_base=None):
        cfg = compose("score", list(words))
    main.__wrapped__(cfg)


def test_every_event_is_a_row_in_the_order_of_its_log(store, monkeypatch):
    monkeypatch.setattr(state_store, "ROWS", 4)
    found = source(store).interactions().collect()
    ids = found.select(pl.col("user_id", "item_id").cast(pl.Int64))
    times = found["timestamp"].dt.epoch("s")
    expected = sorted(ROWS, key=lambda row: (str(row[0]), row[2]))
    assert list(zip(ids["user_id"], ids["item_id"], times, strict=True)) == expected
    assert found["fault"].null_count() == len(ROWS)


def test_what_is_logged_later_is_not_in_a_copy_that_was_begun(store, monkeypatch):
    monkeypatch.setattr(state_store, "ROWS", 4)
    pieces = state_store._pieces(store.path)
    first = next(pieces)
    store.append(writes([(2, 101, 999), (1, 101, 999)]))  # the service goes on
    assert len(first) + sum(map(len, pieces)) == len(ROWS)
    store.forget(["33"])
    assert source(store).interactions().collect().height == len(ROWS) + 2 - 5


def test_a_kept_copy_is_the_same_input_though_the_store_moves_on(store, tmp_path):
    kept = {"snapshot": str(tmp_path / "copy")}
    before = source(store, **kept).describe()
    store.append(writes([(2, 101, 999)]))
    assert source(store, **kept).describe() == before
    assert source(store).describe() != before


def test_lists_from_a_store_are_those_of_the_same_table(store, tmp_path):
    bundle = write_bundle(tmp_path / "bundle", world(23, seed=3))
    table = pl.DataFrame(ROWS, schema=["user_id", "item_id", "timestamp"], orient="row")
    table.write_parquet(tmp_path / "events.parquet")
    score(f"bundle={bundle}", f"histories={tmp_path}/events.parquet", f"out={tmp_path}/table")
    words = ["source=state_store", f"source.path={store.path}", f"out={tmp_path}/store"]
    score(f"bundle={bundle}", *words)
    lists = [
        pl.read_parquet(tmp_path / name / "part-*.parquet").sort("user_id", "rank")
        for name in ("table", "store")
    ]
    assert lists[0].height > 0
    assert lists[0].equals(lists[1])


def test_what_is_no_store_is_refused_in_one_line(tmp_path):
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE notes (text)")
    other.close()
    (tmp_path / "text").write_text("no database at all, but long enough to be looked at")
    for name, said in (("none", "no file at"), ("other.sqlite", "no such table: events"),
                       ("text", "file is not a database")):  # fmt: skip
        with pytest.raises(InputError, match=said):
            StateStore(str(tmp_path / name), time_unit="s", snapshot=None).interactions()


def test_an_empty_store_is_refused(tmp_path):
    empty = Embedded(tmp_path / "states.sqlite", busy_seconds=5)
    with pytest.raises(InputError, match="holds no event"):
        source(empty).interactions()
    empty.close()
