"""Served lists beside those of batch scoring."""

import subprocess
import sys

import numpy as np
import polars as pl


def test_served_lists_are_those_of_batch_scoring(api, bundle, tmp_path):
    draw = np.random.default_rng(4)
    events = pl.DataFrame(
        {
            "user_id": draw.integers(50_000, 50_020, 120),
            "item_id": draw.integers(100, 133, 120),  # some are unknown
            "timestamp": draw.integers(0, 40, 120),  # some at one time, some late
        }
    )
    events.write_csv(tmp_path / "events.csv")
    settings = (f"bundle={bundle}", f"histories={tmp_path / 'events.csv'}", "k=6")
    command = [sys.executable, "-m", "recsys.cli", "score", *settings, f"out={tmp_path / 'lists'}"]
    subprocess.run(command, check=True, capture_output=True)
    scored = pl.read_parquet(tmp_path / "lists" / "*.parquet").sort("user_id", "rank")
    api.post("/events", json={"events": events.to_dicts()}).raise_for_status()
    for (user,), expected in scored.group_by("user_id", maintain_order=True):
        served = api.post("/recommend", json={"user_id": user, "k": 6}).json()["items"]
        assert [item["item_id"] for item in served] == expected["item_id"].to_list()
        assert [item["score"] for item in served] == expected["score"].to_list()
        because = [[one["item_id"] for one in item["because"]] for item in served]
        assert because == [[one["item_id"] for one in row] for row in expected["because"]]
