import gzip
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import runtime
from recsys.engine.local import Local
from recsys.errors import ArtifactError, ConfigError, InputError
from recsys.folder import published
from recsys.scoring.checks import Limits
from recsys.scoring.job import Output, Standard, score
from recsys.scoring.plan import Options
from recsys.scoring.report import readable
from recsys.scoring.shard import WHOLE
from recsys.scoring.summary import SUMMARY
from recsys.sink.parquet import Parquet
from recsys.source.table import Table
from tests.tiny_bundle import world, write_bundle

ITEMS, HISTORY = 29, 5
TABLE = world(ITEMS, seed=11)
ROOT = Path(__file__).parent.parent
STRICT = Limits(short=None, uncovered=None, repeated=0, seen=0, drift=None, users_lost=None)
STANDARD = Standard(STRICT, max_quarantined=0, yesterday=None)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("score") / "bundle"
    return runtime.load(write_bundle(folder, TABLE, history=HISTORY))


def source(path, *, time_unit="s", behaviour=None):
    columns = {"user_id": "user_id", "item_id": "item_id", "timestamp": "timestamp"}
    return Table(
        str(path),
        columns=columns | {"behaviour": behaviour, "rating": None},
        separator=None,
        header=True,
        time_unit=time_unit,
        items=None,
        item_columns={},
        list_separator="|",
    )


def options(**changes):
    usual = Options(
        k=4,
        seen="exclude",
        allow=None,
        deny=None,
        rerank=None,
        quota=None,
        category="categories",
        batch_size=3,
        tile=None,
        threads=2,
        road="full",
        part_rows=10,
    )
    return usual._replace(**changes)


