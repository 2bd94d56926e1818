"""Both roads through whole jobs, on a small model that was trained."""

import numpy as np
import polars as pl
import pytest
from hydra import compose, initialize_config_dir

from recsys import runtime
from recsys.config import CONF
from recsys.errors import ConfigError
from recsys.export import main as export
from recsys.scoring.certified import Catalogue
from recsys.scoring.roads import LONG, Road, choose_road
from tests.symbols import unchecked
from tests.test_score import run
from tests.tiny_bundle import world, write_bundle
from tests.tiny_training import data_set, train

GRAPHS = ("encode", "score", "recommend", *runtime.APART)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A bundle of a training of one epoch."""
    folder = tmp_path_factory.mktemp("roads")
    data = data_set(folder / "data").folder
    trained = train(data, folder / "run", "memory=key_value", "trainer.max_epochs=1")
    with initialize_config_dir(CONF, version_base=None):
        cfg = compose("export", [f"run='{trained}'", f"out='{folder / 'bundle'}'"])
    with unchecked():
        export.__wrapped__(cfg)
    return folder / "bundle"


@pytest.fixture(scope="module")
def bundle(folder):
    return runtime.load(folder, graphs=GRAPHS, device="cpu")


def past(bundle, *, users=60, seed=0):
    draw = np.random.default_rng(seed)
    ids = bundle.catalogue["item_id"].to_list()
    return pl.DataFrame(
        [
            (user, ids[item], place)
            for user in range(users)
            for place, item in enumerate(draw.integers(0, len(ids), draw.integers(1, 9)))
        ],
        schema=["user_id", "item_id", "timestamp"],
        orient="row",
    )


def both(bundle, folder, **changes):
    rows = past(bundle)
    full, _ = run(bundle, rows, folder / "full", road="full", **changes)
    found, summary = run(bundle, rows, folder / "certified", road="certified", **changes)
    return full, found, summary["work"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"k": 1, "batch_size": 7},
        {"k": 60, "seen": "keep"},
        {"k": 3, "quota": 2, "category": "count"},
    ],
)
def test_the_certified_road_gives_the_lists_of_the_full_one(bundle, tmp_path, changes):
    full, found, work = both(bundle, tmp_path, part_rows=100, **changes)

    exact = ["user_id", "rank", "item_id"]
    assert found.select(exact).equals(full.select(exact))
    np.testing.assert_allclose(found["score"], full["score"], rtol=1e-4, atol=1e-5)
    assert [[r["item_id"] for r in b] for b in found["because"]] == [
        [r["item_id"] for r in b] for b in full["because"]
    ]
    assert work["certified_users"] >= 60
    assert work["certified_at_once"] <= work["certified_users"]


def test_few_of_many_candidates_are_read(bundle, tmp_path):
    _, _, work = both(bundle, tmp_path, k=1)

    assert work["candidates_read"] < 60 * bundle.items


def test_reading_apart_gives_the_scores_of_the_score_graph(bundle):
    item = np.array([[3, 5, 9, 0], [7, 0, 0, 0], [0, 0, 0, 0]])
    state = bundle.encode(runtime.Events(item, item * 60, 0 * item))
    everything = np.arange(1, bundle.items + 1)
    wanted = bundle.score(state, candidates=np.repeat(everything[None], 3, axis=0)).scores

    found = Catalogue(bundle, items=everything).scores(bundle, state)

    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_auto_certifies_where_slots_are_many(bundle, monkeypatch):
    monkeypatch.setattr(bundle, "history", LONG)
    assert choose_road("auto", bundle=bundle) == "certified"
    monkeypatch.setattr(bundle, "history", LONG - 1)
    assert choose_road("auto", bundle=bundle) == "full"


def test_a_bundle_that_cannot_be_taken_apart_is_read_in_full_or_refused(tmp_path):
    plain = runtime.load(write_bundle(tmp_path / "plain", world(9)))

    assert choose_road("auto", bundle=plain) == "full"
    with pytest.raises(ConfigError, match="road is certified, but in this bundle"):
        Road("certified", bundle=plain, candidates=np.arange(1, 10))
    with pytest.raises(ConfigError, match="road is one of full, certified, auto, but is 'fast'"):
        Road("fast", bundle=plain, candidates=np.arange(1, 10))
