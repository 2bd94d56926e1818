import json
import sys

import polars as pl
import pytest

from recsys.engine.ray import Ray
from recsys.errors import ConfigError
from recsys.sink.delta import Delta
from recsys.sink.json_lines import JsonLines
from recsys.sink.lists import Lists
from recsys.sink.parquet import Parquet
from tests.scoring.killed import OPTIONS, job
from tests.tiny_bundle import world, write_bundle

USERS = 40


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Text users with lists of several parts; the lists as the usual sink writes them."""
    folder = tmp_path_factory.mktemp("sinks")
    write_bundle(folder / "bundle", world(23, seed=3), history=5)
    rows = [
        (f"u{user}", 100 + user * step % 23, step) for step in range(6) for user in range(USERS)
    ]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    frame.write_parquet(folder / "histories.parquet")
    job(folder, out="usual", sink=Parquet())
    return folder


@pytest.fixture(scope="module")
def usual(shop):
    return pl.read_parquet(shop / "usual" / "part-*.parquet")


def without_reasons(lists):
    return lists.select("user_id", "rank", "item_id", "score")


@pytest.mark.parametrize("sink", [Lists(), JsonLines()], ids=lambda sink: type(sink).__name__)
def test_a_cache_gets_one_row_a_user_with_the_same_lists(shop, usual, sink):
    result = job(shop, out=type(sink).__name__, sink=sink)

    parts = sorted((shop / type(sink).__name__).glob("part-*"))
    back = pl.concat([sink.decode(part) for part in parts])
    types = {"item_id": pl.Int64, "rank": pl.Int32, "score": pl.Float32}
    assert back.cast(types).equals(without_reasons(usual))
    assert result.sample["user_id"].n_unique() == 3


def test_a_line_of_json_is_a_user(shop):
    job(shop, out="lines", sink=JsonLines())

    lines = (shop / "lines" / "part-00000.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    assert set(first) == {"user_id", "item_ids", "scores"}
    assert len(first["item_ids"]) == len(first["scores"]) == OPTIONS.k


def test_a_row_of_a_list_holds_the_whole_list(shop, usual):
    job(shop, out="rows", sink=Lists())

    rows = pl.read_parquet(shop / "rows" / "part-*.parquet")
    assert rows.schema == {
        "user_id": pl.String,
        "item_ids": pl.List(pl.Int64),
        "scores": pl.List(pl.Float32),
    }
    assert rows.height == usual["user_id"].n_unique() == USERS


def test_duckdb_reads_what_polars_reads(shop, usual):
    duckdb = pytest.importorskip("duckdb", reason="recsys[dev] is not installed")
    found = duckdb.sql(f"SELECT * FROM '{shop}/usual/part-*.parquet'")

    assert found.columns == usual.columns
    assert [row[:4] for row in found.fetchall()] == without_reasons(usual).rows()
    weights = f"SELECT sum(b.weight) FROM (SELECT unnest(because) AS b FROM '{shop}/usual/part-*')"
    expected = usual["because"].explode().struct.field("weight").sum()
    assert duckdb.sql(weights.replace("part-*", "part-*.parquet")).fetchall() == [(expected,)]


def test_a_delta_table_is_replaced_in_one_commit(shop, usual):
    deltalake = pytest.importorskip("deltalake", reason="recsys[delta] is not installed")
    out = shop / "table"
    job(shop, out="table", sink=Delta(), options=OPTIONS._replace(k=2))
    before = deltalake.DeltaTable(str(out))

    result = job(shop, out="table", sink=Delta())

    assert (
        pl.scan_delta(str(out))
        .collect()
        .sort("user_id", "rank")
        .equals(usual.sort("user_id", "rank"))
    )
    assert deltalake.DeltaTable(str(out)).version() == 1
    assert pl.scan_delta(str(out), version=0).collect()["rank"].max() == 2
    assert before.version() == 0
    assert json.loads((out / "_summary.json").read_text())["counts"] == result.summary["counts"]


def test_a_commit_that_was_not_tidied_up_after_is_not_made_again(shop):
    deltalake = pytest.importorskip("deltalake", reason="recsys[delta] is not installed")
    sink, out = Delta(), shop / "twice"
    job(shop, out="twice", sink=sink)
    lists = shop / "again"
    lists.mkdir()
    for name in ("summary.json", "timing.json"):
        (lists / name).write_bytes((out / f"_{name}").read_bytes())
    (lists / "part-00000.parquet").write_bytes(next(out.glob("*.parquet")).read_bytes())
    name = json.loads((out / "_summary.json").read_text())["job"]
    (out / "_summary.json").unlink()
    assert not sink.holds(out, job=name)

    sink.publish(lists, out, job=name)

    assert sink.holds(out, job=name)
    assert deltalake.DeltaTable(str(out)).version() == 0


def test_duckdb_reads_the_files_of_a_delta_table(shop, usual):
    duckdb = pytest.importorskip("duckdb", reason="recsys[dev] is not installed")
    deltalake = pytest.importorskip("deltalake", reason="recsys[delta] is not installed")
    job(shop, out="delta", sink=Delta())

    files = deltalake.DeltaTable(str(shop / "delta")).file_uris()
    query = f"SELECT user_id, rank, item_id, score FROM read_parquet({files}) ORDER BY 1, 2"
    found = duckdb.sql(query).fetchall()
    assert found == without_reasons(usual).sort("user_id", "rank").rows()


@pytest.mark.parametrize(
    ("package", "part"),
    [
        ("deltalake", Delta),
        ("ray", lambda: Ray(address=None, workers=1, cpus=1, gpus=0, retries=0)),
    ],
)
def test_a_package_that_is_not_installed_is_asked_for(monkeypatch, package, part):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"needs the package {package}: pip install"):
        part()


def test_a_folder_of_another_kind_is_not_made_a_delta_table(shop):
    pytest.importorskip("deltalake", reason="recsys[delta] is not installed")
    with pytest.raises(ConfigError, match="holds no _delta_log"):
        job(shop, out="usual", sink=Delta())