def run(bundle, rows, folder, *, behaviour=None, time_unit="s", **changes):
    """Scores these rows; the lists in the order written, and the summary."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = rows if isinstance(rows, pl.DataFrame) else interactions(rows)
    frame.write_parquet(folder / "histories.parquet")
    histories = source(folder / "histories.parquet", time_unit=time_unit, behaviour=behaviour)
    run_job(bundle, histories, folder / "out", **changes)
    summary = json.loads((folder / "out" / SUMMARY).read_text())
    return pl.read_parquet(folder / "out" / "*.parquet"), summary


def run_job(bundle, histories, out, **changes):
    score(
        lambda: bundle,
        histories,
        Output(out, Parquet(), overwrite=True, restart=False),
        options=options(**changes),
        standard=STANDARD,
        engine=Local(),
        shard=WHOLE,
    )


def interactions(rows):
    return pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")


def expected(rows, *, k, seen="exclude", candidates=range(1, ITEMS + 1)):
    """Lists by the definition, in plain Python: rows of (user, item_id 99 + item, time)."""
    histories = defaultdict(list)
    for place, (user, item_id, moment) in enumerate(dict.fromkeys(rows)):  # equal rows count once
        histories[user].append((moment, place, item_id - 99))
    lists = {}
    for user, events in histories.items():
        items = [item for _, _, item in sorted(events) if 1 <= item <= ITEMS]
        last = items[-1] if items else 0
        left = [item for item in candidates if seen == "keep" or item not in items]
        best = sorted(left, key=lambda item, last=last: (-TABLE[last, item], item))[:k]
        lists[user] = [(rank, item + 99, TABLE[last, item]) for rank, item in enumerate(best, 1)]
    return lists


def as_lists(found):
    lists = defaultdict(list)
    for user, rank, item_id, value in found.select("user_id", "rank", "item_id", "score").rows():
        lists[user].append((rank, item_id, value))
    return lists


ROWS = st.lists(
    st.tuples(st.integers(-3, 9), st.integers(97, 99 + ITEMS + 2), st.integers(0, 6)),
    min_size=1,
    max_size=60,
)


@settings(deadline=None, max_examples=40)
@given(
    rows=ROWS,
    k=st.integers(1, ITEMS + 2),
    seen=st.sampled_from(["exclude", "keep"]),
    tile=st.sampled_from([None, 1, 7]),
    part_rows=st.sampled_from([1, 8, 1000]),
)
def test_lists_are_those_of_the_definition(
    tmp_path_factory, bundle, rows, k, seen, tile, part_rows
):
    folder = tmp_path_factory.mktemp("world")

    found, _ = run(bundle, rows, folder, k=k, seen=seen, tile=tile, part_rows=part_rows)

    wanted = {user: best for user, best in expected(rows, k=k, seen=seen).items() if best}
    assert as_lists(found) == wanted


def test_thousands_of_users_in_many_parts_lose_nothing(bundle, tmp_path):
    random = np.random.default_rng(5)
    rows = list(
        zip(
            random.integers(0, 2000, 30_000).tolist(),
            random.integers(97, 99 + ITEMS + 3, 30_000).tolist(),
            random.integers(0, 500, 30_000).tolist(),
            strict=True,
        )
    )

    found, summary = run(bundle, rows, tmp_path, part_rows=3000, batch_size=64)

    assert as_lists(found) == {u: best for u, best in expected(rows, k=4).items() if best}
    assert len(summary["files"]) == 10


def test_rows_of_one_user_stand_together_in_one_part_by_rank(bundle, tmp_path):
    rows = [(user, 100 + user % ITEMS, 0) for user in range(50)]

    found, summary = run(bundle, rows, tmp_path)

    assert found["rank"].to_list() == [1, 2, 3, 4] * 50
    assert found["user_id"].rle().len() == 50
    assert found.schema == {
        "user_id": pl.Int64,
        "rank": pl.Int32,
        "item_id": pl.Int64,
        "score": pl.Float32,
        "because": pl.List(pl.Struct({"item_id": pl.Int64, "weight": pl.Float32})),
    }
    assert sorted(summary["files"]) == sorted(p.name for p in (tmp_path / "out").glob("*.parquet"))


def test_items_seen_before_the_newest_events_are_out_too(bundle, tmp_path):
    rows = [(1, 100 + place, place) for place in range(ITEMS - 2)]

    found, summary = run(bundle, rows, tmp_path)

    assert sorted(found["item_id"]) == [99 + ITEMS - 1, 99 + ITEMS]
    assert summary["counts"]["users_with_short_list"] == 1


def test_a_user_who_has_seen_everything_gets_no_row_and_is_counted(bundle, tmp_path):
    rows = [(1, 100 + place, place) for place in range(ITEMS)]

    found, summary = run(bundle, rows, tmp_path)

    assert found.height == 0
    assert found.columns == ["user_id", "rank", "item_id", "score", "because"]
    assert summary["counts"]["users_without_list"] == 1


def test_the_memory_gets_the_newest_known_events(bundle, tmp_path):
    events = [101, 102, 103, 104, 105, 106]
    rows = [(1, item_id, place) for place, item_id in enumerate([*events, 5, 6])]

    found, _ = run(bundle, rows, tmp_path)

    reasons = {tuple(reason["item_id"] for reason in because) for because in found["because"]}
    assert reasons == {(106, 102)}  # the newest, and the oldest of the newest HISTORY = 5


def test_reasons_are_lists_without_empty_places(bundle, tmp_path):
    found, _ = run(bundle, [(1, 104, 0), (2, 105, 0), (2, 106, 1), (3, 5, 0)], tmp_path, k=1)

    because = dict(found.select("user_id", "because").iter_rows())
    best = {user: lists[0][2] for user, lists in as_lists(found).items()}
    assert because == {
        1: [{"item_id": 104, "weight": best[1]}],
        2: [{"item_id": 106, "weight": best[2]}, {"item_id": 105, "weight": 0.5}],
        3: [],
    }


def test_a_bundle_without_reasons_writes_no_because(tmp_path):
    folder = write_bundle(tmp_path / "bundle", TABLE, explains=False)

    found, _ = run(runtime.load(folder), [(1, 104, 0)], tmp_path)

    assert found.columns == ["user_id", "rank", "item_id", "score"]


def test_equal_times_keep_the_order_of_the_file(bundle, tmp_path):
    forward, _ = run(bundle, [(1, 104, 0), (1, 107, 0)], tmp_path)
    backward, _ = run(bundle, [(1, 107, 0), (1, 104, 0)], tmp_path)

    assert forward["because"][0][0]["item_id"] == 107
    assert backward["because"][0][0]["item_id"] == 104


def test_unknown_items_and_their_users_are_counted(bundle, tmp_path):
    rows = [(1, 7, 0), (2, 104, 0), (2, 8, 1), (2, 8, 2), (3, 105, 0)]

    found, summary = run(bundle, rows, tmp_path)

    counts = summary["counts"]
    assert found["user_id"].n_unique() == 3
    assert (counts["interactions"], counts["users"], counts["unknown_item_rows"]) == (5, 3, 3)
    assert counts["users_without_known_item"] == 1
    assert counts["unknown_items"] == [7, 8]


def test_equal_rows_count_once(bundle, tmp_path):
    rows = [(1, 104, 0), (1, 105, 0), (1, 104, 0), (1, 104, 1), (2, 104, 0)]

    found, summary = run(bundle, rows, tmp_path)

    assert summary["counts"]["duplicate_rows"] == 1
    assert as_lists(found) == expected(rows, k=4)


@pytest.mark.parametrize(("batch_size", "threads", "tile"), [(1, 1, None), (7, 4, 5), (500, 2, 28)])
def test_batches_threads_and_tiles_change_no_byte(bundle, tmp_path, batch_size, threads, tile):
    rows = [(user, 100 + (user * step) % ITEMS, step) for step in range(4) for user in range(40)]
    reference, _ = run(bundle, rows, tmp_path / "a")

    found, _ = run(bundle, rows, tmp_path / "b", batch_size=batch_size, threads=threads, tile=tile)

    assert found.equals(reference)


def test_only_allowed_and_never_denied_items_are_recommended(bundle, tmp_path):
    pl.DataFrame({"item_id": [104, 105, 106, 9999]}).write_parquet(tmp_path / "allow.parquet")
    (tmp_path / "deny.csv").write_text("item_id,why\n105,sold out\n")

    found, summary = run(
        bundle,
        [(1, 104, 0), (2, 120, 0)],
        tmp_path,
        allow=str(tmp_path / "allow.parquet"),
        deny=str(tmp_path / "deny.csv"),
    )

    lists = {user: {item for _, item, _ in best} for user, best in as_lists(found).items()}
    assert lists == {1: {106}, 2: {104, 106}}
    assert summary["counts"]["candidates"] == 2
    assert summary["counts"]["unknown_in_filters"] == 1


def test_filters_that_leave_nothing_are_refused(bundle, tmp_path):
    pl.DataFrame({"item_id": ["a", "b"]}).write_parquet(tmp_path / "allow.parquet")

    with pytest.raises(ConfigError, match="leave none of the 29 items"):
        run(bundle, [(1, 104, 0)], tmp_path, allow=str(tmp_path / "allow.parquet"))


def test_a_filter_without_item_id_is_refused(bundle, tmp_path):
    pl.DataFrame({"item": [104]}).write_parquet(tmp_path / "deny.parquet")

    with pytest.raises(InputError, match="has no column 'item_id'"):
        run(bundle, [(1, 104, 0)], tmp_path, deny=str(tmp_path / "deny.parquet"))


def text_bundle(tmp_path, *, user_ids):
    names = pl.Series("item_id", ["007", "7", *(f"item {n}" for n in range(3, ITEMS + 1))])
    folder = write_bundle(tmp_path / "bundle", TABLE, item_ids=names, user_ids=user_ids)
    return runtime.load(folder)


def test_text_ids_keep_their_zeros(tmp_path):
    bundle = text_bundle(tmp_path, user_ids="String")

    found, _ = run(bundle, [("01", "007", 0), ("1", "7", 0)], tmp_path, k=1)

    assert found.schema["user_id"] == pl.String
    reasons = {user: because[0]["item_id"] for user, _, _, _, because in found.rows()}
    assert reasons == {"01": "007", "1": "7"}


def test_integers_are_matched_with_the_text_that_training_knew(tmp_path):
    bundle = text_bundle(tmp_path, user_ids="String")

    found, summary = run(bundle, [(1, 7, 0)], tmp_path, k=1)

    assert summary["counts"]["unknown_item_rows"] == 0
    assert found["user_id"].to_list() == ["1"]
    assert found["because"][0][0]["item_id"] == "7"


def test_text_is_matched_with_the_integers_that_training_knew(bundle, tmp_path):
    rows = [("1", "104", 0), ("2", "0105", 0), ("2", "x", 0)]

    found, summary = run(bundle, rows, tmp_path, k=1)

    assert summary["counts"]["unknown_item_rows"] == 2
    assert found.schema["user_id"] == pl.Int64
    assert found.schema["item_id"] == pl.Int64


def test_users_that_are_no_integers_stay_text(bundle, tmp_path):
    found, _ = run(bundle, [("1", "104", 0), ("x", "105", 0)], tmp_path, k=1)

    assert sorted(found["user_id"]) == ["1", "x"]


def test_behaviours_reach_the_memory_and_unknown_ones_are_no_events(tmp_path):
    folder = write_bundle(tmp_path / "bundle", TABLE, behaviours=("view", "buy"))
    rows = pl.DataFrame(
        {
            "user_id": [1, 2, 3, 3, 4],
            "item_id": [104, 104, 104, 105, 106],
            "timestamp": [0, 0, 0, 1, 0],
            "what": ["view", "buy", None, "wish", "wish"],
        }
    )

    found, summary = run(runtime.load(folder), rows, tmp_path, k=1, behaviour="what")

    scores = dict(found.select("user_id", "score").iter_rows())
    assert scores[1] - scores[3] == 1
    assert scores[2] - scores[3] == 2
    assert summary["counts"]["unknown_behaviour_rows"] == 2
    assert summary["counts"]["users_without_known_item"] == 1


def test_times_finer_than_a_second_order_the_events(bundle, tmp_path):
    times = ["2024-01-01 00:00:00.200", "2024-01-01 00:00:00.100"]
    rows = pl.DataFrame({"user_id": [1, 1], "item_id": [104, 105], "timestamp": times})

    found, _ = run(bundle, rows, tmp_path)

    assert found["because"][0][0]["item_id"] == 104


def test_a_gzipped_text_file_gives_the_lists_of_the_parquet_file(bundle, tmp_path):
    frame = interactions([(user, 100 + user % ITEMS, user) for user in range(30)])
    reference, _ = run(bundle, frame, tmp_path)
    (tmp_path / "h.csv.gz").write_bytes(gzip.compress(frame.write_csv().encode()))

    run_job(bundle, source(tmp_path / "h.csv.gz"), tmp_path / "csv")

    found = pl.read_parquet(tmp_path / "csv" / "*.parquet")
    assert found.sort("user_id", "rank").equals(reference.sort("user_id", "rank"))


def test_an_order_is_no_time_for_a_memory_trained_on_seconds(bundle, tmp_path):
    with pytest.raises(ConfigError, match="trained on times as seconds, but the histories hold or"):
        run(bundle, [(1, 104, 0)], tmp_path, time_unit="order")


def test_seconds_are_no_order(tmp_path):
    folder = write_bundle(tmp_path / "bundle", TABLE, time="order")

    with pytest.raises(ConfigError, match=r"set source\.time_unit=order"):
        run(runtime.load(folder), [(1, 104, 0)], tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "histories hold no interaction"),
        ([(1, 104, 0), (None, 104, 0)], "user_id is empty in 1 of 2 rows"),
        ([(1, None, 0), (1, 104, 0)], "item_id is empty in 1 of 2 rows"),
        ([(1, 104, 0), (1, 104, 10**12)], "timestamp"),
    ],
)
def test_bad_histories_are_refused_and_leave_nothing(bundle, tmp_path, rows, message):
    schema = {"user_id": pl.Int64, "item_id": pl.Int64, "timestamp": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")

    with pytest.raises(InputError, match=message):
        run(bundle, frame, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["histories.parquet"]


def test_a_truncated_file_is_one_line(bundle, tmp_path):
    path = tmp_path / "h.parquet"
    interactions([(1, 104, 0)] * 1000).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-200])

    with pytest.raises(InputError, match=r"^histories cannot be read[^\n]*$"):
        run_job(bundle, source(path), tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 0}, "k is a whole number of at least 1, but is 0"),
        ({"tile": -1}, "tile is a whole number of at least 1, but is -1"),
        ({"batch_size": 2.5}, "batch_size is a whole number of at least 1, but is 2.5"),
        ({"seen": "maybe"}, "seen is exclude or keep, but is 'maybe'"),
    ],
)
def test_options_out_of_range_are_refused(bundle, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        run(bundle, [(1, 104, 0)], tmp_path, **changes)


def test_scores_that_are_no_numbers_are_refused(tmp_path):
    folder = write_bundle(tmp_path / "bundle", np.full_like(TABLE, np.inf))

    with pytest.raises(ArtifactError, match="scores that are no numbers"):
        run(runtime.load(folder), [(1, 104, 0)], tmp_path)


def test_an_existing_folder_is_not_replaced_unless_told(bundle, tmp_path):
    run(bundle, [(1, 104, 0)], tmp_path)

    with (
        pytest.raises(ConfigError, match="exists"),
        published(tmp_path / "out", overwrite=False, marker=SUMMARY),
    ):
        pass


def test_a_folder_that_score_did_not_write_is_never_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()

    with (
        pytest.raises(ConfigError, match=r"summary\.json"),
        published(tmp_path / "out", overwrite=True, marker=SUMMARY),
    ):
        pass

    assert (tmp_path / "out" / "thesis.tex").exists()


def test_an_error_keeps_the_earlier_lists(bundle, tmp_path):
    run(bundle, [(1, 104, 0)], tmp_path)
    before = sorted((tmp_path / "out").iterdir())

    with pytest.raises(ConfigError):
        run(bundle, [(1, 104, 0)], tmp_path, k=0)

    assert sorted((tmp_path / "out").iterdir()) == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not locked there")
def test_two_jobs_for_one_folder_refuse_each_other(tmp_path):
    with (
        published(tmp_path / "out", overwrite=False, marker=SUMMARY) as folder,
        pytest.raises(ArtifactError, match="another run is writing"),
        published(tmp_path / "out", overwrite=False, marker=SUMMARY),
    ):
        pass

    assert not folder.exists()


def test_an_exchange_cut_in_two_by_a_kill_is_mended(tmp_path):
    (tmp_path / ".out.old").mkdir()
    (tmp_path / ".out.old" / SUMMARY).write_text("earlier")

    with (
        pytest.raises(KeyError),
        published(tmp_path / "out", overwrite=True, marker=SUMMARY),
    ):
        raise KeyError

    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / SUMMARY).read_text() == "earlier"


def test_ids_stand_in_for_titles_that_are_not_known():
    because = [[{"item_id": 8, "weight": 0.25}], []]
    lists = pl.DataFrame(
        {"user_id": [1, 1], "rank": [1, 2], "item_id": [7, 8], "score": [2, 1], "because": because}
    )
    bare = pl.DataFrame({"item_id": [7, 8]})

    assert readable(lists, catalogue=bare) == [("1", 1, "7", "8 (0.25)"), ("1", 2, "8", "")]
    titled = bare.with_columns(title=pl.Series(["Heat", None]))
    assert readable(lists, catalogue=titled)[0] == ("1", 1, "Heat", "8 (0.25)")
    assert readable(lists.drop("because"), catalogue=titled)[0] == ("1", 1, "Heat", "")


def command(*settings):
    return [sys.executable, "-m", "recsys.cli", "score", *settings]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("kk=3", "recsys score: there is no setting 'kk': did you mean 'k'?"),
        ("histories=nowhere.parquet", "recsys score: no data file at 'nowhere.parquet'"),
        ("bundle=nowhere", "recsys score: 'nowhere' is no bundle"),
        ("source=synthetic", "recsys score: histories names a file, but this source reads none"),
        ("histories=null", "recsys score: 'source.path' has no value"),
    ],
)
def test_the_door_prints_one_line_and_exits_with_2(tmp_path, setting, message):
    write_bundle(tmp_path / "bundle", TABLE)
    interactions([(1, 104, 0)]).write_parquet(tmp_path / "h.parquet")
    words = [f"bundle={tmp_path / 'bundle'}", f"histories={tmp_path / 'h.parquet'}"]

    found = subprocess.run(
        command(*words, f"out={tmp_path / 'out'}", setting),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 2
    assert found.stderr.splitlines()[-1].startswith(message)
    assert found.stdout == ""
    assert not (tmp_path / "out").exists()


def test_a_shard_says_how_much_is_done_and_publishes_nothing(tmp_path):
    write_bundle(tmp_path / "bundle", TABLE)
    interactions([(user, 104, 0) for user in range(8)]).write_parquet(tmp_path / "h.parquet")
    words = [f"bundle={tmp_path / 'bundle'}", f"histories={tmp_path / 'h.parquet'}"]

    found = subprocess.run(
        command(*words, f"out={tmp_path / 'out'}", "part_rows=4", "shard=1/2"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "1 of 2 parts" in found.stderr
    assert not (tmp_path / "out").exists()


def test_the_command_writes_the_lists_and_shows_titles_and_reasons(tmp_path):
    write_bundle(tmp_path / "bundle", TABLE)
    interactions([(1, 104, 0)]).write_parquet(tmp_path / "h.parquet")
    words = [f"bundle={tmp_path / 'bundle'}", f"histories={tmp_path / 'h.parquet'}"]

    found = subprocess.run(
        command(*words, f"out={tmp_path / 'out'}", "k=2"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert pl.read_parquet(tmp_path / "out" / "*.parquet").height == 2
    assert "Title 5 (" in found.stdout
    assert "2 recommendations for 1 users" in found.stderr
