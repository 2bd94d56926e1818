"""Bounds and lists of the certified road against the definition, in double precision."""

import numpy as np
import pytest

from recsys.scoring.certified import Catalogue, _Slots

HEADS, PART, WIDTH, USERS = 2, 5, 7, 6


class World:
    """Stands in for a bundle: random slots and candidates, of which the definition is known."""

    def __init__(self, seed, *, items=150, slots=9, strength=2.0, spread=1.0):
        draw = np.random.default_rng(seed)
        self.excluded = draw.integers(0, items + 1, (USERS, 12))
        keys, queries = (
            draw.normal(size=(*shape, PART))
            for shape in ((USERS, HEADS, slots), (items + 1, HEADS))
        )
        weights = np.exp(3 * draw.normal(size=(USERS, HEADS, slots)))
        weights[:, :, :2] = 0  # empty slots
        weights[-1] = 0  # a user without events
        self.slots = {
            "user_vector": draw.normal(size=(USERS, WIDTH)),
            "slot_weights": weights,
            "slot_keys": strength * keys / np.linalg.norm(keys, axis=-1, keepdims=True),
            "slot_values": spread * draw.normal(size=(USERS, HEADS, slots, PART)),
        }
        self.asked = {
            "user_answers": draw.normal(size=(items + 1, WIDTH)),
            "biases": draw.normal(size=items + 1),
            "slot_queries": queries / np.linalg.norm(queries, axis=-1, keepdims=True),
            "slot_answers": draw.normal(size=(items + 1, HEADS, PART)),
        }
        self.items = items

    def look(self, state):
        return {name: field.astype(np.float32) for name, field in self.slots.items()}

    def ask(self, candidates):
        return {name: field[candidates].astype(np.float32) for name, field in self.asked.items()}

    def scores(self):
        """Slot by slot, candidate by candidate: the definition."""
        wanted = self.slots["user_vector"] @ self.asked["user_answers"].T + self.asked["biases"]
        for user, head, item in np.ndindex(USERS, HEADS, self.items + 1):
            cosines = self.slots["slot_keys"][user, head] @ self.asked["slot_queries"][item, head]
            loud = self.slots["slot_weights"][user, head] * np.exp(cosines)
            told = self.slots["slot_values"][user, head] @ self.asked["slot_answers"][item, head]
            wanted[user, item] += (loud * told).sum() / (1 + loud.sum())
        return wanted


WORLDS = [
    {},
    {"strength": 0.01},
    {"strength": 19.9, "spread": 10.0},
    {"slots": 3},
    {"slots": 2},
    {"spread": 0.0},
]


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.parametrize("seed", range(3))
def test_no_score_is_above_its_bound(kind, seed):
    world = World(seed, **kind)
    catalogue = Catalogue(world, items=np.arange(1, world.items + 1))

    likely, bound = catalogue._bounds(world.look(None))

    wanted = world.scores()[:, 1:]
    assert (bound >= wanted).all()
    assert np.abs(likely - wanted)[-1].max() < 1e-4  # nothing is read of a user without events


@pytest.mark.parametrize("kind", WORLDS)
def test_reading_is_the_definition(kind):
    world = World(4, **kind)
    catalogue = Catalogue(world, items=np.arange(1, world.items + 1))
    place = np.array([3, 100, 7])

    for user, slots in enumerate(zip(*world.look(None).values(), strict=True)):
        found = catalogue.read(_Slots(*slots), place)
        np.testing.assert_allclose(found, world.scores()[user, place + 1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.parametrize("k", [1, 4, 60])
def test_the_best_are_among_the_contenders_and_few_others(kind, k):
    for seed in range(4):
        world = World(seed, **kind)
        items = np.arange(1, world.items + 1)[seed:]
        found = Catalogue(world, items=items).contenders(world, {}, excluded=world.excluded, k=k)
        for user, scores in enumerate(world.scores()):
            left = [item for item in items if item not in world.excluded[user]]
            best = sorted(left, key=lambda item, scores=scores: -scores[item])[:k]
            assert set(best) <= set(found.items[user].tolist()) <= set(left)
            assert len(found.items[user]) <= k + 3
        assert found.read <= USERS * len(items)


@pytest.mark.parametrize("left", [0, 1, 3])
def test_fewer_candidates_than_k_are_all_contenders(left):
    world = World(0, items=20)
    world.excluded = np.repeat(np.arange(left + 1, 21)[None], USERS, axis=0)

    found = Catalogue(world, items=np.arange(1, 21)).contenders(
        world, {}, excluded=world.excluded, k=5
    )

    assert [few.tolist() for few in found.items] == [list(range(1, left + 1))] * USERS


def test_weak_addresses_are_proved_by_the_first_reading_of_a_few():
    world = World(1, items=2000, strength=0.01)

    found = Catalogue(world, items=np.arange(1, 2001)).contenders(
        world, {}, excluded=world.excluded, k=5
    )

    assert found.at_once == USERS
    assert found.read == USERS * 40


def test_catalogues_too_large_to_keep_their_products_give_the_same(monkeypatch):
    world = World(2)
    kept = Catalogue(world, items=np.arange(1, world.items + 1))
    monkeypatch.setattr("recsys.scoring.certified.TABLES_BYTES", 0)
    monkeypatch.setattr("recsys.scoring.certified.TILE", 13)
    made = Catalogue(world, items=np.arange(1, world.items + 1))

    for one, other in zip(
        kept._bounds(world.look(None)), made._bounds(world.look(None)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
