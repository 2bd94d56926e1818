"""The table of the largest cosines: of slots whose keys are their items', nearly, or not."""

import numpy as np
import pytest

from recsys.scoring import anchors
from recsys.scoring.anchors import Anchors, anchored
from recsys.scoring.certified import Certified
from recsys.scoring.last_hop import Brought, spoken
from tests.scoring.last_hop_world import HEADS, PART, USERS, World, among


class Remembering(World):
    """Slots are events: a key is its item's, moved by up to ``moved`` in each part."""

    def __init__(self, seed, *, moved=0.0, strength=2.0, slots=9):
        super().__init__(seed, strength=strength, slots=slots)
        draw = np.random.default_rng(seed)
        keys = draw.normal(size=(self.items + 1, HEADS, PART))
        self.keys = strength * keys / np.linalg.norm(keys, axis=-1, keepdims=True)
        item = draw.integers(1, self.items + 1, (USERS, slots))
        item[:, :2] = 0  # empty slots
        item[0, 2] = 0  # and a full one that nobody's event wrote
        own = self.keys[item].transpose(0, 2, 1, 3)
        own = own + moved * draw.uniform(-1, 1, own.shape)
        length = np.linalg.norm(own, axis=-1, keepdims=True)
        self.slots["slot_keys"] = own * np.minimum(1, strength / length)
        self.item = item
        self.manifest = {"graphs": {"look": {"outputs": ["slot_keys", "slot_item"]}}}

    def encode(self, events):
        return {"item": events.item}

    def look(self, state):
        if state is None:
            return super().look(None) | {"slot_item": self.item}
        keys = self.keys[state["item"]].transpose(0, 2, 1, 3).astype(np.float32)
        return {"slot_item": state["item"], "slot_keys": keys}


def opened(world):
    return Brought(world, items=np.arange(1, world.items + 1)), spoken(world.look(None))


@pytest.mark.parametrize("moved", [0.0, 0.05, 3.0])
@pytest.mark.parametrize("groups", [1, 7, 128])
def test_no_slot_is_more_alike_than_the_table_says(monkeypatch, moved, groups):
    monkeypatch.setattr(anchors, "GROUPS", groups)
    for seed in range(3):
        world = Remembering(seed, moved=moved)
        brought, slots = opened(world)
        table = Anchors(world, brought)
        for head in range(HEADS):
            bound = table.largest(slots, head=head)[:, table.group[head]]
            cosine = slots.keys[:, head] @ brought.queries[head].T
            cosine[slots.weights[:, head] == 0] = 0
            assert (bound >= cosine.max(axis=1).clip(min=0)).all()


def test_a_group_of_one_candidate_is_bounded_by_its_own_cosine(monkeypatch):
    monkeypatch.setattr(anchors, "GROUPS", 150)
    world = Remembering(1)
    brought, slots = opened(world)
    table = Anchors(world, brought)

    counts = np.bincount(table.group[0])
    alone = np.flatnonzero(counts[table.group[0]] == 1)
    bound = table.largest(slots, head=0)[:, table.group[0][alone]]

    cosine = slots.keys[1:-1, 0] @ brought.queries[0, alone].T
    cosine[slots.weights[1:-1, 0] == 0] = 0
    assert len(alone) > 20
    np.testing.assert_allclose(bound[1:-1], cosine.max(axis=1).clip(min=0), atol=2e-4)


@pytest.mark.parametrize("moved", [0.0, 0.05, 3.0])
@pytest.mark.parametrize("strength", [0.5, 2.0, 19.0])
def test_bounds_with_the_table_hold_and_lose_no_candidate(moved, strength):
    for seed in range(3):
        world = Remembering(seed, moved=moved, strength=strength)
        brought, slots = opened(world)
        certified = Certified(brought, anchors=Anchors(world, brought))
        for bound in certified.bounds(slots)[1:]:
            assert (bound >= world.scores()[:, 1:]).all()
        found = certified.contenders(slots, excluded=world.excluded, k=4)
        for row, (best, _) in zip(found.items, world.best(brought.items, k=4), strict=True):
            assert set(best) <= set(among(row))


def test_the_table_makes_bounds_sharper():
    world = Remembering(2, slots=4)
    brought, slots = opened(world)

    with_table = Certified(brought, anchors=Anchors(world, brought)).bounds(slots)[1]
    without = Certified(brought).bounds(slots)[1]

    assert (with_table <= without + 1e-4).all()
    assert (with_table < without - 0.1).mean() > 0.2


def test_no_table_where_slots_are_no_events_or_it_is_too_dear(monkeypatch):
    world = Remembering(0)
    brought, _ = opened(world)
    assert anchored(world, brought) is not None
    monkeypatch.setattr(anchors, "MOST", 1000)
    assert anchored(world, brought) is None
    monkeypatch.undo()
    world.manifest["graphs"]["look"]["outputs"].remove("slot_item")
    assert anchored(world, brought) is None
