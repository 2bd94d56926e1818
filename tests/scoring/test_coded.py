"""Slots read once a code against every candidate read by definition."""

import numpy as np
import pytest

from recsys.scoring.coded import Coded
from tests.scoring.last_hop_world import KINDS, World, among, opened


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_the_definition(kind):
    world = World(7, **kind)
    coded, slots = opened(Coded, world)

    found = coded.scores(slots)

    order = np.argsort(world.code[1:], kind="stable")
    np.testing.assert_allclose(found, world.scores()[:, 1:][:, order], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("codes", [1, 4, 40])
@pytest.mark.parametrize("k", [1, 5, 200])
def test_contenders_are_the_best_and_what_comes_as_near_as_rounding(codes, k):
    world = World(codes, codes=codes)
    items = np.arange(1, world.items + 1)[::2]
    coded, slots = opened(Coded, world, items=items)

    found = coded.contenders(slots, excluded=world.excluded, k=k)

    for row, (best, _) in zip(found.items, world.best(items, k=k), strict=True):
        assert set(best) <= set(among(row))
        assert len(among(row)) <= len(best) + 2


def test_candidates_that_are_equally_good_are_all_contenders():
    world = World(3, items=40, codes=2)
    for field in world.asked.values():
        field[1:21] = field[1]
    world.code[1:21] = world.code[1]
    world.excluded = np.repeat(np.arange(21, 41)[None], len(world.excluded), axis=0)
    coded, slots = opened(Coded, world)

    found = coded.contenders(slots, excluded=world.excluded, k=3)

    assert found.items.tolist() == [list(range(1, 21))] * len(world.excluded)
