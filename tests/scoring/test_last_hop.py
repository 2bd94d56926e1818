"""Reading outside the graph against the definition, in double precision."""

import numpy as np
import pytest

from recsys.scoring.last_hop import Brought, best_places, least, spoken
from tests.scoring.last_hop_world import KINDS, USERS, World


@pytest.mark.parametrize("kind", KINDS)
def test_reading_is_the_definition(kind):
    world = World(4, **kind)
    brought = Brought(world, items=np.arange(1, world.items + 1))
    place = np.array([[3, 100, 7]] * USERS) + np.arange(USERS)[:, None]

    found = brought.read(spoken(world.look(None)), place)

    wanted = np.take_along_axis(world.scores(), place + 1, axis=1)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_pairs_are_read_as_one_by_one():
    world = World(5)
    brought = Brought(world, items=np.arange(1, world.items + 1))
    user = np.array([0, 0, 0, 2, 4, 4])  # others ask for nothing
    place = np.array([7, 0, 149, 30, 30, 31])

    found = brought.read_pairs(spoken(world.look(None)), user, place)

    np.testing.assert_allclose(found, world.scores()[user, place + 1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("count", "n"), [(1000, 3), (1003, 7), (50, 50), (17, 1), (12, 11)])
def test_the_best_places_are_those_of_sorting(count, n):
    scores = np.random.default_rng(n).normal(size=(4, count))

    found = np.sort(best_places(scores, n=n), axis=1)

    assert (found == np.sort(np.argsort(-scores, axis=1)[:, :n], axis=1)).all()


def test_the_least_is_the_kth_best_or_nothing_where_there_are_fewer():
    user, score = np.array([0, 2, 0, 0, 2]), np.array([0.5, 9, 0.25, 0.75, 8], np.float32)

    found = least(user, score, users=3, k=3)

    np.testing.assert_allclose(found, [0.25, -np.inf, -np.inf], atol=2e-4)


def test_candidates_as_good_as_the_last_are_all_contenders():
    world = World(0, items=9)
    brought = Brought(world, items=np.arange(1, 10))
    user, place = np.zeros(5, int), np.array([8, 1, 4, 6, 2])

    found = brought.contenders(user, place, np.array([1, 2, 1, 1, 0], np.float32), users=2, k=2)

    assert found.tolist() == [[2, 5, 7, 9], [0, 0, 0, 0]]
