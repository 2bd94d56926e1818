"""Bounds and contenders of the certified road against the definition, in double precision."""

import numpy as np
import pytest

from recsys.scoring.certified import Certified
from recsys.scoring.last_hop import Brought, spoken
from tests.scoring.last_hop_world import KINDS, USERS, World, among


def opened(world, *, items=None):
    items = np.arange(1, world.items + 1) if items is None else items
    return Certified(Brought(world, items=items)), spoken(world.look(None))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_no_score_is_above_its_bound(kind, seed):
    world = World(seed, **kind)
    certified, slots = opened(world)

    likely, bound = certified.bounds(slots)

    wanted = world.scores()[:, 1:]
    assert (bound >= wanted).all()
    assert np.abs(likely - wanted)[-1].max() < 1e-4  # nothing is read of a user without events


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 4, 60])
def test_the_best_are_among_the_contenders_and_few_others(kind, k):
    for seed in range(4):
        world = World(seed, **kind)
        items = np.arange(1, world.items + 1)[seed:]
        certified, slots = opened(world, items=items)
        found = certified.contenders(slots, excluded=world.excluded, k=k)
        for row, (best, left) in zip(found.items, world.best(items, k=k), strict=True):
            assert set(best) <= set(among(row)) <= set(left)
            assert len(among(row)) <= k + 3
        assert found.read <= USERS * len(items)


@pytest.mark.parametrize("left", [0, 1, 3])
def test_fewer_candidates_than_k_are_all_contenders(left):
    world = World(0, items=20)
    world.excluded = np.repeat(np.arange(left + 1, 21)[None], USERS, axis=0)
    certified, slots = opened(world)

    found = certified.contenders(slots, excluded=world.excluded, k=5)

    assert found.items.tolist() == [list(range(1, left + 1))] * USERS


def test_candidates_that_are_equally_good_are_all_contenders():
    world = World(3, items=40)
    for field in world.asked.values():
        field[1:21] = field[1]
    world.excluded = np.repeat(np.arange(21, 41)[None], USERS, axis=0)
    certified, slots = opened(world)

    found = certified.contenders(slots, excluded=world.excluded, k=3)

    assert found.items.tolist() == [list(range(1, 21))] * USERS


def test_weak_addresses_are_proved_by_the_first_reading_of_a_few():
    world = World(1, items=2000, strength=0.01)
    certified, slots = opened(world)

    found = certified.contenders(slots, excluded=world.excluded, k=5)

    assert found.at_once == USERS
    assert found.read == USERS * 20


def test_catalogues_too_large_to_keep_their_products_give_the_same(monkeypatch):
    world = World(2)
    kept, slots = opened(world)
    monkeypatch.setattr("recsys.scoring.certified.TABLES_BYTES", 0)
    monkeypatch.setattr("recsys.scoring.certified.TILE", 13)
    made, _ = opened(world)

    for one, other in zip(kept.bounds(slots), made.bounds(slots), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    found = made.contenders(slots, excluded=world.excluded, k=4)
    assert (
        found.items.tolist() == kept.contenders(slots, excluded=world.excluded, k=4).items.tolist()
    )
