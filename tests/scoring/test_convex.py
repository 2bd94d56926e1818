"""Bounds by the answers of slots alone, and contenders, against the definition."""

import numpy as np
import pytest

from recsys.scoring.convex import Convex
from tests.scoring.last_hop_world import KINDS, USERS, World, among, opened


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_no_score_is_above_its_bound(kind, seed):
    world = World(seed, **kind)
    convex, slots = opened(Convex, world)

    most, wanted = convex.bounds(slots), world.scores()[:, 1:]

    assert (most >= wanted).all()
    assert np.abs(most - wanted)[-1].max() < 1e-2  # nothing is said to a user without events


def test_an_empty_slot_bounds_nothing():
    world = World(1)
    convex, slots = opened(Convex, world)
    loud = slots.values.copy()
    loud[slots.weights == 0] = 1e6

    assert convex.bounds(slots._replace(values=loud)).tolist() == convex.bounds(slots).tolist()


def test_a_slot_that_all_weight_is_on_meets_its_bound():
    world = World(2)
    world.slots["slot_weights"][:, :, -1] = 1e15
    world.slots["slot_values"][:, :, :-1] = 0
    world.asked["slot_answers"][:] = np.abs(world.asked["slot_answers"])
    world.slots["slot_values"][:, :, -1] = np.abs(world.slots["slot_values"][:, :, -1])
    convex, slots = opened(Convex, world)

    np.testing.assert_allclose(convex.bounds(slots), world.scores()[:, 1:], rtol=1e-3, atol=1e-3)


def test_no_slot_at_all_leaves_the_user_and_the_bias():
    world = World(3, slots=2)
    convex, slots = opened(Convex, world)
    none = slots._replace(
        weights=slots.weights[..., :0], keys=slots.keys[:, :, :0], values=slots.values[:, :, :0]
    )

    wanted = world.slots["user_vector"] @ world.asked["user_answers"].T + world.asked["biases"]

    np.testing.assert_allclose(convex.bounds(none), wanted[:, 1:], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 4, 60])
def test_the_best_are_among_the_contenders(kind, k):
    for seed in range(3):
        world = World(seed, **kind)
        items = np.arange(1, world.items + 1)
        if seed:
            items = np.sort(np.random.default_rng(seed).choice(items, 90, replace=False))
        convex, slots = opened(Convex, world, items=items)

        found = convex.contenders(slots, excluded=world.excluded, k=k)

        assert 0 <= found.at_once <= USERS
        for row, (best, left) in zip(found.items, world.best(items, k=k), strict=True):
            assert set(best) <= set(among(row)) <= set(left)


def test_sharp_addresses_leave_few_to_read_and_more_candidates_than_a_tile():
    world = World(7, items=2500, strength=19.9)
    convex, slots = opened(Convex, world)

    found = convex.contenders(slots, excluded=world.excluded, k=3)

    for row, (best, _) in zip(found.items, world.best(np.arange(1, 2501), k=3), strict=True):
        assert set(best) <= set(among(row))
    assert found.read < 0.5 * USERS * 2500
