"""Bounds and contenders of the certified road against the definition, in double precision."""

import numpy as np
import pytest

from recsys.scoring.certified import Certified, largest_of
from tests.scoring.last_hop_world import KINDS, PART, USERS, World, among, opened


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_no_score_is_above_its_bound(kind, seed):
    world = World(seed, **kind)
    certified, slots = opened(Certified, world)

    likely, most, own = certified.bounds(slots)

    wanted = world.scores()[:, 1:]
    assert (own >= wanted).all()
    assert (most >= own - 1e-3 * np.maximum(np.abs(own), 1)).all()
    assert np.abs(likely - wanted)[-1].max() < 1e-4  # nothing is read of a user without events


def long_keys(world):
    """Keys ten times the strength, all in one direction or against it, as no model makes them."""
    keys = world.slots["slot_keys"]
    keys[:] = 20 * keys[:, :, :1] * np.sign(keys[..., :1])


def one_slot(world):
    world.slots["slot_weights"][:, :, :-1] = 0


def equal_slots(world):
    for name in ("slot_keys", "slot_values"):
        world.slots[name][:] = world.slots[name][:, :, :1]


def two_that_disagree(world):
    """The distribution of cosines for which the bound is sharpest: two points."""
    equal_slots(world)
    for name in ("slot_keys", "slot_values"):
        world.slots[name][:, :, -1] *= -1


def one_is_everything(world):
    world.slots["slot_weights"][:, :, -1] = 1e15


def nearly_silent(world):
    world.slots["slot_weights"] *= 1e-12


def nothing(world):
    world.slots["slot_weights"][:] = 0


def nothing_asked(world):
    world.asked["slot_queries"][::2] = 0


AWKWARD = [
    long_keys,
    one_slot,
    equal_slots,
    two_that_disagree,
    one_is_everything,
    nearly_silent,
    nothing,
    nothing_asked,
]


@pytest.mark.parametrize("awkward", AWKWARD)
def test_no_awkward_slots_break_a_bound_or_lose_a_candidate(awkward):
    for seed in range(3):
        world = World(seed)
        awkward(world)
        certified, slots = opened(Certified, world)
        wanted = world.scores()[:, 1:]
        for bound in certified.bounds(slots)[1:]:
            assert (bound >= wanted).all()
        found = certified.contenders(slots, excluded=world.excluded, k=4)
        items = np.arange(1, world.items + 1)
        for row, (best, _) in zip(found.items, world.best(items, k=4), strict=True):
            assert set(best) <= set(among(row))


def test_a_slot_that_all_weight_is_on_leaves_nothing_to_bound():
    world = World(4)
    one_is_everything(world)
    certified, slots = opened(Certified, world)

    likely, most, _ = certified.bounds(slots)

    np.testing.assert_allclose(most[:-1], likely[:-1], atol=0.2)  # its users differ in nothing


def test_a_faint_slot_that_a_candidate_asks_for_meets_its_bound():
    """The worst there can be: two points, nearly all weight on the one, cosine and answer alike."""
    world = World(6, slots=3)
    world.slots["slot_weights"][:, :, 2] = 1e-4
    world.slots["slot_keys"][:] = [2, 0, 0, 0, 0]
    world.slots["slot_values"][:] = [0, 1e5, 0, 0, 0]
    world.asked["slot_queries"][:] = [1, 0, 0, 0, 0]
    world.asked["slot_answers"][:, :, 1] = 1
    certified, slots = opened(Certified, world)

    likely, most, own = certified.bounds(slots)

    wanted = world.scores()[:, 1:]
    gained = wanted - likely  # twice about 10 (exp(2) - 1)
    assert gained.min() > 120
    assert (own >= wanted).all()
    assert (own - wanted < 0.01 * gained).all()
    assert (most - wanted < 0.01 * gained).all()


@pytest.mark.parametrize("rank", [1, 2, PART])
def test_the_largest_eigenvalue_is_bounded_and_nearly_met(rank):
    draw = np.random.default_rng(rank)
    vectors = draw.normal(size=(40, rank, PART)) * 10.0 ** draw.integers(-3, 3, (40, 1, 1))
    spread = (vectors.transpose(0, 2, 1) @ vectors).astype(np.float32)

    bound = largest_of(spread)

    largest = np.linalg.eigvalsh(spread.astype(np.float64))[:, -1]
    assert (bound >= largest).all()
    assert (bound <= rank**0.125 * largest * 1.001).all()
    assert largest_of(np.zeros((1, PART, PART), np.float32)).tolist() == [0]


def test_own_queries_leave_fewer_candidates_in():
    world = World(5, items=2000)
    certified, slots = opened(Certified, world)
    best = np.sort(world.scores()[:-1, 1:], axis=1)[:, -5, None]

    _, most, own = certified.bounds(slots)

    assert (own[:-1] >= best).sum() < 0.7 * (most[:-1] >= best).sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 4, 60])
def test_the_best_are_among_the_contenders_and_few_others(kind, k):
    for seed in range(4):
        world = World(seed, **kind)
        items = np.arange(1, world.items + 1)[seed:]
        certified, slots = opened(Certified, world, items=items)
        found = certified.contenders(slots, excluded=world.excluded, k=k)
        for row, (best, left) in zip(found.items, world.best(items, k=k), strict=True):
            assert set(best) <= set(among(row)) <= set(left)
            assert len(among(row)) <= k + 3
        assert found.read <= USERS * len(items)


@pytest.mark.parametrize("left", [0, 1, 3])
def test_fewer_candidates_than_k_are_all_contenders(left):
    world = World(0, items=20)
    world.excluded = np.repeat(np.arange(left + 1, 21)[None], USERS, axis=0)
    certified, slots = opened(Certified, world)

    found = certified.contenders(slots, excluded=world.excluded, k=5)

    assert found.items.tolist() == [list(range(1, left + 1))] * USERS


def test_candidates_that_are_equally_good_are_all_contenders():
    world = World(3, items=40)
    for field in world.asked.values():
        field[1:21] = field[1]
    world.excluded = np.repeat(np.arange(21, 41)[None], USERS, axis=0)
    certified, slots = opened(Certified, world)

    found = certified.contenders(slots, excluded=world.excluded, k=3)

    assert found.items.tolist() == [list(range(1, 21))] * USERS


def test_weak_addresses_are_proved_by_the_first_reading_of_a_few():
    world = World(1, items=2000, strength=0.01)
    certified, slots = opened(Certified, world)

    found = certified.contenders(slots, excluded=world.excluded, k=5)

    assert found.at_once == USERS
    assert found.read == USERS * 20


def test_catalogues_too_large_to_keep_their_products_give_the_same(monkeypatch):
    world = World(2)
    kept, slots = opened(Certified, world)
    monkeypatch.setattr("recsys.scoring.certified.TABLES_BYTES", 0)
    monkeypatch.setattr("recsys.scoring.certified.TILE", 13)
    made, _ = opened(Certified, world)

    for one, other in zip(kept.bounds(slots), made.bounds(slots), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    found = made.contenders(slots, excluded=world.excluded, k=4)
    assert (
        found.items.tolist() == kept.contenders(slots, excluded=world.excluded, k=4).items.tolist()
    )
