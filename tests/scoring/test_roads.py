"""Both roads through whole jobs, on a small model that was trained."""

import numpy as np
import polars as pl
import pytest
from hydra import compose, initialize_config_dir

from benchmarks.equal_lists import compare, compared
from recsys import runtime
from recsys.config import CONF
from recsys.errors import ConfigError
from recsys.export import main as export
from recsys.scoring.last_hop import Brought, joined, spoken
from recsys.scoring.roads import LONG, TRIED, Proved, Road, choose_road
from tests.scoring.last_hop_world import USERS, World, among
from tests.symbols import unchecked
from tests.test_score import run
from tests.tiny_bundle import world, write_bundle
from tests.tiny_training import data_set, train

GRAPHS = ("encode", "score", "recommend", *runtime.APART)


def exported(folder, *settings):
    """A bundle of a training of one epoch."""
    data = data_set(folder / "data").folder
    settings = ("memory=key_value", "trainer.max_epochs=1", *settings)
    trained = train(data, folder / "run", *settings)
    with initialize_config_dir(CONF, version_base=None):
        cfg = compose("export", [f"run='{trained}'", f"out='{folder / 'bundle'}'"])
    with unchecked():
        export.__wrapped__(cfg)
    return folder / "bundle"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("roads"))


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


@pytest.fixture
def proving(monkeypatch):
    """Catalogues of tests are so small that a proof reads most of them."""
    monkeypatch.setattr("recsys.scoring.roads.WORTH", 1.0)


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
@pytest.mark.usefixtures("proving")
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


@pytest.mark.usefixtures("proving")
def test_few_of_many_candidates_are_read(bundle, tmp_path):
    _, _, work = both(bundle, tmp_path, k=1)

    assert work["candidates_read"] < 60 * bundle.items


def test_reading_apart_gives_the_scores_of_the_score_graph(bundle):
    item = np.array([[3, 5, 9, 0], [7, 0, 0, 0], [0, 0, 0, 0]])
    state = bundle.encode(runtime.Events(item, item * 60, 0 * item))
    everything = np.arange(1, bundle.items + 1)
    wanted = bundle.score(state, candidates=np.repeat(everything[None], 3, axis=0)).scores

    brought = Brought(bundle, items=everything)
    found = brought.read(spoken(bundle.look(state)), np.repeat(everything[None] - 1, 3, axis=0))

    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def coded_folder(tmp_path_factory):
    """A bundle whose candidates ask in four groups."""
    return exported(tmp_path_factory.mktemp("coded"), "input=coded", "input.codes=4")


@pytest.fixture(scope="module")
def coded(coded_folder):
    return runtime.load(coded_folder, graphs=GRAPHS)


def test_every_road_lists_what_pytorch_finds_best(folder):
    found = compared(folder.parent / "run", folder, users=57, k=7, seed=0)
    assert {"full", "full, tiles of 500", "many parts", "certified"} <= set(found)
    assert all(one.wrong == 0 and one.apart < 1e-4 for one in found.values()), found
    assert all(one.equal + one.tied == 57 for one in found.values())


def test_a_list_that_leaves_out_the_best_is_found_wrong():
    scores = np.array([[-np.inf, 3.0, 2.0, 1.0]])
    assert compare(scores, [[(1, 3.0), (2, 2.0)]], k=2)[:3] == (1, 0, 0)
    assert compare(scores, [[(2, 2.0), (3, 1.0)]], k=2)[:3] == (0, 0, 1)
    assert compare(scores, [[(2, 2.0), (1, 3.0)]], k=2)[:3] == (0, 0, 1)
    assert compare(scores, [[(1, 3.0)]], k=2)[:3] == (0, 0, 1)
    near = np.array([[-np.inf, 2.0, 2.0 + 1e-7, 1.0]])
    assert compare(near, [[(1, 2.0), (2, 2.0)]], k=2)[:3] == (0, 1, 0)


def test_codes_list_what_pytorch_finds_best(coded_folder):
    found = compared(coded_folder.parent / "run", coded_folder, users=57, k=7, seed=1)
    assert "codes" in found
    assert all(one.wrong == 0 and one.apart < 1e-4 for one in found.values()), found


@pytest.mark.usefixtures("proving")
@pytest.mark.parametrize("road", ["codes", "certified", "auto"])
def test_slots_read_once_a_code_give_the_lists_of_the_full_road(coded, tmp_path, road):
    rows = past(coded)
    full, _ = run(coded, rows, tmp_path / "full", road="full", k=7)
    found, summary = run(coded, rows, tmp_path / "found", road=road, k=7)

    exact = ["user_id", "rank", "item_id"]
    assert found.select(exact).equals(full.select(exact))
    np.testing.assert_allclose(found["score"], full["score"], rtol=1e-4, atol=1e-5)
    assert summary["work"]["certified_users"] >= 60
    assert summary["work"]["road"] == ("certified" if road == "certified" else "codes")


