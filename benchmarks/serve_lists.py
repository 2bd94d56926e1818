"""Whether the lists that are served are those that `recsys score` writes for the same histories.

    python -m benchmarks.serve_lists BUNDLE PREPARED [--users 300] [--seed 0]

Users are drawn from the prepared folder; the service is sent their events over loopback and asked
for the top 10 of each, alone and many in one request. Equal: the same items in the same order.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import polars as pl

from benchmarks.serve import OURS, STORE, command, server
from recsys import runtime, tables
from recsys.data.prepared import Prepared, load

K = 10
MANY = 50  # users of one request


def drawn(prepared: Prepared, users: int, seed: int) -> pl.DataFrame:
    """All events of so many users, as files of events name them."""
    ids = [None, *prepared.catalogue[tables.ITEM_ID].to_list()]
    histories, parts = prepared.histories, []
    for place in random.Random(seed).sample(range(len(prepared.users)), users):
        part = slice(*histories.offset[place : place + 2])
        items = [ids[item] for item in histories.item[part].tolist()]
        rows = {tables.ITEM_ID: items, tables.TIMESTAMP: histories.time[part].tolist()}
        user = pl.lit(prepared.users[place]).alias(tables.USER_ID)
        parts.append(pl.DataFrame(rows).select(user, tables.ITEM_ID, tables.TIMESTAMP))
    return pl.concat(parts)


def scored(bundle: Path, events: pl.DataFrame, folder: Path, *settings: str) -> dict:
    """What batch scoring writes: of each user, items and scores, best first."""
    file, out = folder / "events.parquet", folder / "lists"
    events.write_parquet(file)
    clock = runtime.load(bundle, device="cpu").manifest["time"]
    unit = f"source.time_unit={'order' if clock == 'order' else 's'}"
    words = [f"bundle={bundle}", f"histories={file}", f"out={out}", unit]
    command = [sys.executable, "-m", "recsys.cli", "score", *words, *settings]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    lists = pl.read_parquet(out / "*.parquet").sort(tables.USER_ID, tables.RANK)
    grouped = lists.group_by(tables.USER_ID, maintain_order=True).agg(tables.ITEM_ID, tables.SCORE)
    return {user: list(zip(items, told, strict=True)) for user, items, told in grouped.rows()}


def post(port: int, path: str, body: dict) -> dict:
    url = f"http://127.0.0.1:{port}{path}"
    asked = urllib.request.Request(url, json.dumps(body).encode())
    asked.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(asked, timeout=60) as reply:
        return json.load(reply)


def listed(reply: dict) -> list:
    return [(item["item_id"], item["score"]) for item in reply["items"]]


def compare(name: str, served: dict, expected: dict) -> None:
    same = sum([i for i, _ in served[u]] == [i for i, _ in expected[u]] for u in expected)
    apart = max(
        abs(one[1] - other[1])
        for user in expected
        for one, other in zip(served[user], expected[user], strict=True)
    )
    print(f"{name}: {same} of {len(expected)} lists equal, scores apart by {apart:.1e} at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=8771)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        events = drawn(load(given.prepared), given.users, given.seed)
        expected = scored(given.bundle, events, folder, f"k={K}")
        words = command(OURS, bundle=given.bundle, store=folder / STORE, port=given.port)
        words.append("batch.patience=60")  # nobody is refused on a slow machine
        with server(words, given.port, folder / "ours.log"):
            for part in events.iter_slices(1000):
                post(given.port, "/events", {"events": part.to_dicts()})
            asks = [{"user_id": user, "k": K} for user in expected]
            alone = {a["user_id"]: listed(post(given.port, "/recommend", a)) for a in asks}
            compare("alone", alone, expected)
            many: dict = {}
            for start in range(0, len(asks), MANY):
                some = asks[start : start + MANY]
                replies = post(given.port, "/recommend", {"requests": some})["answers"]
                many |= {r["user_id"]: listed(r) for r in replies}
            compare(f"{MANY} at once", many, expected)


if __name__ == "__main__":
    main()
