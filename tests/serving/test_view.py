"""What is shown of a memory whose slots are events, and lists beside those of batch scoring."""

import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from recsys.bundle.assembly import assemble_bundle
from serving import model
from serving.lists import Served
from serving.states import States
from serving.store.contract import Write
from serving.store.embedded import Embedded
from serving.view import memories
from tests.contract.parts import ITEMS, recommender
from tests.symbols import unchecked
from tests.tiny_data import prepare_frame, rows

HISTORY = 4
LOG = ((3, 50), (5, 20), (3, 50), (7, 60), (999, 65), (2, 30), (5, 70))  # item, time; by position


@pytest.fixture(scope="module", params=["key_value", "end_to_end"])
def served(request, tmp_path_factory):
    """A memory of four slots, and a user with a late, a repeated and an unknown event."""
    draw = np.random.default_rng(0)
    table = [
        (user, int(item), place)
        for user in range(30)
        for place, item in enumerate(draw.integers(1, ITEMS + 1, 6))
    ]
    folder = tmp_path_factory.mktemp("view")
    prepared = prepare_frame(rows(*table), folder / "data")
    bundle = folder / "bundle"
    bundle.mkdir()
    network = recommender(f"memory={request.param}", seed=3)
    with unchecked():
        assemble_bundle(network, bundle, prepared=prepared, history=HISTORY, facts={"name": "view"})
    loaded = model.load(bundle, device="cpu")
    store = Embedded(folder / "states.db", busy_seconds=30)
    store.append([Write("u", str(item), time, None, None) for item, time in LOG])
    yield Served(loaded, States(store, loaded.bundle)), store
    store.close()


def test_slots_are_the_events_that_were_read(served):
    (shown,) = memories(served[0], served[1], ["u"], item_ids=("4", "8"))
    assert shown["events"] == 7
    assert [(slot["position"], slot["timestamp"]) for slot in shown["slots"]] == [
        (6, 30),
        (1, 50),
        (4, 60),
        (7, 70),
    ]


def test_weights_stand_beside_the_slots_hop_by_hop(served):
    (shown,) = memories(served[0], served[1], ["u"], item_ids=("4", "8"))
    assert [read["item_id"] for read in shown["reads"]] == [4, 8]
    for read in shown["reads"]:
        assert read["hops"][-1]["name"] == "candidate"
        for hop in read["hops"]:
            assert len(hop["weights"]) == HISTORY
            assert sum(hop["weights"]) + hop["nothing"] == pytest.approx(1, abs=1e-5)
    first, second = (read["hops"][:-1] for read in shown["reads"])
    assert len(first) == len(second)


def test_who_did_nothing_has_no_slots(served):
    (shown,) = memories(served[0], served[1], ["nobody"], item_ids=("4",))
    assert (shown["events"], shown["slots"]) == (0, [])
    assert all(hop["weights"].tolist() == [] for hop in shown["reads"][0]["hops"])


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