def test_an_approximate_road_says_what_it_misses(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("recsys.scoring.roads.SAMPLED", 1)
    monkeypatch.setattr("recsys.scoring.roads.LARGE", 10**9)
    rows = past(bundle)
    full, _ = run(bundle, rows, tmp_path / "full", road="full", k=3)
    found, summary = run(bundle, rows, tmp_path / "found", road="approximate", k=3)

    both = full.join(found, on=["user_id", "item_id"], how="semi").height
    work = summary["work"]
    assert work["sampled_users"] == work["approximate_users"] >= 60
    assert work["recall"] == pytest.approx(both / full.height, abs=1e-4)
    assert work["recall"] > 0.9
    assert work["certified_users"] == 0


def test_an_approximate_road_has_no_recall_of_its_own_where_nobody_was_sampled(
    bundle, tmp_path, monkeypatch
):
    monkeypatch.setattr("recsys.scoring.roads.SAMPLED", 2**40)
    _, summary = run(bundle, past(bundle), tmp_path / "found", road="approximate", k=3)
    assert summary["work"]["recall"] is None


def test_a_road_that_finds_too_many_contenders_reads_everything(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("recsys.scoring.roads.MANY", 2)
    full, found, work = both(bundle, tmp_path, k=5)
    assert found.equals(full)
    assert work["certified_users"] == 0


def test_a_road_that_would_have_to_read_most_reads_everything(bundle, tmp_path):
    full, found, work = both(bundle, tmp_path, k=60, seen="keep")
    assert found.equals(full)
    assert work["certified_users"] == work["candidates_read"] == 0


@pytest.fixture
def sharp(monkeypatch):
    """Slots of sharp addresses, and both kinds of bounds for them."""
    monkeypatch.setattr("recsys.scoring.roads.anchored", lambda *_: None)
    world = World(3, items=6000, strength=19.9, spread=10.0)
    ways = Proved(None, Brought(world, items=np.arange(1, world.items + 1)))
    return world, spoken(world.look(None)), ways


def shares(world, slots, ways):
    """Of the catalogue, what either kind reads of the users who are tried."""
    few, out = slots.of(slice(TRIED)), world.excluded[:TRIED]
    read = [way.contenders(few, excluded=out, k=3).read for way in (ways._sharp, ways._flat)]
    return [count / TRIED / world.items for count in read]


@pytest.mark.parametrize("mistaken", [False, True])
def test_the_bounds_that_leave_few_are_used_for_all_of_a_batch(sharp, monkeypatch, mistaken):
    world, slots, ways = sharp
    answers, moments = shares(*sharp)
    assert answers < 0.8 * moments
    monkeypatch.setattr("recsys.scoring.roads.WORTH", (answers + moments) / 2)
    if mistaken:
        monkeypatch.setattr("recsys.scoring.last_hop.SHARP", 1e9)  # takes them for flat at first

    found = ways.contenders(slots, excluded=world.excluded, k=3)

    assert found is not None
    parts = [slice(TRIED), slice(TRIED, USERS)]
    wanted = joined(
        *(
            ways._sharp.contenders(slots.of(part), excluded=world.excluded[part], k=3)
            for part in parts
        )
    )
    assert found.items.tolist() == wanted.items.tolist()
    assert (found.read, found.at_once) == (wanted.read, wanted.at_once)
    for row, (best, _) in zip(found.items, world.best(np.arange(1, 6001), k=3), strict=True):
        assert set(best) <= set(among(row))


def test_where_neither_kind_leaves_few_nothing_is_proved(sharp, monkeypatch):
    world, slots, ways = sharp
    monkeypatch.setattr("recsys.scoring.roads.WORTH", min(shares(*sharp)) / 2)
    assert ways.contenders(slots, excluded=world.excluded, k=3) is None


def test_flat_addresses_are_bounded_by_moments(monkeypatch):
    monkeypatch.setattr("recsys.scoring.roads.anchored", lambda *_: None)
    monkeypatch.setattr("recsys.scoring.roads.Convex.contenders", None)
    world = World(3, items=6000, strength=0.1)
    ways = Proved(None, Brought(world, items=np.arange(1, world.items + 1)))
    found = ways.contenders(spoken(world.look(None)), excluded=world.excluded, k=3)
    for row, (best, _) in zip(found.items, world.best(np.arange(1, 6001), k=3), strict=True):
        assert set(best) <= set(among(row))


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
    with pytest.raises(ConfigError, match="road is approximate, but in this bundle no candidate"):
        Road("approximate", bundle=plain, candidates=np.arange(1, 10))
    with pytest.raises(
        ConfigError, match="road is one of full, certified, codes, approximate, auto, but is 'fast'"
    ):
        Road("fast", bundle=plain, candidates=np.arange(1, 10))


def test_codes_are_for_candidates_that_ask_in_groups(bundle):
    with pytest.raises(ConfigError, match="train with input=coded"):
        Road("codes", bundle=bundle, candidates=np.arange(1, bundle.items + 1))
