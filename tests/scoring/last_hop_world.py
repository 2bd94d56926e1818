"""Random slots and candidates that stand in for a bundle, and the scores by definition."""

import numpy as np

from recsys.scoring.last_hop import Brought, spoken

HEADS, PART, WIDTH, USERS = 2, 5, 7, 6
KINDS = [
    {},
    {"strength": 0.01},
    {"strength": 19.9, "spread": 10.0},
    {"slots": 3},
    {"slots": 2},
    {"spread": 0.0},
    {"codes": 5},
    {"codes": 1, "strength": 8.0},
]


class World:
    """``codes`` queries for all candidates; None for one each."""

    def __init__(self, seed, *, items=150, slots=9, strength=2.0, spread=1.0, codes=None):
        draw = np.random.default_rng(seed)
        self.excluded = draw.integers(0, items + 1, (USERS, 12))
        keys, queries = (
            draw.normal(size=(*shape, PART))
            for shape in ((USERS, HEADS, slots), (items + 1, HEADS))
        )
        code = draw.integers(0, codes, items + 1) if codes else np.arange(items + 1)
        queries = queries[code]
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
        self.code, self.items = code, items

    def look(self, state):
        return {name: field.astype(np.float32) for name, field in self.slots.items()}

    def ask(self, candidates):
        asked = {name: field[candidates].astype(np.float32) for name, field in self.asked.items()}
        return asked | {"slot_codes": self.code[candidates]}

    def scores(self):
        """Slot by slot, candidate by candidate: the definition."""
        wanted = self.slots["user_vector"] @ self.asked["user_answers"].T + self.asked["biases"]
        for user, head, item in np.ndindex(USERS, HEADS, self.items + 1):
            cosines = self.slots["slot_keys"][user, head] @ self.asked["slot_queries"][item, head]
            loud = self.slots["slot_weights"][user, head] * np.exp(cosines)
            told = self.slots["slot_values"][user, head] @ self.asked["slot_answers"][item, head]
            wanted[user, item] += (loud * told).sum() / (1 + loud.sum())
        return wanted

    def best(self, items, *, k):
        """Of each user, the best of these items that are not excluded, and all that are not."""
        for user, scores in enumerate(self.scores()):
            left = [item for item in items if item not in self.excluded[user]]
            yield sorted(left, key=lambda item, scores=scores: (-scores[item], item))[:k], left


def opened(way, world, *, items=None):
    """A way to few candidates, of all of them unless others are given, and the users' slots."""
    items = np.arange(1, world.items + 1) if items is None else items
    return way(Brought(world, items=items)), spoken(world.look(None))


def among(row):
    """The items of a row of contenders; zeros stand in front and items rise."""
    items = row[row > 0].tolist()
    assert row.tolist() == [0] * (len(row) - len(items)) + sorted(set(items))
    return items
