import json

import numpy as np
import pytest

from recsys import cli
from recsys.data.prepared import load
from recsys.data.split import GlobalTime, LeaveOneOut, UserHoldout
from recsys.source.movielens import MovieLens
from recsys.source.sequences import Sequences
from tests.tiny_data import prepare_frame, prepare_source, rows

# Users out of order, a tie at time 2 that the file decides, one row twice.
WORLD = rows(
    ("b", 20, 1),
    ("a", 30, 2),
    ("a", 10, 2),
    ("a", 20, 1),
    ("b", 30, 3),
    ("a", 30, 2),
    ("c", 40, 9),
    ("a", 20, 4),
)


def histories(prepared):
    """user_id -> item_ids, oldest first."""
    ids = prepared.catalogue["item_id"].to_list()
    offset = prepared.histories.offset
    return {
        user: [ids[item - 1] for item in prepared.histories.item[start:end]]
        for user, start, end in zip(prepared.users, offset[:-1], offset[1:], strict=True)
    }


def test_a_table_becomes_histories_by_user_and_time(tmp_path):
    prepared = prepare_frame(WORLD, tmp_path / "out")
    assert histories(prepared) == {"a": [20, 30, 10, 20], "b": [20, 30], "c": [40]}
    assert prepared.histories.time.tolist() == [1, 2, 2, 4, 1, 3, 9]
    assert prepared.histories.item.dtype == np.int32
    assert prepared.histories.behaviour.tolist() == [0] * 7


def test_counts_are_of_training_alone(tmp_path):
    prepared = prepare_frame(WORLD, tmp_path / "out")  # user a holds out items 10 and 20
    assert prepared.catalogue.select("item", "item_id", "count").rows() == [
        (1, 10, 0),
        (2, 20, 2),
        (3, 30, 2),
        (4, 40, 1),
    ]


def test_the_manifest_says_what_was_done(tmp_path):
    manifest = prepare_frame(WORLD, tmp_path / "out", user_core=2).manifest
    assert manifest["format"] == 1
    assert manifest["ids"] == {"user_id": "String", "item_id": "Int64"}
    assert manifest["time"] == "seconds"
    counts = manifest["counts"]
    assert (counts["rows"], counts["interactions"]) == (8, 6)
    assert counts["dropped"] == {"duplicates": 1, "history_cap": 0, "core": 1}
    assert counts["dropped_users"] == 1
    assert (counts["users"], counts["items"]) == (2, 3)


def test_each_interaction_is_stored_once(tmp_path):
    events = [(user, (user * 7 + step * 3) % 50, step) for user in range(40) for step in range(25)]
    for splitter in (
        LeaveOneOut(),
        UserHoldout(valid=0.2, test=0.2, holdout=0.2, seed=0),
        GlobalTime(valid=0.1, test=0.1, valid_from=None, test_from=None),
    ):
        out = tmp_path / type(splitter).__name__
        prepared = prepare_frame(rows(*events), out, splitter=splitter)
        stored = [path for path in out.rglob("*.npy") if np.load(path).shape == (1000,)]
        assert sorted(path.name for path in stored) == ["behaviour.npy", "item.npy", "time.npy"]
        sizes = sum(path.stat().st_size for path in stored)
        assert sizes == 1000 * (4 + 8 + 1) + 3 * 128  # and a header each
        given = sorted(zip(*np.array(events).T[:2], strict=True))
        ids = prepared.catalogue["item_id"].to_numpy()[prepared.histories.item - 1]
        users = np.repeat(prepared.users.to_numpy(), np.diff(prepared.histories.offset))
        assert sorted(zip(users, ids, strict=True)) == given


def test_the_order_of_rows_matters_only_for_ties(tmp_path):
    distinct = rows(*((user, item, user + item) for user in range(9) for item in range(9)))
    shuffled = distinct.sample(fraction=1.0, shuffle=True, seed=1)
    first = prepare_frame(distinct, tmp_path / "first")
    second = prepare_frame(shuffled, tmp_path / "second")
    assert first.manifest["files"] == second.manifest["files"]
    assert first.manifest["checksum"] == second.manifest["checksum"]


