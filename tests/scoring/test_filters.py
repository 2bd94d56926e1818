"""Filters of every kind at once against their definition, on random worlds of ties."""

import numpy as np
import polars as pl
import pytest

from recsys import runtime
from recsys.errors import ConfigError, InputError
from recsys.scoring.histories import WASTE, arrange, batches, padding
from tests.test_score import HISTORY, ITEMS, TABLE, as_lists, interactions, run
from tests.tiny_bundle import write_bundle

KINDS = ["a", "b", "c"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filters") / "bundle"
    write_bundle(folder, TABLE, history=HISTORY, apart=True)
    return runtime.load(folder, graphs=(*runtime.GRAPHS, *runtime.APART))


def write(path, rows, *columns):
    """A table as text: what a shop has at hand."""
    pl.DataFrame(rows, schema=columns, orient="row").write_csv(path)
    return str(path)


class World:
    """Random users with histories, and random tables about some of them."""

    def __init__(self, seed, folder):
        draw = np.random.default_rng(seed)
        self.k = int(draw.integers(1, 9))
        self.past = [
            (int(draw.integers(0, 12)), int(draw.integers(100, 100 + ITEMS)), place)
            for place in range(60)
        ]
        self.allowed = set(draw.choice(ITEMS, 24, replace=False) + 100)
        self.denied = set(draw.choice(ITEMS, 3, replace=False) + 100)
        self.own = self._pairs(draw, 60, users=range(2, 6))
        self.kept = self._pairs(draw, 90, users=range(4, 9))
        self.barred = self._pairs(draw, 80, users=range(14))
        self.given = self._pairs(draw, 150, users=range(3, 14))
        self.kinds = {(int(i), KINDS[c]) for i, c in draw.integers(0, (ITEMS, 3), (40, 2))}
        self.kinds = {(item + 100, kind) for item, kind in self.kinds}
        self.quota = int(draw.integers(1, 4))
        self.folder = folder

    def _pairs(self, draw, count, *, users):
        users = draw.choice(list(users), count)
        return {(int(u), int(i)) for u, i in zip(users, draw.integers(97, 131, count), strict=True)}

    def options(self, *, rerank):
        tables = {
            "allow": ("item_id", [(item,) for item in self.allowed]),
            "deny": ("item_id", [(item,) for item in self.denied]),
            "own": ("user_id item_id", list(self.own)),
            "kept": ("user_id item_id", list(self.kept)),
            "barred": ("user_id item_id", list(self.barred)),
            "given": ("user_id item_id", list(self.given)),
            "kinds": ("item_id category", list(self.kinds)),
        }
        made = {
            name: write(self.folder / f"{name}.csv", rows, *columns.split())
            for name, (columns, rows) in tables.items()
        }
        return {
            "allow": [made["allow"], made["own"], made["kept"]],
            "deny": [made["deny"], made["barred"]],
            "rerank": made["given"] if rerank else None,
            "category": made["kinds"],
            "quota": self.quota,
            "k": self.k,
        }

    def list_of(self, user, *, rerank):
        """The definition, item by item."""
        events = [item for who, item, _ in self.past if who == user]
        last, left = events[-1] - 99, []
        for item in sorted(self.allowed - self.denied - set(events)):
            narrowing = [table for table in (self.own, self.kept) if user in {u for u, _ in table}]
            narrowing += [self.given] if rerank else []
            fits = all((user, item) in table for table in narrowing)
            if fits and (user, item) not in self.barred:
                left.append(item)
        best, room = [], dict.fromkeys(KINDS, self.quota)
        for item in sorted(left, key=lambda item: (-TABLE[last, item - 99], item)):
            kinds = [kind for kind in KINDS if (item, kind) in self.kinds]
            if len(best) < self.k and all(room[kind] for kind in kinds):
                best.append(item)
                room |= {kind: room[kind] - 1 for kind in kinds}
        return [(rank, item, TABLE[last, item - 99]) for rank, item in enumerate(best, 1)]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("rerank", [False, True])
@pytest.mark.parametrize("road", ["full", "certified"])
def test_all_filters_together_are_their_definition(bundle, tmp_path, seed, rerank, road):
    world = World(seed, tmp_path)
    users = {user for user, _, _ in world.past}
    wanted = {user: world.list_of(user, rerank=rerank) for user in users}

    changes = world.options(rerank=rerank) | {"road": road, "tile": [None, 5][seed % 2]}

    found, summary = run(bundle, world.past, tmp_path, **changes)

    assert as_lists(found) == {user: best for user, best in wanted.items() if best}
    short = sum(len(best) < world.k for best in wanted.values())
    assert summary["counts"]["users_with_short_list"] == short


@pytest.mark.parametrize("seen", ["keep", "exclude"])
def test_the_certified_road_keeps_ties_and_reasons_to_the_byte(bundle, tmp_path, seen, monkeypatch):
    monkeypatch.setattr("recsys.scoring.roads.WORTH", 1.0)  # of so small a catalogue all is read
    past = [(user, 100 + (user * step) % ITEMS, step) for step in range(4) for user in range(40)]

    for k in (1, 4, ITEMS + 2):
        full, _ = run(bundle, past, tmp_path / "full", k=k, seen=seen)
        found, summary = run(bundle, past, tmp_path / "few", k=k, seen=seen, road="certified")
        auto, _ = run(bundle, past, tmp_path / "auto", k=k, seen=seen, road="auto")

        assert found.equals(full)
        assert auto.equals(full)
        assert summary["work"]["certified_users"] == 40


def test_a_quota_looks_as_deep_as_it_must(bundle, tmp_path):
    kinds = [(item, "one" if item != 128 else "other") for item in range(100, 100 + ITEMS)]
    table = write(tmp_path / "kinds.csv", kinds, "item_id", "category")

    found, _ = run(bundle, [(1, 104, 0)], tmp_path, k=3, quota=1, category=table)

    row = TABLE[5].copy()
    row[[0, 5, 29]] = -1
    assert found["item_id"].to_list() == [int(row.argmax()) + 99, 128]


def test_a_column_of_the_catalogue_gives_categories(bundle, tmp_path):
    found, _ = run(bundle, [(1, 104, 0)], tmp_path, k=3, quota=1, category="count")

    assert found.height == 1  # every item of this world has the same count


def test_users_whom_no_table_names_are_left_as_they_are(bundle, tmp_path):
    past = [(1, 104, 0), (2, 104, 0)]
    own = write(tmp_path / "own.csv", [(2, 110), (2, 111), (3, 112)], "user_id", "item_id")
    plain, _ = run(bundle, past, tmp_path)

    found, _ = run(bundle, past, tmp_path, allow=own)

    assert as_lists(found)[1] == as_lists(plain)[1]
    assert {item for _, item, _ in as_lists(found)[2]} == {110, 111}


def test_a_user_allowed_only_unknown_items_gets_no_list(bundle, tmp_path):
    own = write(tmp_path / "own.csv", [(1, 9999)], "user_id", "item_id")

    found, summary = run(bundle, [(1, 104, 0), (2, 104, 0)], tmp_path, allow=own)

    assert found["user_id"].unique().to_list() == [2]
    assert summary["counts"]["unknown_in_filters"] == 1
    assert summary["counts"]["users_without_list"] == 1


def test_text_and_integer_users_are_the_same_but_007_is_not_7(bundle, tmp_path):
    own = write(tmp_path / "own.csv", [("7", 110), ("007", 111)], "user_id", "item_id")

    found, _ = run(bundle, [(7, 104, 0)], tmp_path, rerank=own)

    assert found["item_id"].to_list() == [110]


@pytest.mark.parametrize(
    ("rows", "columns", "option", "said"),
    [
        ([(1,)], ["item_id"], "rerank", "has no column 'user_id'"),
        ([(1.5, 100)], ["user_id", "item_id"], "deny", "has no column 'user_id' of text or int"),
        ([(None, 100), (1, 100)], ["user_id", "item_id"], "allow", "user_id is empty in 1 rows"),
        ([(1,)], ["item_id"], "category", "is no column of the catalogue"),
    ],
)
def test_tables_that_cannot_be_used_are_refused_before_anything_is_read(
    bundle, tmp_path, rows, columns, option, said
):
    pl.DataFrame(rows, schema=columns, orient="row").write_parquet(tmp_path / "table.parquet")
    changes = {option: str(tmp_path / "table.parquet"), "quota": 1}

    with pytest.raises(InputError, match=said):
        run(bundle, pl.DataFrame({"no": ["histories"]}), tmp_path, **changes)


@pytest.mark.parametrize("quota", [0, -1, 1.5])
def test_a_quota_is_a_whole_number(bundle, tmp_path, quota):
    with pytest.raises(ConfigError, match="quota is a whole number of at least 1"):
        run(bundle, [(1, 104, 0)], tmp_path, quota=quota)


def test_at_most_the_stated_share_of_a_batch_is_padding():
    draw = np.random.default_rng(0)
    lengths = draw.integers(1, 60, 500).tolist()
    rows = [(user, 1 + place, place) for user, n in enumerate(lengths) for place in range(n)]
    frame = pl.DataFrame(rows, schema=["user_id", "item", "timestamp"], orient="row")
    histories = arrange(frame.with_columns(behaviour=pl.lit(0, pl.UInt8)), items=60)

    groups = batches(histories, history=40, size=200)

    assert sorted(np.concatenate(groups).tolist()) == list(range(500))
    for users in groups:
        every, empty = padding(histories, users, history=40)
        own = [min(lengths[user], 40) for user in users]
        assert (every, empty) == (len(own) * max(own), len(own) * max(own) - sum(own))
        assert empty <= WASTE * every
    assert len(groups) < 20


def test_the_summary_tells_the_share_of_padding(bundle, tmp_path):
    past = [(user, 100 + place, place) for user in range(20) for place in range(1 + user % 5)]

    _, summary = run(bundle, interactions(past), tmp_path, batch_size=8, part_rows=1000)

    assert summary["work"]["event_places"] - summary["work"]["padding_places"] == 60
    assert 0 <= summary["work"]["padding_share"] <= WASTE
