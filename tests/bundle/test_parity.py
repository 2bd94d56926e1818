"""The gate, before a stand-in for a bundle that answers with PyTorch and can be made to err."""

import numpy as np
import pytest
import torch

from recsys import runtime
from recsys.bundle.graphs import Ask, Choose, Look
from recsys.bundle.parity import Parity, compare
from recsys.bundle.tracing import certifiable
from recsys.data.batches import Events
from recsys.errors import ArtifactError
from recsys.output.candidate_read import Asking, Spoken
from tests.contract.parts import ITEMS, recommender
from tests.evaluation.tiny import prepared

HISTORY = 6
FINE = Parity(
    users=39, score_error=2e-6, list_overlap=1.0, seen_items=0, write_error=1e-6, read_error=1e-6
)


class StandIn:
    """Answers as a bundle does; ``fault`` is where it errs."""

    def __init__(self, model, *, fault=None):
        self.model, self.fault, self.items = model, fault, ITEMS
        self.certifies = certifiable(model)

    def look(self, state):
        with torch.no_grad():
            found = Look(self.model, self.model.output)(tuple(state))
        *numbers, item = (field.numpy() for field in found)
        names = ("user_vector", *(f"slot_{name}" for name in Spoken._fields))
        wrong = 1.5 if self.fault == "look" else 1
        looked = {name: wrong * field for name, field in zip(names, numbers, strict=True)}
        return looked | {"slot_item": item}

    def ask(self, candidates):
        with torch.no_grad():
            found = Ask(self.model, self.model.output)(torch.from_numpy(candidates))
        names = ("user_answers", "biases", *(f"slot_{name}" for name in Asking._fields))
        wrong = 1.5 if self.fault == "ask" else 1
        return {name: wrong * field.numpy() for name, field in zip(names, found, strict=True)}

    def choose(self, looked, *, candidates, k):
        fields = tuple(torch.from_numpy(field) for field in looked.values())
        choose = Choose(self.model, self.model.output)
        with torch.no_grad():
            found = choose(fields, torch.from_numpy(candidates), torch.tensor(k))
        items, scores = (field.numpy() for field in found[:2])
        wrong = 1.5 if self.fault == "choose" else 1
        return runtime.Recommendations(items, wrong * scores, None, None)

    def encode(self, events):
        item, time, behaviour = (torch.from_numpy(field) for field in events)
        return self._written(self.model.memory.initial_state(len(item)), item, time, behaviour)

    def write(self, state, *, event):
        if self.fault == "write":
            return state
        fields = (torch.from_numpy(field)[:, None] for field in event)
        return self._written(state, *fields)

    def score(self, state, *, candidates):
        wrong = {"score": 0.01, "nan": np.nan}.get(self.fault, 0)
        scores = self._scores(state, candidates) + wrong * (candidates == 3)
        with torch.no_grad():
            view = self.model.look(state)
            read = self.model.explains and self.model.effect(view, torch.from_numpy(candidates))
        weights = read.weights.numpy() if read else None
        hops = view.hops[:, :, 0].numpy()
        if self.fault == "weights":
            weights = weights + 0.01
        if self.fault == "hops":
            hops = hops[:, :, 1:]
        return runtime.Scored(scores, weights, hops, slot_item=None, slot_age=None)

    def recommend(self, state, *, candidates, excluded, k):
        shown = np.repeat(candidates[None], len(excluded), axis=0)
        scores = self._scores(state, shown)
        if self.fault == "recommend":
            scores = scores + 0.01 * (candidates == 3)
        hidden = np.stack([np.isin(candidates, row) for row in excluded])
        if self.fault == "seen":
            hidden[-1] = False
        ranked = np.where(hidden, -1e9, scores)
        if self.fault == "list":
            ranked = ranked * np.where(ranked > -1e8, -1, 1)
        order = np.argsort(-ranked, axis=1, kind="stable")[:, :k]
        if self.fault == "short":
            hidden[0, order[0, 0]] = True
        items = np.where(np.take_along_axis(hidden, order, axis=1), 0, candidates[order])
        return runtime.Recommendations(items, np.take_along_axis(scores, order, 1), None, None)

    def _written(self, state, item, time, behaviour):
        events = Events(item, time, behaviour, present=item != 0)
        with torch.no_grad():
            return self.model.write(state, events)

    def _scores(self, state, candidates):
        with torch.no_grad():
            view = self.model.look(state)
            return self.model.own_scores(view, torch.from_numpy(candidates)).numpy()


@pytest.fixture(scope="module")
def world():
    """Users with 3 to 9 events; leave-one-out."""
    draw = np.random.default_rng(0)
    lengths = draw.integers(3, 10, 20)
    return prepared([draw.integers(1, ITEMS + 1, length) for length in lengths], items=ITEMS)


def compared(world, fault=None, memory="gru"):
    model = recommender(f"memory={memory}")
    stand_in = StandIn(model, fault=fault)
    return compare(model, stand_in, prepared=world, history=HISTORY)


@pytest.mark.parametrize("memory", ["gru", "key_value"])
def test_equal_answers_pass(world, memory):
    parity = compared(world, memory=memory)
    parity.check()
    assert parity.users == 39
    assert parity.score_error < 1e-5
    assert parity.list_overlap == 1
    assert parity.seen_items == 0
    assert parity.write_error < 1e-5
    assert parity.read_error < 1e-5


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("recommend", "score_error"),
        ("score", "score_error"),
        ("nan", "score_error=nan"),
        ("seen", "seen_items"),
        ("list", "list_overlap"),
        ("short", "list_overlap"),
        ("write", "write_error"),
    ],
)
def test_a_fault_is_refused_by_name(world, fault, name):
    with pytest.raises(ArtifactError, match=rf"{name}.*nothing was published"):
        compared(world, fault).check()


@pytest.mark.parametrize("fault", ["look", "ask", "choose"])
def test_a_fault_of_the_last_hop_taken_apart_is_refused(world, fault):
    with pytest.raises(ArtifactError, match="score_error"):
        compared(world, fault, memory="key_value").check()


@pytest.mark.parametrize("fault", ["weights", "hops"])
def test_a_fault_of_what_was_read_is_refused(world, fault):
    with pytest.raises(ArtifactError, match="read_error"):
        compared(world, fault, memory="key_value").check()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"score_error": 0.25}, "score_error=0.25;"),
        ({"score_error": float("nan")}, "score_error=nan;"),
        ({"write_error": float("nan")}, "write_error=nan;"),
        ({"read_error": float("nan")}, "read_error=nan;"),
        ({"list_overlap": 0.98}, "list_overlap=0.98;"),
        ({"seen_items": 3, "write_error": 1.5}, "seen_items=3, write_error=1.5;"),
    ],
)
def test_the_message_names_the_numbers(changes, said):
    FINE.check()
    with pytest.raises(ArtifactError) as refused:
        FINE._replace(**changes).check()
    assert said in str(refused.value)
