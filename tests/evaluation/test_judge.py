import polars as pl
import pytest

from recsys.errors import InputError
from recsys.evaluation.judge import judge, read_lists
from tests.evaluation.tiny import prepared

WORLD = prepared([[1, 2, 3, 4], [2, 1, 5, 6], [3, 1, 5, 3], [1, 2]], items=7)


def lists(*rows):
    return pl.DataFrame(rows, schema=["user_id", "rank", "item_id"], orient="row")


def judged(table, *, ks=(2,), batch_size=2):
    return judge(table, WORLD, part="test", ks=ks, batch_size=batch_size)


def test_lists_meet_the_truth_at_their_ranks():
    report = judged(lists(("u2", 1, "i3"), ("u0", 2, "i4"), ("u0", 1, "i7"), ("u1", 1, "i1")))

    assert report.users["mrr@2"].to_list() == [0.5, 0, 1]
    assert report.counts["listed_seen"] == 2  # i1 for u1, i3 for u2
    assert report.summary["coverage@2"] == pytest.approx(4 / 7)


def test_a_user_without_a_list_misses():
    report = judged(lists(("u0", 1, "i4")))

    assert report.users["hit_rate@2"].to_list() == [1, 0, 0]


def test_strangers_unknown_items_gaps_and_deep_ranks_are_misses():
    rows = [
        ("nobody", 1, "i4"),
        ("u3", 1, "i1"),
        ("u0", 1, "i99"),
        ("u0", 3, "i4"),
        ("u1", 2, "i6"),
    ]

    report = judged(lists(*rows))

    assert report.users["mrr@2"].to_list() == [0, 0.5, 0]


def test_an_item_listed_again_counts_once():
    report = judged(lists(("u0", 1, "i4"), ("u0", 2, "i4")))

    assert report.users["ndcg@2"].to_list() == [1, 0, 0]


def test_integers_and_their_text_are_the_same_ids():
    numbered = WORLD._replace(users=pl.Series("user_id", [10, 11, 12, 13]))

    report = judge(lists(("11", 1, "i6")), numbered, part="test", ks=(1,), batch_size=9)

    assert report.users["hit_rate@1"].to_list() == [0, 1, 0]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (lists(("u0", 0, "i4")), "the best 'rank' is 1 but the lists hold 0"),
        (lists(("u0", 1, "i4"), ("u0", 1, "i5")), "rank 1 of user 'u0' occurs twice"),
        (lists(("u0", 1, None), ("u0", 2, "i5")), "'item_id' is empty in 1 rows"),
        (lists(("u0", 1.0, "i4")), "'rank' of the lists must be a whole number but is Float64"),
        (lists((1.5, 1, "i4")), "'user_id' of the lists must be an integer or text but is Float64"),
        (lists(("u0", 1, "i4")).drop("rank"), "need a column 'rank' but have user_id, item_id"),
        (lists(("nobody", 1, "i4")), "none of the 1 rows of the lists is of a user of this data"),
    ],
)
def test_lists_that_cannot_be_judged_are_refused(table, message):
    with pytest.raises(InputError, match=message):
        judged(table)


def test_a_folder_of_parts_is_one_table(tmp_path):
    lists(("u0", 1, "i4")).write_parquet(tmp_path / "part-00000.parquet")
    lists(("u1", 1, "i6")).write_parquet(tmp_path / "part-00001.parquet")

    assert read_lists(tmp_path).rows() == [("u0", 1, "i4"), ("u1", 1, "i6")]


def test_what_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "lists.parquet").write_text("user_id,rank,item_id")

    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_lists(tmp_path / "lists.parquet")
    with pytest.raises(InputError, match="is no Parquet file and no folder with one"):
        read_lists(tmp_path / "absent.parquet")
