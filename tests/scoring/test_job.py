import json

import numpy as np
import polars as pl
import pytest

from recsys.errors import ArtifactError, ConfigError, InputError, RejectedError
from recsys.runtime import Recommendations
from recsys.scoring.checks import Limits
from recsys.scoring.histories import arrange
from recsys.scoring.shard import Shard, parse
from recsys.scoring.tally import count
from tests.scoring.killed import OPTIONS, STANDARD, job
from tests.tiny_bundle import world, write_bundle

ITEMS = 23
OPEN = Limits(short=None, uncovered=None, repeated=None, seen=None, drift=None, users_lost=None)
GOOD = [(user, 100 + user % ITEMS, step) for step in range(2) for user in range(20)]


def shop(folder, rows, *, table=None, **kinds):
    """A bundle and histories; returns the folder."""
    if not (folder / "bundle").exists():
        write_bundle(folder / "bundle", world(ITEMS, seed=3) if table is None else table)
    schema = {"user_id": pl.Int64, "item_id": pl.Int64, "timestamp": pl.Int64} | kinds
    frame = pl.DataFrame(rows, schema=schema, orient="row", strict=False)
    frame.write_parquet(folder / "histories.parquet")
    return folder


def judged(**changes):
    return STANDARD._replace(limits=OPEN._replace(**changes))


BAD = {
    "no user": (None, 104, 1),
    "no item": (1, None, 1),
    "no time": (1, 104, None),
    "time out of range": (1, 104, 10**10),  # the year 2286
}


@pytest.mark.parametrize("reason", list(BAD))
def test_a_row_that_is_no_event_is_set_aside_with_its_reason(tmp_path, reason):
    shop(tmp_path, GOOD, table=None)
    clean = job(tmp_path, out="clean").summary
    shop(tmp_path, [*GOOD[:7], BAD[reason], *GOOD[7:]])

    summary = job(tmp_path).summary

    assert summary["counts"]["quarantined"] == {reason: 1}
    assert summary["counts"]["quarantined_rows"] == 1
    assert summary["counts"]["interactions"] == 41
    lists = [pl.read_parquet(tmp_path / out / "*.parquet") for out in ("clean", "out")]
    assert lists[0].equals(lists[1])
    assert clean["counts"]["quarantined"] == {}
    aside = pl.read_parquet(tmp_path / "out" / "_quarantine" / "quarantine.parquet")
    assert aside.columns == ["user_id", "item_id", "timestamp", "why"]
    assert aside["why"].to_list() == [reason]


def test_text_that_slipped_a_column_does_not_make_integers_text(tmp_path):
    rows = [(str(user), str(item), str(moment)) for user, item, moment in GOOD]
    rows += [("x" * 2000, "104", "1"), ("3", "y" * 2000, "1"), ("3", "104", "soon")]
    shop(tmp_path, rows, user_id=pl.String, item_id=pl.String, timestamp=pl.String)

    summary = job(tmp_path).summary

    assert summary["counts"]["quarantined"] == {"id too long": 2, "no time": 1}
    found = pl.read_parquet(tmp_path / "out" / "*.parquet")
    assert found.schema["user_id"] == pl.Int64
    aside = pl.read_parquet(tmp_path / "out" / "_quarantine" / "quarantine.parquet")
    assert aside["user_id"].str.len_bytes().max() == 1024
    assert "soon" in aside["timestamp"].to_list()


def test_too_many_bad_rows_stop_the_job_before_anything_is_scored(tmp_path):
    shop(tmp_path, [*GOOD, *[(None, 104, 1)] * 3])

    with pytest.raises(InputError, match=r"user_id is empty in 3 of 43 rows.*3 of 43 rows cannot"):
        job(tmp_path, standard=STANDARD._replace(max_quarantined=0.05))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "histories.parquet"]


def poisoned(item, *, value=np.nan):
    """A model that gives no numbers to those whose last item is this one."""
    table = world(ITEMS, seed=3)
    table[item] = value
    return table


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_user_whose_scores_are_no_numbers_costs_the_others_nothing(tmp_path, value):
    shop(tmp_path, GOOD, table=poisoned(5, value=value))

    summary = job(tmp_path).summary

    victims = [user for user in range(20) if user % ITEMS + 1 == 5]
    assert summary["counts"]["quarantined"] == {"scores are no numbers": len(victims)}
    assert summary["counts"]["quarantined_users"] == len(victims) == 1
    users = set(pl.read_parquet(tmp_path / "out" / "*.parquet")["user_id"])
    assert users == set(range(20)) - set(victims)


