"""Users per CPU-second of batch scoring: top 10, seen items masked, the newest 50 events read.

    python -m benchmarks.score PREPARED BUNDLE_OR_MEMORY ... [--roads full certified] [--users 1024]

A memory that is named is exported untrained, which is as fast on the full road; the certified road
depends on what was learned, so give it bundles. Rows take turns, the least CPU time of the rounds
counts, and ratios are to what no scorer undercuts: one product of 64 numbers a user and candidate,
a mask and a top 10. ``states`` leaves out the encoder, as where states are kept. Lists of both
roads are compared; ``at once`` is how often the certificate held with the first candidates read.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from hydra import compose, initialize_config_dir

from recsys import runtime
from recsys.bundle.assembly import assemble_bundle
from recsys.config import CONF
from recsys.data.prepared import Prepared, load
from recsys.run import assemble
from recsys.scoring.histories import Histories, batches, events
from recsys.scoring.ragged import ragged
from recsys.scoring.roads import Asked, Effort, Road, sum_of

GRAPHS = ("encode", "recommend", *runtime.APART)
K, WIDTH = 10, 64


class Row(NamedTuple):
    """One way to make lists, for all users at once."""

    name: str
    road: str
    given: str  # histories, or states
    lists: Callable[[], tuple[list[np.ndarray], Effort]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("prepared", type=Path)
    parser.add_argument("bundles", nargs="+", help="folders of bundles, or memories by name")
    parser.add_argument("--roads", nargs="+", default=["full", "certified"])
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--users", type=int, help="drawn among all, which are the default")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    prepared = load(given.prepared)
    histories = past(prepared, users=given.users)
    groups = batches(histories, history=given.length, size=given.batch)
    with tempfile.TemporaryDirectory() as name:
        rows = [raw(histories, groups, items=prepared.items)]
        for asked in given.bundles:
            bundle = opened(asked, prepared, Path(name), length=given.length)
            label = Path(asked).name
            for road in given.roads:
                if road == "full" or (bundle.certifies and (road != "codes" or bundle.coded)):
                    rows += ways(label, bundle, histories, groups, road=road, length=given.length)
        compare(rows, users=len(histories.users), items=prepared.items, rounds=given.rounds)


def past(prepared: Prepared, *, users: int | None) -> Histories:
    """All events of these users; the last of each is as much a past as any."""
    source = prepared.histories
    every = len(source.offset) - 1
    some = np.sort(np.random.default_rng(0).permutation(every)[:users])
    stretches = [np.arange(source.offset[user], source.offset[user + 1]) for user in some]
    length = np.array([len(stretch) for stretch in stretches])
    place = np.concatenate(stretches)
    user, item = np.repeat(np.arange(len(some)), length), np.asarray(source.item)[place]
    seen = np.unique(user * (prepared.items + 1) + item)
    return Histories(
        users=pl.Series(some),
        offset=np.concatenate([[0], np.cumsum(length)]),
        item=item,
        time=np.asarray(source.time)[place],
        behaviour=np.asarray(source.behaviour)[place],
        seen=ragged(seen // (prepared.items + 1), seen % (prepared.items + 1), users=len(some)),
        duplicates=0,
    )


def opened(asked: str, prepared: Prepared, folder: Path, *, length: int) -> runtime.Bundle:
    """The bundle of this folder, or of an untrained model with this memory."""
    if Path(asked).is_dir():
        return runtime.load(Path(asked), graphs=GRAPHS, device="cpu")
    torch.manual_seed(7)
    settings = [f"memory={asked}", f"slots={length}", "data=none", "run=none"]
    with initialize_config_dir(config_dir=CONF, version_base=None):
        config = compose("train", overrides=settings)
    model, out = assemble(config, prepared=prepared).eval(), folder / asked
    out.mkdir()
    assemble_bundle(model, out, prepared=prepared, history=length, facts={"name": asked})
    return runtime.load(out, graphs=GRAPHS, device="cpu")


def ways(
    name: str,
    bundle: runtime.Bundle,
    histories: Histories,
    groups: list[np.ndarray],
    *,
    road: str,
    length: int,
) -> list[Row]:
    candidates = np.arange(1, bundle.items + 1)
    chosen = Road(road, bundle=bundle, candidates=candidates)
    excluded = [histories.seen.padded(users) for users in groups]
    kept = [encoded(bundle, histories, users, length=length) for users in groups]

    def answer(state: runtime.State, out: np.ndarray) -> tuple[np.ndarray, Effort]:
        asked = Asked(state, candidates=candidates, excluded=out)
        lists, work = chosen.best(bundle, asked, k=K, tile=None)
        return lists.items, work

    def from_states() -> tuple[list[np.ndarray], Effort]:
        found = [answer(state, out) for state, out in zip(kept, excluded, strict=True)]
        return [items for items, _ in found], sum_of(work for _, work in found)

    def from_histories() -> tuple[list[np.ndarray], Effort]:
        found = []
        for users in groups:
            state = encoded(bundle, histories, users, length=length)
            found.append(answer(state, histories.seen.padded(users)))
        return [items for items, _ in found], sum_of(work for _, work in found)

    return [
        Row(name, road, "histories", from_histories),
        Row(name, road, "states", from_states),
    ]


def encoded(
    bundle: runtime.Bundle, histories: Histories, users: np.ndarray, *, length: int
) -> runtime.State:
    return bundle.encode(events(histories, users, history=min(length, bundle.history)))


def raw(histories: Histories, groups: list[np.ndarray], *, items: int) -> Row:
    """A product, a mask, a top 10."""
    draw = torch.Generator().manual_seed(0)
    vectors = torch.randn(len(histories.users), WIDTH, generator=draw)
    answers = torch.randn(WIDTH, items + 1, generator=draw)
    excluded = [torch.from_numpy(histories.seen.padded(users)) for users in groups]

    def lists() -> tuple[list[np.ndarray], Effort]:
        found = []
        for users, out in zip(groups, excluded, strict=True):
            scores = (vectors[users] @ answers).scatter_(1, out, -1e9)
            found.append(scores.topk(K).indices.numpy())
        return found, Effort()

    return Row("raw", "product", "vectors", lists)


def compare(rows: list[Row], *, users: int, items: int, rounds: int) -> None:
    torch.set_num_threads(1)
    seconds = np.full((rounds, len(rows)), np.inf)
    found = []
    for turn in range(rounds):
        found = []
        for place, row in enumerate(rows):
            started = time.process_time()
            found.append(row.lists())
            seconds[turn, place] = time.process_time() - started
    least = seconds.min(axis=0)
    print(f"{users} users, {items} items; least and largest CPU-s of {rounds} rounds")
    print("bundle          road       from       users/CPU-s  of raw   CPU-s        at once  read")
    for row, best, worst, (_, work) in zip(rows, least, seconds.max(axis=0), found, strict=True):
        told = f"{row.name:<15} {row.road:<10} {row.given:<10} {users / best:>11,.0f}"
        told += f" {least[0] / best:>7.3f}   {best:.2f}-{worst:.2f}"
        if work.certified_users:
            share = work.candidates_read / work.certified_users / items
            told += f"  {work.certified_at_once / work.certified_users:>7.3f} {share:.3f}"
        print(told)
    check(rows, [lists for lists, _ in found])


def check(rows: list[Row], lists: list[list[np.ndarray]]) -> None:
    """Lists of one bundle are the same on every road."""
    first: dict[str, np.ndarray] = {}
    for row, some in zip(rows, lists, strict=True):
        whole = np.concatenate(some)
        same = (whole == first.setdefault(row.name, whole)).all(axis=1).mean()
        if same < 1:
            print(f"{row.name} {row.road}: {same:.5f} of the lists are those of the first road")


if __name__ == "__main__":
    main()
