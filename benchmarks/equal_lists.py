"""Whether lists are the same however they are found: PyTorch and every road of `recsys score`.

    python -m benchmarks.equal_lists RUN BUNDLE [--users 256] [--k 10] [--seed 0] [--ray]

Users are drawn from the run's data set with all their events; items seen are left out. PyTorch, on
one thread and without a bundle, says which items are best, ties by catalogue index. Where two
scores differ by less than 1e-5 either order is right; the lists where that was needed are counted.
"""

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.serve_lists import drawn, scored
from recsys import runtime, tables
from recsys.data.batches import Question, gather
from recsys.data.prepared import Prepared
from recsys.run import TrainedScorer, best_model, open_data, open_run

BATCH = 64  # users that PyTorch scores at once
NEAR = 1e-5  # closer scores are told apart by nobody
WAYS = {
    "full": ["road=full"],
    "full, all at once": ["road=full", "tile=null"],
    "full, tiles of 500": ["road=full", "tile=500"],
    "full, one user at a time": ["road=full", "batch_size=1"],
    "many parts": ["road=full", "part_rows=2000"],
}


class Compared(NamedTuple):
    """One way beside PyTorch."""

    equal: int  # lists with the same items in the same order
    tied: int  # lists that are right up to scores that nobody tells apart
    wrong: int
    apart: float  # largest difference of a score


def eager(scorer: TrainedScorer, prepared: Prepared, users: np.ndarray) -> np.ndarray:
    """PyTorch's scores of items 0 to I for these users, -inf for what they have had and item 0."""
    some = np.array_split(users, -(-len(users) // BATCH))
    return np.concatenate([_eager(scorer, prepared, part) for part in some])


def _eager(scorer: TrainedScorer, prepared: Prepared, users: np.ndarray) -> np.ndarray:
    offset = np.asarray(prepared.histories.offset)
    begin, end = offset[users], offset[users + 1]
    start = np.maximum(begin, end - scorer.history)
    events = gather(prepared.histories, begin=begin, start=start, end=end)
    none = torch.zeros(0, 2, dtype=torch.long)
    asked = Question(torch.from_numpy(users), events, seen=none, truth=none)
    scores = scorer.scores(asked).cpu().numpy()
    scores[:, 0] = -np.inf
    for row, (first, last) in enumerate(zip(begin, end, strict=True)):
        scores[row, np.asarray(prepared.histories.item[first:last])] = -np.inf
    return scores


def compare(scores: np.ndarray, lists: list[list[tuple[int, float]]], *, k: int) -> Compared:
    """Lists of (index, score) beside the scores of every item."""
    equal = tied = wrong = 0
    apart = 0.0
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    for row, listed in enumerate(lists):
        items = np.array([item for item, _ in listed])
        wanted = best[row][np.isfinite(scores[row, best[row]])]
        if len(items) != len(wanted):
            wrong += 1
            continue
        told = scores[row, items]
        apart = max(apart, float(np.abs(told - [score for _, score in listed]).max(initial=0)))
        if (items == wanted).all():
            equal += 1
        elif len(set(items.tolist())) == k and np.abs(told - scores[row, wanted]).max() < NEAR:
            tied += 1
        else:
            wrong += 1
    return Compared(equal, tied, wrong, apart)


def ways(bundle: Path, *, ray: bool) -> dict[str, list[str]]:
    """The exact roads that this bundle has."""
    graphs = (*runtime.GRAPHS, *runtime.APART)
    opened = runtime.load(bundle, graphs=graphs, device="cpu")
    found = dict(WAYS)
    if opened.certifies:
        found["certified"] = ["road=certified"]
    if opened.coded:
        found["codes"] = ["road=codes"]
    if ray:
        found["ray"] = ["engine=ray", "engine.workers=2", "part_rows=2000"]
    return found


def compared(
    run: Path, bundle: Path, *, users: int, k: int, seed: int, ray: bool = False
) -> dict[str, Compared]:
    """Every way beside PyTorch, on users that are drawn from the run's data."""
    torch.set_num_threads(1)
    opened = open_run(run)
    prepared = open_data(opened)
    scorer = best_model(opened, prepared=prepared)
    events = drawn(prepared, users, seed)
    ids = events[tables.USER_ID].unique(maintain_order=True).to_list()
    places = {user: place for place, user in enumerate(prepared.users.to_list())}
    scores = eager(scorer, prepared, np.array([places[user] for user in ids]))
    index = {item: place for place, item in enumerate(prepared.catalogue[tables.ITEM_ID], 1)}
    found = {}
    for name, settings in ways(bundle, ray=ray).items():
        with tempfile.TemporaryDirectory() as folder:
            lists = scored(bundle, events, Path(folder), f"k={k}", *settings)
        rows = [[(index[item], told) for item, told in lists.get(user, [])] for user in ids]
        found[name] = compare(scores, rows, k=k)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--users", type=int, default=256)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ray", action="store_true", help="also the Ray engine, where installed")
    given = parser.parse_args()
    found = compared(
        given.run, given.bundle, users=given.users, k=given.k, seed=given.seed, ray=given.ray
    )
    for name, one in found.items():
        print(
            f"{name:25} {one.equal} lists equal, {one.tied} up to ties, {one.wrong} wrong,"
            f" scores apart by {one.apart:.1e} at most"
        )


if __name__ == "__main__":
    main()