def test_too_many_of_them_are_not_published(tmp_path):
    shop(tmp_path, GOOD, table=poisoned(5))

    with pytest.raises(ArtifactError, match="1 of 20 users scores that are no numbers"):
        job(tmp_path, standard=STANDARD._replace(max_quarantined=0.01))

    assert not (tmp_path / "out").exists()


def lists_of(*items):
    items = np.array(items)
    return Recommendations(items, np.zeros(items.shape, np.float32), None, None)


def test_what_should_never_be_in_a_list_is_found_by_looking_at_the_lists():
    rows = pl.DataFrame(
        {
            "user_id": [1, 1, 2, 3, 4],
            "item": pl.Series([5, 2, 5, 0, 9], dtype=pl.Int32),
            "timestamp": [0, 1, 0, 0, 0],
            "behaviour": pl.Series([0] * 5, dtype=pl.UInt8),
        }
    )
    histories = arrange(rows, items=9)
    lists = lists_of([1, 3, 2], [2, 4, 4], [5, 9, 0], [0, 0, 0])

    tally = count(histories, lists, k=3, seen_is_wrong=True)

    assert (tally.users, tally.recommendations) == (4, 8)
    assert (tally.users_with_short_list, tally.users_without_list) == (2, 1)
    assert tally.users_without_known_item == 1
    assert tally.lists_with_repeats == 1
    assert tally.lists_with_seen_items == 1
    assert count(histories, lists, k=3, seen_is_wrong=False).lists_with_seen_items == 0


def test_lists_that_pass_a_limit_are_not_published_and_can_be_after_all(tmp_path):
    everything = [(99, 100 + place, place) for place in range(ITEMS)]
    shop(tmp_path, GOOD + everything)

    with pytest.raises(RejectedError, match=r"short is 0\.04762 and checks\.short 0\.01 and unc"):
        job(tmp_path, standard=judged(short=0.01, uncovered=0.0))
    assert not (tmp_path / "out").exists()
    summary = json.loads((tmp_path / ".out.partial" / "lists" / "summary.json").read_text())
    assert summary["checks"]["uncovered"] == 1 / 21

    job(tmp_path, standard=judged(short=0.1))
    timing = json.loads((tmp_path / "out" / "timing.json").read_text())
    assert timing["parts_taken_over"] > 0


def test_scores_and_users_are_compared_with_yesterday(tmp_path):
    shop(tmp_path, GOOD)
    before = job(tmp_path, out="yesterday").summary["scores"]
    scores = pl.read_parquet(tmp_path / "yesterday" / "*.parquet")["score"].cast(pl.Float64)
    assert before["mean"] == pytest.approx(scores.mean())
    assert before["deviation"] == pytest.approx(scores.std(ddof=0))
    shop(tmp_path, [row for row in GOOD if row[0] < 15])

    standard = judged()._replace(yesterday=str(tmp_path / "yesterday"))
    today = job(tmp_path, standard=standard).summary

    moved = abs(today["scores"]["mean"] - before["mean"]) / before["deviation"]
    assert today["checks"]["users_lost"] == 0.25
    assert today["checks"]["drift"] == pytest.approx(moved)
    strict = judged(users_lost=0.2)._replace(yesterday=str(tmp_path / "yesterday"))
    with pytest.raises(RejectedError, match=r"users_lost is 0\.25 and checks\.users_lost 0\.2"):
        job(tmp_path, standard=strict)


def test_a_yesterday_without_a_summary_is_refused(tmp_path):
    shop(tmp_path, GOOD)
    with pytest.raises(ConfigError, match="holds no summary of lists"):
        job(tmp_path, standard=judged()._replace(yesterday=str(tmp_path / "bundle")))
    assert not list(tmp_path.rglob("job.json"))  # before anything was begun


def test_summaries_of_two_equal_jobs_are_equal(tmp_path):
    shop(tmp_path, GOOD)
    job(tmp_path, out="one", options=OPTIONS._replace(threads=1))
    job(tmp_path, out="two", options=OPTIONS._replace(threads=3))

    one, two = (tmp_path / out / "summary.json" for out in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("text", "shard"), [(None, Shard(1, 1)), ("3/16", Shard(3, 16)), ("16/16", Shard(16, 16))]
)
def test_a_shard_is_a_number_of_many(text, shard):
    assert parse(text) == shard


@pytest.mark.parametrize("text", ["0/4", "5/4", "3", "a/b", "1/0", "-1/4"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(ConfigError, match="shard is NUMBER/OF"):
        parse(text)


def test_shards_share_the_parts_out():
    shares = [Shard(number, 3).of_parts(8) for number in (1, 2, 3)]
    assert shares == [[0, 3, 6], [1, 4, 7], [2, 5]]
