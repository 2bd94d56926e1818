"""Both roads through whole jobs, on a small model that was trained."""

import numpy as np
import polars as pl
import pytest
from hydra import compose, initialize_config_dir

from recsys import runtime
from recsys.config import CONF
from recsys.export import main as export
from tests.symbols import unchecked
from tests.test_score import run
from tests.tiny_training import data_set, train

pytestmark = pytest.mark.slow  # trains and exports
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
    from recsys.scoring.certified import Catalogue, _Slots

    item = np.array([[3, 5, 9, 0], [7, 0, 0, 0], [0, 0, 0, 0]])
    state = bundle.encode(runtime.Events(item, item * 60, 0 * item))
    everything = np.arange(1, bundle.items + 1)
    wanted, _ = bundle.score(state, candidates=np.repeat(everything[None], 3, axis=0))
    catalogue = Catalogue(bundle, items=everything)

    for user, slots in enumerate(zip(*bundle.look(state).values(), strict=True)):
        found = catalogue.read(_Slots(*slots), everything - 1)
        np.testing.assert_allclose(found, wanted[user], rtol=1e-4, atol=1e-5)


def test_auto_tries_both_and_keeps_to_one(bundle, tmp_path):
    rows = past(bundle)
    full, _ = run(bundle, rows, tmp_path / "full", batch_size=5)

    found, summary = run(bundle, rows, tmp_path / "auto", road="auto", batch_size=5)

    assert summary["work"]["road"] in ("full", "certified")
    assert found.select("user_id", "rank", "item_id").equals(
        full.select("user_id", "rank", "item_id")
    )
