"""Roads to few candidates beside the same exact reading of everything, at any size of catalogue.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.roads ITEMS [--roads certified codes approximate]

Items, slots and users are drawn at random (two heads of 32, width 64; keys are queries of items in
the history with noise), so no structure helps and none of a trained model is there. For ``codes``
queries are drawn for each code. Both sides are numpy, in tiles; the graphs that encode, look and
choose are not part of it. An index for ``approximate`` takes minutes where items are many.
"""

import argparse
import time

import numpy as np

from recsys.scoring.approximate import Approximate
from recsys.scoring.certified import TILE, Certified
from recsys.scoring.coded import Coded
from recsys.scoring.last_hop import Brought, Contenders, Slots, spoken
from recsys.scoring.roads import Shortcut

HEADS, PART, WIDTH, K = 2, 32, 64, 10
ROADS = {"certified": Certified, "codes": Coded, "approximate": Approximate}


class World:
    """Stands in for a bundle."""

    def __init__(self, *, items: int, users: int, slots: int, strength: float, codes: int) -> None:
        draw = np.random.default_rng(0)

        def normal(*shape: int) -> np.ndarray:
            return draw.standard_normal(shape, dtype=np.float32)

        self.code = draw.integers(0, codes, items) if codes else np.arange(items)
        own = _unit(normal(items, HEADS, PART))
        heard = own[draw.integers(0, items, (users, slots))].transpose(0, 2, 1, 3)
        self.asked = {
            "user_answers": 0.2 * normal(items, WIDTH),
            "biases": normal(items),
            "slot_queries": own[self.code] if codes else own,
            "slot_answers": 0.2 * normal(items, HEADS, PART),
        }
        self.slots = {
            "user_vector": normal(users, WIDTH),
            "slot_weights": np.exp(1.5 * normal(users, HEADS, slots) - 2),
            "slot_keys": strength * _unit(heard + 0.3 * normal(users, HEADS, slots, PART)),
            "slot_values": normal(users, HEADS, slots, PART),
        }

    def ask(self, candidates: np.ndarray) -> dict[str, np.ndarray]:
        asked = {name: field[candidates - 1] for name, field in self.asked.items()}
        return asked | {"slot_codes": self.code[candidates - 1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("items", type=int)
    parser.add_argument("--roads", nargs="+", default=["certified", "codes"], choices=ROADS)
    parser.add_argument("--users", type=int, default=32)
    parser.add_argument("--slots", type=int, default=50)
    parser.add_argument("--strength", type=float, default=2.0)
    parser.add_argument("--codes", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--whole", type=int, default=4, help="users for whom all is read as well")
    given = parser.parse_args()
    for road in given.roads:
        codes = given.codes if road == "codes" else 0
        world = World(
            items=given.items,
            users=given.users,
            slots=given.slots,
            strength=given.strength,
            codes=codes,
        )
        brought = Brought(world, items=np.arange(1, given.items + 1))  # type: ignore[arg-type]
        started = time.process_time()
        shortcut: Shortcut = ROADS[road](brought)
        made = time.process_time() - started
        print(f"{road:<12} made in {made:.1f} CPU-s; {compared(shortcut, brought, world, given)}")


def compared(shortcut: Shortcut, brought: Brought, world: World, given: argparse.Namespace) -> str:
    """Both sides take turns; the least CPU time of each counts."""
    slots = spoken(world.slots)
    nobody = np.zeros((given.users, 1), dtype=np.int64)
    short, whole = [], []
    for _ in range(given.rounds):
        started = time.process_time()
        found = shortcut.contenders(slots, excluded=nobody, k=K)
        short.append((time.process_time() - started) / given.users)
        started = time.process_time()
        scores = everything(brought, slots.of(slice(0, given.whole)))
        whole.append((time.process_time() - started) / given.whole)
    return (
        f"{given.items} items, {given.slots} slots: {1e3 * min(short):.2f} CPU-ms a user, "
        f"everything {1e3 * min(whole):.2f}, {min(whole) / min(short):.1f} times; "
        f"read one by one {found.read / given.users / given.items:.4f}, "
        f"recall {recall(found, brought, scores):.3f}"
    )


def everything(brought: Brought, slots: Slots) -> np.ndarray:
    """Exact scores ``[user, candidate]`` of all, a user and a tile at a time."""
    count = len(brought.items)
    tiles = [slice(start, start + TILE) for start in range(0, count, TILE)]
    scores = np.empty((len(slots.user), count), np.float32)
    for row in range(len(scores)):
        one = Slots(*(None if field is None else field[row] for field in slots))
        for tile in tiles:
            scores[row, tile] = one.user @ brought.answers[tile, :WIDTH].T + brought.bias[tile]
            for head in range(HEADS):
                loud = np.exp(one.keys[head] @ brought.queries[head, tile].T)
                loud *= one.weights[head, :, None]
                told = one.values[head] @ brought.told[head, tile].T
                scores[row, tile] += np.einsum("sc,sc->c", loud, told) / (1 + loud.sum(axis=0))
    return scores


def recall(found: Contenders, brought: Brought, scores: np.ndarray) -> float:
    """Share of the best of these users that is among their contenders."""
    best = brought.items[np.argpartition(-scores, K, axis=1)[:, :K]]
    there = (best[:, :, None] == found.items[: len(best), None]).any(axis=2)
    return float(there.mean())


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


if __name__ == "__main__":
    main()
