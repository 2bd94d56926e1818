"""The certified road beside the same exact reading of everything, at any size of catalogue.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.roads 50000 [--users 32] [--slots 50] [--strength 2]

Items, slots and users are drawn at random (two heads of 32, width 64; keys are queries of the items
in the history with noise), so no structure helps and none of a trained model is there. Both sides
are numpy, in tiles; the graph that ``recsys score`` reads everything with is not part of it.
"""

import argparse
import time

import numpy as np

from recsys.scoring.certified import TILE, Catalogue, _Slots

HEADS, PART, WIDTH, K = 2, 32, 64, 10


class World:
    """Stands in for a bundle."""

    def __init__(self, *, items: int, users: int, slots: int, strength: float) -> None:
        draw = np.random.default_rng(0)

        def normal(*shape: int) -> np.ndarray:
            return draw.standard_normal(shape, dtype=np.float32)

        query = _unit(normal(items, HEADS, PART))
        heard = query[draw.integers(0, items, (users, slots))].transpose(0, 2, 1, 3)
        self.asked = {
            "user_answers": 0.2 * normal(items, WIDTH),
            "biases": normal(items),
            "slot_queries": query,
            "slot_answers": 0.2 * normal(items, HEADS, PART),
        }
        self.slots = {
            "user_vector": normal(users, WIDTH),
            "slot_weights": np.exp(1.5 * normal(users, HEADS, slots) - 2),
            "slot_keys": strength * _unit(heard + 0.3 * normal(users, HEADS, slots, PART)),
            "slot_values": normal(users, HEADS, slots, PART),
        }

    def ask(self, candidates: np.ndarray) -> dict[str, np.ndarray]:
        return {name: field[candidates - 1] for name, field in self.asked.items()}

    def look(self, state: object) -> dict[str, np.ndarray]:
        return self.slots


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("items", type=int)
    parser.add_argument("--users", type=int, default=32)
    parser.add_argument("--slots", type=int, default=50)
    parser.add_argument("--strength", type=float, default=2.0)
    parser.add_argument("--whole", type=int, default=4, help="users for whom all is read as well")
    given = parser.parse_args()
    world = World(items=given.items, users=given.users, slots=given.slots, strength=given.strength)
    items = np.arange(1, given.items + 1)
    catalogue = Catalogue(world, items=items)  # type: ignore[arg-type]
    nobody = np.zeros((given.users, 1), dtype=np.int64)
    started = time.process_time()
    found = catalogue.contenders(world, {}, excluded=nobody, k=K)  # type: ignore[arg-type]
    certified = (time.process_time() - started) / given.users
    started, missed = time.process_time(), 0
    for user in range(given.whole):
        slots = _Slots(*(field[user] for field in world.slots.values()))
        tiles = range(0, given.items, TILE)
        places = [np.arange(tile, min(tile + TILE, given.items)) for tile in tiles]
        scores = np.concatenate([catalogue.read(slots, place) for place in places])
        missed += len(set(items[np.argsort(-scores)[:K]]) - set(found.items[user]))
    whole = (time.process_time() - started) / given.whole
    print(
        f"{given.items} items, {given.slots} slots, {given.users} users: certified "
        f"{1e3 * certified:.2f} CPU-ms a user, everything {1e3 * whole:.2f}, "
        f"{whole / certified:.1f} times; first reading proves {found.at_once / given.users:.2f}, "
        f"read {found.read / given.users / given.items:.4f}, missed {missed}"
    )


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


if __name__ == "__main__":
    main()