def test_an_order_is_stored_as_it_is(tmp_path):
    table = rows(("a", 1, 10**12), ("a", 2, 5), ("a", 3, 7))
    prepared = prepare_frame(table, tmp_path / "out", time_unit="order")
    assert prepared.histories.time.tolist() == [5, 7, 10**12]
    assert prepared.manifest["time"] == "order"


def test_behaviours_are_named_in_the_manifest(tmp_path):
    table = rows(("a", 1, 1), ("a", 2, 2), ("a", 3, 3), behaviours=["view", "buy", None])
    prepared = prepare_frame(table, tmp_path / "out")
    assert prepared.behaviours == ["buy", "view"]
    assert prepared.histories.behaviour.tolist() == [2, 1, 0]


def test_a_later_night_keeps_the_indices(tmp_path):
    first = prepare_frame(rows(("a", 5, 1), ("a", 9, 2), ("a", 7, 3)), tmp_path / "first")
    second = prepare_frame(
        rows(("a", 9, 1), ("a", 6, 2), ("a", 5, 3)),
        tmp_path / "second",
        extends=first.folder / "catalogue.parquet",
    )
    assert second.catalogue["item_id"].to_list() == [5, 7, 9, 6]
    assert second.histories.item.tolist() == [3, 4, 1]
    assert second.items == 4


def test_arrays_are_mapped_and_cannot_be_changed(tmp_path):
    prepared = prepare_frame(WORLD, tmp_path / "out")
    for array in (*prepared.histories, *prepared.split[1:]):
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable


def test_a_hash_is_kept_of_every_file(tmp_path):
    prepared = prepare_frame(WORLD, tmp_path / "out")
    files = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    assert set(prepared.manifest["files"]) == files - {"manifest.json"}
    assert json.loads((tmp_path / "out" / "manifest.json").read_text()) == prepared.manifest


@pytest.mark.parametrize(
    ("name", "interactions", "users", "items"),
    [("ml-100k", 100_000, 943, 1_682), ("ml-latest-small", 100_836, 610, 9_724)],
)
def test_movielens_with_titles(tmp_path, datasets, name, interactions, users, items):
    splitter = GlobalTime(valid=0.1, test=0.1, valid_from=None, test_from=None)
    source = MovieLens(str(datasets / name))
    prepared = prepare_source(source, tmp_path / "out", splitter=splitter)
    counts = prepared.manifest["counts"]
    assert counts["interactions"] == interactions
    assert (counts["users"], counts["items"]) == (users, items)
    assert prepared.catalogue["title"][0] == "Toy Story (1995)"
    assert counts["test_events"] == pytest.approx(0.1 * interactions, rel=0.01)


def test_movielens_1m_as_the_literature_splits_it(tmp_path, datasets):
    path = datasets / "ml-1m" / "ml-1m_sas.txt.gz"
    source = Sequences(str(path), layout="pairs", separator=" ")
    prepared = prepare_source(source, tmp_path / "out")
    assert (prepared.histories.events, prepared.histories.users) == (999_611, 6_040)
    assert prepared.items == 3_416
    assert prepared.catalogue["count"].sum() == 999_611 - 2 * 6_040


@pytest.mark.parametrize("protocol", ["global_time", "leave_one_out", "user_holdout"])
def test_the_command_prepares_with_every_protocol(tmp_path, monkeypatch, capfd, protocol):
    rows(*((user, user + step, step) for user in range(30) for step in range(20))).write_csv(
        tmp_path / "given.csv"
    )
    settings = [f"split={protocol}", f"source.path={tmp_path}/given.csv", f"out={tmp_path}/out"]
    monkeypatch.setattr("sys.argv", ["recsys", "prepare", "source=table", *settings])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 0
    assert "interactions" in capfd.readouterr().out
    prepared = load(tmp_path / "out")
    assert prepared.split.protocol["protocol"] == protocol
    assert prepared.manifest["options"]["source"]["path"] == f"{tmp_path}/given.csv"
