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
