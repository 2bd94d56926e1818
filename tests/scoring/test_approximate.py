"""What an index finds, and what it must never list."""

import numpy as np
import pytest

pytest.importorskip("usearch")

from recsys.scoring.approximate import Approximate
from recsys.scoring.last_hop import Brought, spoken
from tests.scoring.last_hop_world import World, among


def opened(world):
    return Approximate(Brought(world, items=np.arange(1, world.items + 1)))


def test_weak_addresses_are_found_as_if_all_were_read():
    world = World(1, items=3000, strength=0.01)

    found = opened(world).contenders(spoken(world.look(None)), excluded=world.excluded, k=5)

    best = [best for best, _ in world.best(np.arange(1, 3001), k=5)]
    hits = [len(set(one) & set(among(row))) for one, row in zip(best, found.items, strict=True)]
    assert sum(hits) >= 0.95 * 5 * len(best)
    assert found.read < 0.1 * 3000 * len(best)


def test_nothing_excluded_is_listed():
    world = World(2, items=60)
    world.excluded = np.repeat(np.arange(1, 55)[None], len(world.excluded), axis=0)

    found = opened(world).contenders(spoken(world.look(None)), excluded=world.excluded, k=50)

    assert found.items.tolist() == [[55, 56, 57, 58, 59, 60]] * len(world.excluded)


def test_an_index_made_again_finds_the_same():
    world = World(3, items=5000)
    slots = spoken(world.look(None))

    once, again = (
        opened(world).contenders(slots, excluded=world.excluded, k=9).items for _ in range(2)
    )

    assert once.tolist() == again.tolist()


def test_one_user_alone_finds_what_it_finds_among_others():
    world = World(4, items=500)
    slots, index = spoken(world.look(None)), opened(world)

    together = index.contenders(slots, excluded=world.excluded, k=3).items
    alone = index.contenders(slots.of([2]), excluded=world.excluded[[2]], k=3).items

    assert among(alone[0]) == among(together[2])
