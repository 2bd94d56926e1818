"""Labels of the reads: checked user by user and place by place against plain loops."""

import pytest
import torch

from tests.contract.parts import ITEMS, histories

USERS, EVENTS, HOPS = 5, 9, 2
DRAW = torch.Generator().manual_seed(0)
FEATURES = torch.cat([torch.zeros(1, 4), torch.randint(0, 2, (ITEMS, 4), generator=DRAW).float()])
SIMILARITY = torch.rand(ITEMS + 1, ITEMS + 1, generator=DRAW)
SIMILARITY[SIMILARITY < 0.5] = 0
SIMILARITY[0] = SIMILARITY[:, 0] = 0


def histories_and_targets():
    events = histories(users=USERS, events=EVENTS)
    target = torch.randint(
        0, ITEMS + 1, (USERS, EVENTS), generator=torch.Generator().manual_seed(3)
    )
    return events, target


def loops(score, events, target):
    """The best two places of each position, found one by one."""
    found = []
    for user in range(USERS):
        for position in range(EVENTS):
            wanted = int(target[user, position])
            reasons = [
                (score(wanted, int(events.item[user, place])), place)
                for place in range(position + 1)
                if wanted and events.present[user, place]
            ]
            best = [place for value, place in sorted(reasons, reverse=True) if value > 0]
            found.append([*best, -1, -1][:HOPS])
    return torch.tensor(found).reshape(USERS, EVENTS, HOPS)


def test_repeats_are_the_last_times_of_the_same_item():
    from recsys.data.support import repeated

    events, target = histories_and_targets()
    expected = loops(lambda wanted, item: float(wanted == item), events, target)
    got = repeated(events, target, hops=HOPS)
    assert torch.equal(got, expected)
    assert (got[..., 1] >= 0).any()


def test_alike_are_those_that_share_most_attributes():
    from recsys.data.support import alike

    events, target = histories_and_targets()
    expected = loops(lambda wanted, item: float(FEATURES[wanted] @ FEATURES[item]), events, target)
    assert torch.equal(alike(events, target, features=FEATURES, hops=HOPS), expected)


def test_nearest_are_those_of_greatest_similarity():
    from recsys.data.support import nearest

    events, target = histories_and_targets()
    expected = loops(lambda wanted, item: float(SIMILARITY[wanted, item]), events, target)
    sparse = SIMILARITY.to_sparse().coalesce()
    assert torch.equal(nearest(events, target, similarity=sparse, hops=HOPS), expected)


def test_a_teacher_who_knows_nothing_gives_no_reason():
    from recsys.data.support import nearest

    events, target = histories_and_targets()
    nothing = torch.zeros(ITEMS + 1, ITEMS + 1).to_sparse().coalesce()
    assert (nearest(events, target, similarity=nothing, hops=HOPS) == -1).all()


@pytest.mark.parametrize("hops", [1, 3])
def test_a_history_shorter_than_the_hops_has_places_left(hops):
    from recsys.data.batches import Events
    from recsys.data.support import repeated

    item = torch.tensor([[4]])
    once = Events(item, item, 0 * item, item > 0)
    assert repeated(once, item, hops=hops).tolist() == [[[0, -1, -1][:hops]]]


def test_labels_of_a_real_teacher_are_items_the_target_is_near_to(tmp_path):
    from recsys.baselines.item_knn import ItemKnn
    from recsys.data.batches import Events
    from recsys.data.support import nearest
    from tests.tiny_data import prepare_frame, rows

    together = [(user, item, 60 * item) for user in range(6) for item in (1, 2, 3 + user % 2)]
    last = [(user, 5, 600) for user in range(6)]
    prepared = prepare_frame(rows(*together, *last), tmp_path / "out")
    similarity = ItemKnn(neighbours=3).fit(prepared).similarity
    item = torch.tensor([[1, 4, 3]])
    seen = Events(item, item, 0 * item, item > 0)
    target = torch.tensor([[2, 2, 2]])
    best = nearest(seen, target, similarity=similarity, hops=1)
    assert item[0, best[0, :, 0]].tolist() == [1, 1, 1]  # all who had 2 had 1, half of them 3


def catalogue(**columns):
    """Three items and what they are; nothing else of the data set matters."""
    from pathlib import Path

    import polars as pl

    from recsys.data.prepared import Prepared

    table = pl.DataFrame({"item": [1, 2, 3], **columns})
    return Prepared(Path("tiny"), table, None, None, None, {})


def test_attributes_are_the_values_of_the_columns_with_their_lists():
    from recsys.data.support import Alike

    told = catalogue(categories=[["war", "drama"], None, ["drama"]], brand=["b", "a", "b"])
    features = Alike(prepared=told, columns=["categories", "brand"], hops=1).features
    drama, war, a, b = features.T.tolist()
    assert (drama, war) == ([0, 1, 0, 1], [0, 1, 0, 0])
    assert (a, b) == ([0, 0, 1, 0], [0, 1, 0, 1])


def test_a_column_that_is_not_there_is_refused():
    from recsys.data.support import Alike
    from recsys.errors import ConfigError

    with pytest.raises(ConfigError, match=r"no column 'brand', only item, series: set"):
        Alike(prepared=catalogue(series=["x", "y", "x"]), columns=["brand"], hops=1)


@pytest.mark.parametrize(
    "words",
    [
        ("support=repeated",),
        ("support=alike", "support.columns=[series]"),
        ("support=nearest", "support.teacher.neighbours=2"),
    ],
)
def test_every_source_labels_what_its_function_labels(tmp_path, words):
    import polars as pl
    from hydra.utils import instantiate

    from recsys.baselines.item_knn import ItemKnn
    from recsys.data import support
    from tests.contract.parts import config
    from tests.tiny_data import prepare_frame, rows

    events = [(user, 1 + (3 * user + step) % ITEMS, step) for user in range(9) for step in range(7)]
    series = [item % 4 for item in range(1, ITEMS + 1)]
    items = pl.DataFrame({"item_id": list(range(1, ITEMS + 1)), "series": series})
    data = prepare_frame(rows(*events), tmp_path / "out", items=items)
    found = instantiate(config(*words, "support.hops=3").support, prepared=data)
    history, target = histories_and_targets()
    one_hot = torch.stack([torch.arange(4) == one for one in (-1, *series)]).float()
    expected = {
        "Repeated": lambda: support.repeated(history, target, hops=3),
        "Alike": lambda: support.alike(history, target, features=one_hot, hops=3),
        "Nearest": lambda: support.nearest(
            history, target, similarity=ItemKnn(neighbours=2).fit(data).similarity, hops=3
        ),
    }[type(found).__name__]()
    assert torch.equal(found(history, target), expected)
    assert (expected >= 0).any()
    assert not found.state_dict()  # a checkpoint holds what was learned in training only
