"""What is shown of a memory, beside what the graphs say of the same events."""

import numpy as np
import pytest

from serving.lists import Served
from serving.model import Model
from serving.states import States
from serving.store.contract import Write
from serving.store.embedded import Embedded
from serving.view import memories
from tests.serving.exported import exported

HISTORY = 4  # fewer than the log below holds
LOG = [("103", 10), ("109", 20), ("999", 30), ("104", 40), ("103", 50), ("107", 60)]
READ = ["109", "104", "103", "107"]  # the newest that the catalogue knows
ASKED = ("105", "999", "103")


@pytest.fixture(scope="module", params=["key_value", "end_to_end", "gru"])
def shown(request, tmp_path_factory):
    """A memory's name, what is shown of the log, and the scores and weights of ``READ``."""
    graphs = ("encode", "write", "score")
    bundle = exported(
        request.param, tmp_path_factory.mktemp("bundle"), history=HISTORY, graphs=graphs
    )
    store = Embedded(tmp_path_factory.mktemp("store") / "states.db", busy_seconds=5)
    store.append([Write("ann", item, when, "buy", None) for item, when in LOG])
    served = Served(Model(bundle), States(store, bundle))
    found = memories(served, store, ["ann", "nobody"], item_ids=ASKED)
    state = served.states.recall(["ann"]).state
    scored = bundle.score(state, candidates=np.array([[6, 4]]))  # 105 and 103
    store.close()
    return request.param, found, scored


def test_slots_are_the_events_that_are_read_with_their_times(shown):
    _, (ann, nobody), _ = shown
    assert (ann["user_id"], ann["events"]) == ("ann", len(LOG))
    assert [str(slot["item_id"]) for slot in ann["slots"]] == READ
    assert [slot["timestamp"] for slot in ann["slots"]] == [20, 40, 50, 60]
    assert [slot["position"] for slot in ann["slots"]] == [2, 4, 5, 6]
    assert ann["slots"][0]["at"] == "1970-01-01T00:00:20+00:00"
    assert {slot["behaviour"] for slot in ann["slots"]} == {"buy"}
    assert (nobody["events"], nobody["slots"]) == (0, [])


def test_items_that_are_known_have_the_score_of_the_graph(shown):
    _, (ann, _), scored = shown
    assert [read["item_id"] for read in ann["reads"]] == [105, 103]
    np.testing.assert_allclose([read["score"] for read in ann["reads"]], scored.scores[0])


def test_weights_stand_beside_the_slots_they_are_of(shown):
    memory, (ann, nobody), scored = shown
    if memory == "gru":  # one vector, which no event has a share of
        assert all(read["hops"] == [] for read in ann["reads"])
        return
    filled = scored.slot_age[0] >= 0
    order = np.argsort(-scored.slot_age[0][filled])  # oldest first, as slots are shown
    for place, read in enumerate(ann["reads"]):
        hops = list(scored.hop_weights[0])
        names = [f"context {number}" for number in range(1, len(hops) + 1)]
        if scored.weights is not None:
            hops.append(scored.weights[0, place])
            names.append("candidate")
        assert [hop["name"] for hop in read["hops"]] == names
        for hop, weights in zip(read["hops"], hops, strict=True):
            np.testing.assert_allclose(hop["weights"], weights[filled][order], rtol=1e-6)
            assert hop["nothing"] == pytest.approx(1 - weights.sum(), abs=1e-5)
    assert all(len(hop["weights"]) == 0 for read in nobody["reads"] for hop in read["hops"])
