"""Every recipe of conf/experiment trains, is judged, leaves as a bundle and answers the same."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from recsys import export, runtime
from recsys.config import CONF
from recsys.data.batches import asked, question
from recsys.data.prepared import load
from recsys.run import load_model
from tests.symbols import unchecked
from tests.tiny_training import data_set, history, train

EXPERIMENTS = sorted(file.stem for file in (Path(CONF) / "experiment").glob("*.yaml"))
UNEXPORTED = {"cmn", "dien", "hstu", "sr_gnn"}  # no other fast test makes a bundle of their parts
TWO_STEPS = ("trainer.max_epochs=1", "+trainer.limit_train_batches=2", "validation_users=20")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return data_set(tmp_path_factory.mktemp("experiments") / "data", items=13).folder


def exported(run, out):
    with initialize_config_dir(CONF, version_base=None):
        cfg = compose("export", [f"run='{run}'", f"out='{out}'"])
    with unchecked():
        export.main.__wrapped__(cfg)
    return runtime.load(out, device="cpu")


def trained(name, data, folder):
    """Two steps of this recipe."""
    return train(data, folder / "run", f"experiment={name}", *TWO_STEPS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_recipe_trains_and_is_judged(name, data, tmp_path):
    run = trained(name, data, tmp_path)
    assert math.isfinite(history(run)[0]["train/loss"])
    judged = json.loads((run / "metrics.json").read_text())["systems"]["model"]
    assert 0 < judged["ndcg@10"] <= judged["hit_rate@10"] <= 1  # ten of 13 items find somebody's


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in UNEXPORTED else pytest.mark.slow)
        for name in EXPERIMENTS
    ],
)
def test_its_bundle_answers_the_same(name, data, tmp_path):
    run = trained(name, data, tmp_path)
    bundle, scorer, prepared = exported(run, tmp_path / "out"), load_model(run), load(data)
    asks = question(prepared, "test", users=asked(prepared, "test")[:7], history=scorer.history)
    state = bundle.encode(runtime.Events(*(field.numpy() for field in asks.events[:3])))
    candidates, nothing = np.arange(1, 14), np.zeros((7, 1), dtype=np.int64)
    found = bundle.recommend(state, candidates=candidates, excluded=nothing, k=13)
    expected = np.take_along_axis(scorer.scores(asks).numpy(), found.items, axis=1)
    np.testing.assert_allclose(found.scores, expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(expected, axis=1).min() > 0  # it prefers some items to others
