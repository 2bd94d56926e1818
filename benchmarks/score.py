"""Users per CPU-second of batch scoring: top 10, seen items masked, the newest 50 events read.

    python -m benchmarks.score PREPARED BUNDLE_OR_MEMORY ... [--roads full certified] [--users 1024]
        [--peers rectools=VENV/bin/python implicit=VENV/bin/python]

A memory that is named is exported untrained, which is as fast on the full road; the certified road
depends on what was learned, so give it bundles. Rows take turns, the least CPU time of the rounds
counts, and ratios are to what no scorer undercuts: one product of 64 numbers a user and candidate,
a mask and a top 10. ``states`` leaves out the encoder, as where states are kept. Lists of both
roads are compared; ``at once`` is how often the certificate held with the first candidates read.
Peers (``score_peers.py``) train a little and score the same users, each in an environment of its
own, and take turns with ours.
"""

import argparse
import contextlib
import os
import subprocess
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


class Round(NamedTuple):
    """What a row did in its turn."""

    seconds: float  # of CPU
    users: int
    lists: list[np.ndarray]  # none of a peer: its model is another
    work: Effort


class Row(NamedTuple):
    """One way to make lists."""

    name: str
    road: str
    given: str  # histories, states or vectors
    turn: Callable[[], Round]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("prepared", type=Path)
    parser.add_argument("bundles", nargs="+", help="folders of bundles, or memories by name")
    parser.add_argument("--roads", nargs="+", default=["full", "certified"])
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--users", type=int, help="drawn among all, which are the default")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="+", default=[], metavar="PEER=PYTHON")
    given = parser.parse_args()
    prepared = load(given.prepared)
    histories = past(prepared, users=given.users)
    groups = batches(histories, history=given.length, size=given.batch)
    with contextlib.ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory())
        rows = [raw(histories, groups, items=prepared.items)]
        for asked in given.bundles:
            bundle = opened(asked, prepared, Path(name), length=given.length)
            label = Path(asked).name
            for road in given.roads:
                if road == "full" or (bundle.certifies and (road != "codes" or bundle.coded)):
                    rows += ways(label, bundle, histories, groups, road=road, length=given.length)
        rows += peers(given.peers, histories, Path(name), length=given.length, stack=stack)
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
        Row(name, road, "histories", timed(from_histories, users=len(histories.users))),
        Row(name, road, "states", timed(from_states, users=len(histories.users))),
    ]


def timed(
    lists: Callable[[], tuple[list[np.ndarray], Effort]], *, users: int
) -> Callable[[], Round]:
    def turn() -> Round:
        started = time.process_time()
        found, work = lists()
        return Round(time.process_time() - started, users, found, work)

    return turn


def peers(
    asked: list[str],
    histories: Histories,
    folder: Path,
    *,
    length: int,
    stack: contextlib.ExitStack,
) -> list[Row]:
    """Their processes are started one after the other and wait for their turns."""
    user = np.repeat(np.arange(len(histories.users)), np.diff(histories.offset))
    np.savez(folder / "events.npz", user=user, item=histories.item)
    rows = []
    for pair in asked:
        name, _, python = pair.partition("=")
        words = [python, str(Path(__file__).with_name("score_peers.py")), name]
        peer = subprocess.Popen(
            [*words, str(folder / "events.npz"), str(length), str(K)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=stack.enter_context(tempfile.TemporaryDirectory()),
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            text=True,
        )
        stack.callback(peer.kill)
        said = _said(peer)
        rows.append(Row(name, "theirs", said, lambda peer=peer: _turn(peer)))
    return rows


def _turn(peer: subprocess.Popen[str]) -> Round:
    assert peer.stdin is not None
    print("go", file=peer.stdin, flush=True)
    seconds, users = _said(peer).split()
    return Round(float(seconds), int(users), [], Effort())


def _said(peer: subprocess.Popen[str]) -> str:
    """Its next answer; what its library prints besides goes by."""
    assert peer.stdout is not None
    for line in peer.stdout:
        if line.startswith("peer: "):
            return line.removeprefix("peer: ").strip()
    message = f"{peer.args} ended with {peer.wait()} before it answered"
    raise SystemExit(message)


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

    return Row("raw", "product", "vectors", timed(lists, users=len(histories.users)))


def compare(rows: list[Row], *, users: int, items: int, rounds: int) -> None:
    torch.set_num_threads(1)
    turns = [[row.turn() for row in rows] for _ in range(rounds)]
    print(f"{users} users, {items} items; least and largest CPU-s of {rounds} rounds")
    print("bundle          road       from       users/CPU-s  of raw   CPU-s        at once  read")
    bound = min(turn[0].seconds for turn in turns) / users
    for place, row in enumerate(rows):
        mine = [turn[place] for turn in turns]
        best, worst = (pick(turn.seconds for turn in mine) for pick in (min, max))
        cost, work = best / mine[-1].users, mine[-1].work
        told = f"{row.name:<15} {row.road:<10} {row.given:<10} {1 / cost:>11,.4g}"
        told += f" {bound / cost:>7.3g}   {best:.2f}-{worst:.2f}"
        if work.certified_users:
            share = work.candidates_read / work.certified_users / items
            told += f"  {work.certified_at_once / work.certified_users:>7.3f} {share:.3f}"
        print(told)
    check(rows, [turn.lists for turn in turns[-1]])


def check(rows: list[Row], lists: list[list[np.ndarray]]) -> None:
    """Lists of one bundle are the same on every road."""
    first: dict[str, np.ndarray] = {}
    for row, some in zip(rows, lists, strict=True):
        if not some:
            continue
        whole = np.concatenate(some)
        same = (whole == first.setdefault(row.name, whole)).all(axis=1).mean()
        if same < 1:
            print(f"{row.name} {row.road}: {same:.5f} of the lists are those of the first road")


if __name__ == "__main__":
    main()
