import numpy as np
import polars as pl
import pytest

from recsys.errors import ConfigError
from recsys.source.synthetic import Synthetic, lengths, times

OPTIONS = {
    "users": 300,
    "items": 400,
    "events": 40,
    "seed": 7,
    "passing": 0.25,
    "returns": 0.35,
    "noise": 0.1,
    "repeats": 0.0,
}


def synthetic(**options):
    return Synthetic(**{**OPTIONS, **options})


def gaps(events: pl.DataFrame) -> pl.Series:
    """Seconds between neighbouring events of the same user."""
    return events.select(pl.col("timestamp").diff().over("user_id"))["timestamp"].drop_nulls()


@pytest.fixture(scope="module")
def world() -> pl.DataFrame:
    """Events of a crowd with the cause, title and categories of each."""
    source = synthetic()
    return source.mechanisms().join(source.items(), on="item_id", maintain_order="left")


@pytest.fixture(scope="module")
def shares() -> dict[str, float]:
    events = synthetic(users=2000, items=800, events=60).mechanisms()
    return dict(events["mechanism"].value_counts(normalize=True).iter_rows())


@pytest.mark.parametrize(
    ("mechanism", "share"), [("taste", 0.41), ("passing", 0.22), ("return", 0.26), ("noise", 0.11)]
)
def test_mechanisms_have_the_shares_of_the_docstring(shares, mechanism, share):
    assert shares[mechanism] == pytest.approx(share, abs=0.015)
    assert f"{mechanism}, about {share:.0%}".replace("%", " %") in Synthetic.__doc__


def test_the_same_seed_gives_the_same_table():
    assert synthetic().interactions().collect().equals(synthetic().interactions().collect())
    assert synthetic().items().equals(synthetic().items())


def test_another_seed_gives_another_table():
    assert not synthetic().mechanisms().equals(synthetic(seed=8).mechanisms())


def test_nobody_takes_an_item_twice(world):
    assert world.select("user_id", "item_id").is_unique().all()


def test_repeats_take_an_earlier_item_of_the_user_again():
    events = synthetic(repeats=0.1).mechanisms()
    again = ~events.select(pl.struct("user_id", "item_id").is_first_distinct())["user_id"]
    assert again.mean() == pytest.approx(0.1, abs=0.02)
    assert set(events.filter(again)["mechanism"]) == {"repeat"}


def test_every_user_has_events_around_the_mean(world):
    counts = world.group_by("user_id").len()["len"]
    assert counts.len() == 300
    assert counts.mean() == pytest.approx(40, rel=0.15)
    assert counts.min() >= 4
    assert counts.max() <= 160


def test_a_part_returns_5_to_40_events_after_the_part_before(world):
    event = world.with_columns(
        pl.int_range(pl.len()).over("user_id").alias("place"),
        pl.col("title").str.extract(r"^(.*), part \d$").alias("series"),
        pl.col("title").str.extract(r", part (\d)$").cast(pl.Int64).alias("part"),
    )
    before = event.select("user_id", "series", pl.col("part") + 1, pl.col("place").alias("earlier"))
    returns = event.filter(mechanism="return").join(
        before, on=["user_id", "series", "part"], how="left"
    )
    lag = (returns["place"] - returns["earlier"]).to_numpy()
    assert len(lag) > 1000
    assert lag.min() == 5
    assert 35 < lag.max() <= 40


def test_later_parts_come_from_returns_alone(world):
    later = world.filter(pl.col("title").str.contains(r", part [2-5]$"))
    assert set(later["mechanism"]) == {"return"}


def test_a_passing_interest_stays_inside_one_narrow_topic(world):
    burst = world.with_columns(
        pl.struct("user_id", "mechanism").rle_id().alias("burst"),
        pl.col("categories").list.last().alias("topic"),
    ).filter(mechanism="passing")
    of_one_topic = burst.group_by("burst").agg(pl.col("topic").n_unique() == 1, pl.len())
    lasting = of_one_topic.filter(pl.col("len") > 1)
    assert lasting["topic"].mean() > 0.9  # a burst may follow another without a pause
    assert burst.height / of_one_topic.height > 2.5


def test_lasting_tastes_are_few(world):
    liked = world.filter(mechanism="taste").with_columns(pl.col("categories").list.first())
    counts = liked.group_by("user_id", "categories").len()
    favourite = counts.group_by("user_id").agg(pl.col("len").max() / pl.col("len").sum())
    assert favourite["len"].median() > 0.4  # 1 / 12 where nobody had a taste


def test_popularity_is_skewed(world):
    counts = world["item_id"].value_counts(sort=True)["count"]
    assert counts.head(80).sum() / counts.sum() > 0.4  # a fifth of the items


def test_times_rise_within_the_year_2025(world):
    first, last = 1_735_689_600, 1_735_689_600 + 365 * 86_400
    assert world["timestamp"].min() >= first
    assert world["timestamp"].max() <= last
    assert gaps(world).min() > 0


def test_users_join_at_different_moments_and_come_in_sittings(world):
    joined = world.group_by("user_id").agg(pl.col("timestamp").min())["timestamp"]
    assert joined.std() > 30 * 86_400
    assert 0.65 < (gaps(world) < 2 * 3600).mean() < 0.85


def test_titles_are_unique_and_parts_are_named():
    items = synthetic(items=3000).items()
    assert items["title"].is_unique().all()
    assert items["title"].str.contains(r", part [1-5]$").mean() == pytest.approx(0.4)
    assert items["item_id"].to_list() == list(range(1, 3001))
    assert items["categories"].list.len().unique().to_list() == [2]


def test_interactions_hold_only_what_a_recommender_may_know():
    frame = synthetic().interactions().collect()
    assert {"user_id", "item_id", "timestamp"} <= set(frame.columns)
    assert "mechanism" not in frame.columns


def test_more_users_than_a_block_have_ids_of_their_own():
    source = synthetic(users=10_007, events=3, items=40)
    assert source.mechanisms()["user_id"].n_unique() == 10_007


def test_lengths_stay_inside_their_bounds():
    drawn = lengths(5000, mean=10, random=np.random.default_rng(1))
    assert drawn.min() == 2
    assert drawn.max() == 40


def test_times_are_strictly_increasing_even_for_the_longest_user():
    moments = times(np.array([2000, 3]), random=np.random.default_rng(1))
    assert (np.diff(moments[0]) > 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"users": 0}, "source.users is 0"),
        ({"events": "many"}, "source.events is 'many'"),
        ({"items": 100}, "set at least 400"),
        ({"passing": 0.5, "returns": 0.5}, "sum to less than 1"),
        ({"noise": -0.1}, "noise=-0.1"),
    ],
)
def test_options_that_leave_no_world_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        synthetic(**options)
