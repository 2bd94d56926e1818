"""A forecast beside the job that it speaks of."""

import numpy as np
import polars as pl
import pytest
from hydra import compose, initialize_config_dir

from recsys.config import CONF
from recsys.scoring import forecast as module
from recsys.scoring.forecast import forecast
from recsys.sink.parquet import Parquet
from tests.test_score import TABLE, options, source
from tests.tiny_bundle import write_bundle

USERS, EVENTS = 4000, 6


@pytest.fixture
def histories(tmp_path):
    draw = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "user_id": np.repeat(np.arange(USERS), EVENTS),
            "item_id": draw.integers(100, 129, USERS * EVENTS),
            "timestamp": np.tile(np.arange(EVENTS), USERS),
        }
    )
    frame.write_parquet(tmp_path / "events.parquet")
    return tmp_path / "events.parquet"


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / "bundle", TABLE, history=5)


def score(bundle, histories, out, *words):
    from recsys.score import main

    given = [f"bundle={bundle}", f"histories={histories}", f"out={out}", *words]
    with initialize_config_dir(CONF, version_base=None):
        main.__wrapped__(compose("score", given))


def test_users_and_disk_of_the_whole_are_told_from_a_sample(
    bundle, histories, tmp_path, monkeypatch
):
    from recsys import runtime

    monkeypatch.setattr(module, "SAMPLE_ROWS", USERS * EVENTS // 8)
    found = forecast(lambda: runtime.load(bundle), source(histories), Parquet(), options=options())
    assert found.candidates == 29
    assert USERS / 10 < found.sampled_users < USERS / 6
    assert found.users == 8 * found.sampled_users
    assert found.parting_seconds > 0
    assert found.hours * 3600 >= found.seconds_per_million_users * found.users / 1e6
    score(bundle, histories, tmp_path / "out", "k=4")
    size = sum(part.stat().st_size for part in (tmp_path / "out").glob("part-*.parquet")) / 1e6
    assert 0.6 < found.lists_megabytes / size < 2  # a part has a header of its own


def test_a_forecast_publishes_nothing(bundle, histories, tmp_path, capsys):
    before = {path.name for path in tmp_path.iterdir()}
    score(bundle, histories, tmp_path / "out", "forecast=true")
    assert {path.name for path in tmp_path.iterdir()} == before
    assert "seconds per million users" in capsys.readouterr().out
