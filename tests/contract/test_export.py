"""What every memory and every output of the configuration must hold once it is a bundle.

An export takes seconds, so the fast tests try a memory with the output that it asks for, and take
the last hop apart for a log and for a memory that rewrites: what is taken apart is the output's.
"""

from pathlib import Path
from shutil import copytree
from typing import NamedTuple

import numpy as np
import onnx
import pytest
import torch

from recsys import runtime
from recsys.bundle.assembly import assemble_bundle
from recsys.bundle.graphs import FAINT, REASONS
from recsys.bundle.lowering import lower
from recsys.bundle.tracing import graphs, state_names, trace_all
from recsys.errors import ArtifactError
from recsys.folder import fingerprint
from recsys.memory.key_next import KeyNext
from recsys.model import MemoryRecommender
from recsys.scoring.certified import Certified
from recsys.scoring.convex import Convex
from recsys.scoring.last_hop import Brought, spoken
from tests.contract.parts import (
    BEHAVIOURS,
    ITEMS,
    MEMORIES,
    default_output,
    histories,
    pairs,
    part,
    recommender,
)
from tests.symbols import unchecked
from tests.tiny_data import prepare_frame, rows

HISTORY = 9  # more than there are slots
CATALOGUE = np.arange(1, ITEMS + 1)
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
APART = {"key_value", "ntm"}  # a log and a memory that rewrites


class Exported(NamedTuple):
    model: MemoryRecommender
    folder: Path
    bundle: runtime.Bundle


def tried():
    """Pairs, and whether the graphs of their last hop are exported, too."""
    for memory, output in pairs():
        usual = output == default_output(memory)
        marks = () if usual else pytest.mark.slow
        whole = memory in APART or not usual
        yield pytest.param((memory, output, whole), marks=marks, id=f"{memory}-{output}")
        if usual and output == "candidate_read" and not whole:
            yield pytest.param((memory, output, True), marks=pytest.mark.slow, id=f"{memory}-whole")


def tried_with_fewer_bits():
    """Every memory; all but one with the slow tests, as each is exported once more for it."""
    for memory in MEMORIES:
        marks = () if memory == "gru" else pytest.mark.slow
        whole = bool(marks)  # the one is exported already, and has no hop to take apart
        yield pytest.param((memory, default_output(memory), whole), marks=marks, id=memory)


fewer_bits = pytest.mark.parametrize("exported", [*tried_with_fewer_bits()], indirect=True)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Eleven items, two behaviours, users with 3 to 9 events."""
    draw = np.random.default_rng(0)
    lengths = draw.integers(3, HISTORY + 1, 40)
    table = [
        (user, int(item), 60 * place)
        for user, length in enumerate(lengths)
        for place, item in enumerate(draw.integers(1, ITEMS + 1, length))
    ]
    kinds = draw.choice(["buy", "view"], len(table)).tolist()
    made = prepare_frame(rows(*table, behaviours=kinds), tmp_path_factory.mktemp("data") / "out")
    assert (made.items, len(made.behaviours)) == (ITEMS, BEHAVIOURS)
    return made


@pytest.fixture(scope="module", params=tried())
def exported(request, prepared, tmp_path_factory):
    memory, output, whole = request.param
    model = recommender(f"memory={memory}", f"output={output}")
    folder = tmp_path_factory.mktemp("bundle")
    facts = {"name": "contract"}
    with unchecked(), pytest.MonkeyPatch.context() as patch:
        if not whole:
            patch.setattr("recsys.bundle.tracing.certifiable", lambda _: False)
        assemble_bundle(model, folder, prepared=prepared, history=HISTORY, facts=facts)
    graphs = (*runtime.GRAPHS, *runtime.APART)
    return Exported(model, folder, runtime.load(folder, graphs=graphs, device="cpu"))


def arrays(events):
    return runtime.Events(*(field.numpy() for field in events[:3]))


def written(model, events):
    with torch.no_grad():
        return model.write(model.memory.initial_state(len(events.item)), events)


def assert_same(state, expected):
    assert list(state) == list(expected._fields)
    for name, field in expected._asdict().items():
        torch.testing.assert_close(torch.from_numpy(state[name]), field, **CLOSE)


@pytest.mark.parametrize("users", [1, 4])
@pytest.mark.parametrize("events", [1, HISTORY])
@pytest.mark.parametrize("candidates", [1, ITEMS])
def test_states_and_scores_equal_pytorch_at_sizes_never_traced(exported, users, events, candidates):
    model, _, bundle = exported
    past = histories(users=users, events=events)
    state, expected = bundle.encode(arrays(past)), written(model, past)
    assert_same(state, expected)
    draw = torch.Generator().manual_seed(0)
    own = torch.randint(1, ITEMS + 1, (users, candidates), generator=draw)
    found = bundle.score(state, candidates=own.numpy())
    with torch.no_grad():
        view = model.look(expected)
        np.testing.assert_allclose(found.scores, model.own_scores(view, own), **CLOSE)
        if model.explains:
            np.testing.assert_allclose(found.weights, model.effect(view, own).weights, **CLOSE)
    assert (found.weights is None) == (not model.explains)


def test_every_context_hop_tells_what_it_read_and_every_slot_its_event(exported):
    model, _, bundle = exported
    past = histories(users=4, events=HISTORY)
    found = bundle.score(bundle.encode(arrays(past)), candidates=np.ones((4, 2), int))
    with torch.no_grad():
        view = model.look(written(model, past))
    assert (found.hop_weights is None) == (view.hops.shape[1] == 0)
    assert (found.slot_item is None) == (found.hop_weights is None and not model.explains)
    if found.hop_weights is not None:
        np.testing.assert_allclose(found.hop_weights, view.hops[:, :, 0], **CLOSE)
        assert (found.hop_weights.sum(axis=2) <= 1 + 1e-5).all()
        assert (found.hop_weights[:3].sum(axis=2) > 0).all()
        assert (found.hop_weights.swapaxes(0, 1)[:, found.slot_age < 0] == 0).all()
    if found.slot_item is not None:
        from_events = found.slot_item > 0
        later = isinstance(model.memory, KeyNext)  # the event after the slot's item fills it
        assert (found.slot_age[from_events] >= 0).all()
        assert from_events.any() or not model.memory.remembers
        for user, slot in zip(*from_events.nonzero(), strict=True):
            newest_first = past.item[user][past.present[user]].flip(0)
            age = found.slot_age[user, slot]
            assert newest_first[age + later] == found.slot_item[user, slot]


def test_writing_event_by_event_equals_encoding_at_once_and_pytorch(exported):
    model, _, bundle = exported
    past = histories(users=4, events=HISTORY)
    state = bundle.encode(arrays(part(past, slice(0, 1))))
    for place in range(1, HISTORY):
        event = runtime.Events(*(field[:, place].numpy() for field in past[:3]))
        state = bundle.write(state, event=event)
    everybody = np.repeat(CATALOGUE[None], 4, axis=0)
    stepwise = bundle.score(state, candidates=everybody).scores
    once = bundle.score(bundle.encode(arrays(past)), candidates=everybody).scores
    with torch.no_grad():
        expected = model(past, torch.from_numpy(CATALOGUE)).numpy()
    np.testing.assert_allclose(stepwise, once, **CLOSE)
    np.testing.assert_allclose(stepwise, expected, **CLOSE)


def best(scores, *, candidates, excluded, k):
    """The k best (item, score) of one user, filled up with item 0."""
    left = [(-scores[item], item) for item in candidates if item not in excluded]
    ranked = [(item, -score) for score, item in sorted(left)[:k]]
    return ranked + [(0, None)] * (k - len(ranked))


@pytest.mark.parametrize("users", [1, 4])
@pytest.mark.parametrize("candidates", [CATALOGUE[6:7], CATALOGUE[2:7], CATALOGUE])
@pytest.mark.parametrize("k", [1, None])
@pytest.mark.parametrize("exclusions", [1, 6])
def test_lists_equal_pytorch_at_sizes_never_traced(exported, users, candidates, k, exclusions):
    model, _, bundle = exported
    past, k = histories(users=users), k or len(candidates)
    excluded = np.random.default_rng(1).integers(0, ITEMS + 1, (users, exclusions))
    state = bundle.encode(arrays(past))
    found = bundle.recommend(state, candidates=candidates, excluded=excluded, k=k)
    with torch.no_grad():
        scores = model(past, torch.arange(ITEMS + 1)).numpy()
    for user in range(users):
        hidden = set(excluded[user].tolist())
        wanted = best(scores[user], candidates=candidates.tolist(), excluded=hidden, k=k)
        assert found.items[user].tolist() == [item for item, _ in wanted]
        there = [score for item, score in wanted if item]
        np.testing.assert_allclose(found.scores[user, : len(there)], there, **CLOSE)


def test_the_last_hop_taken_apart_gives_the_scores_and_the_best(exported):
    model, _, bundle = exported
    if not bundle.certifies:
        pytest.skip("its last hop was not taken apart")
    past, k = histories(users=4), 3
    state, excluded = bundle.encode(arrays(past)), np.array([[4], [0], [11], [1]])
    looked, brought = bundle.look(state), Brought(bundle, items=CATALOGUE)
    slots, certified, convex = spoken(looked), Certified(brought), Convex(brought)
    with torch.no_grad():
        wanted = model(past, torch.from_numpy(CATALOGUE)).numpy()
    *_, bound = certified.bounds(slots)
    assert (bound >= wanted).all()
    assert (convex.bounds(slots) >= wanted).all()
    every = np.repeat(CATALOGUE[None], 4, axis=0)
    np.testing.assert_allclose(brought.read(slots, every - 1), wanted, **CLOSE)
    whole = bundle.recommend(state, candidates=CATALOGUE, excluded=excluded, k=k)
    for way in (certified, convex):
        found = way.contenders(slots, excluded=excluded, k=k)
        lists = bundle.choose(looked, candidates=found.items, k=k)
        assert lists.items.tolist() == whole.items.tolist()
        np.testing.assert_allclose(lists.scores, whole.scores, **CLOSE)
        if model.explains:
            assert lists.because_items.tolist() == whole.because_items.tolist()
            np.testing.assert_allclose(lists.because_weights, whole.because_weights, **CLOSE)


def test_a_list_longer_than_what_is_left_ends_with_nothing(exported):
    past = histories(users=3)
    excluded = np.array([CATALOGUE[2:], CATALOGUE[:9], CATALOGUE[1:10]])
    state = exported.bundle.encode(arrays(past))
    found = exported.bundle.recommend(state, candidates=CATALOGUE, excluded=excluded, k=5)
    assert [sorted(row) for row in found.items[:, :2].tolist()] == [[1, 2], [10, 11], [1, 11]]
    assert (found.items[:, 2:] == 0).all()
    if exported.model.explains:
        assert (found.because_items[:, 2:] == 0).all()
        assert (found.because_weights[:, 2:] == 0).all()


def test_reasons_are_the_users_events_of_the_greatest_effect(exported):
    model, _, bundle = exported
    if not model.explains:
        pytest.skip("it does not explain")
    past = histories(users=4, absent=0.1)
    found = bundle.recommend(
        bundle.encode(arrays(past)), candidates=CATALOGUE, excluded=np.zeros((4, 1), int), k=ITEMS
    )
    with torch.no_grad():
        view = model.look(written(model, past))
        effect = model.effect(view, torch.from_numpy(found.items)).effect
    for user, place in np.ndindex(4, ITEMS):
        slots = effect[user, place].topk(min(REASONS, effect.shape[-1]))
        told = zip(view.slots.item[user, slots.indices].tolist(), slots.values, strict=True)
        floor = FAINT * slots.values[0]
        wanted = {}
        for item, value in told:
            if value > 0 and value >= floor:
                wanted.setdefault(item, float(value))
        why, much = found.because_items[user, place], found.because_weights[user, place]
        assert why[why > 0].tolist() == list(wanted)
        np.testing.assert_allclose(much[why > 0], list(wanted.values()), **CLOSE)
        assert set(why[why > 0]) <= set(past.item[user].tolist())
    assert (found.because_items[:3] > 0).any(axis=(1, 2)).all()
    assert (found.because_items[3] == 0).all()  # the user without events


def test_an_item_had_more_than_once_is_one_reason(exported):
    model, _, bundle = exported
    if not model.explains:
        pytest.skip("it does not explain")
    same = np.full((2, 5), 4)
    events = runtime.Events(same, 60 * np.arange(10).reshape(2, 5), np.zeros_like(same))
    found = bundle.recommend(
        bundle.encode(events), candidates=CATALOGUE, excluded=np.zeros((2, 1), int), k=ITEMS
    )
    assert ((found.because_items > 0).sum(axis=2) <= 1).all()
    assert (found.because_items == 4).any()


def test_the_manifest_names_the_tensors_as_the_files_do(exported):
    model, folder, bundle = exported
    state = state_names(model.memory)
    assert list(bundle.state) == state
    for name, graph in bundle.manifest["graphs"].items():
        stored = onnx.load(folder / graph["file"]).graph
        assert [value.name for value in stored.input] == graph["inputs"]
        assert [value.name for value in stored.output] == graph["outputs"]
        assert fingerprint(folder / graph["file"]) == graph["sha256"]
        asked = graph["inputs"][: len(state)] == state
        assert asked == (name not in ("encode", "ask", "choose"))
    written = bundle.manifest["graphs"]["write"]["outputs"]
    assert written == [f"next_{name}" for name in state]


def test_the_manifest_tells_what_every_tensor_means(exported):
    model, _, bundle = exported
    manifest = bundle.manifest
    empty = model.memory.initial_state(1)
    for entry in manifest["state"]:
        field = getattr(empty, entry["name"])
        assert entry["type"] == str(field.dtype).removeprefix("torch.")
        assert len(entry["axes"]) == field.dim()
        assert entry["axes"][0] == "user"
        assert entry["meaning"]
    state = {entry["name"] for entry in manifest["state"]}
    state |= {f"next_{name}" for name in state}
    used = {
        name for graph in manifest["graphs"].values() for name in graph["inputs"] + graph["outputs"]
    }
    assert set(manifest["tensors"]) == used - state
    assert manifest["explains"] == ("because_items" in used)


@fewer_bits
def test_float16_answers_nearly_the_same(exported, prepared, tmp_path):
    folder = copytree(exported.folder, tmp_path / "bundle")
    found = lower(folder, precision="float16", prepared=prepared, history=HISTORY)
    bundle = runtime.load(folder, graphs=(*runtime.GRAPHS, *runtime.APART), device="cpu")
    assert (bundle.manifest["precision"], found.seen_items) == ("float16", 0)
    assert bundle.manifest["fidelity"] == found._asdict()
    state = bundle.encode(arrays(histories(users=4)))
    for entry in bundle.manifest["state"]:
        assert state[entry["name"]].dtype == entry["type"]


@fewer_bits
def test_int8_answers_nearly_the_same_or_is_refused_with_its_losses(exported, prepared, tmp_path):
    folder = copytree(exported.folder, tmp_path / "bundle")
    before, refused = {file.name: fingerprint(file) for file in folder.iterdir()}, None
    try:
        found = lower(folder, precision="int8", prepared=prepared, history=HISTORY)
    except ArtifactError as error:
        refused = str(error)
    after = {file.name: fingerprint(file) for file in folder.iterdir()}
    if refused is None:
        found.check("int8")
        assert after.keys() == before.keys()
        assert after["recommend.onnx"] != before["recommend.onnx"]
    else:
        assert "precision=int8" in refused
        assert after == before


def test_a_second_export_of_the_same_process_is_as_right_as_the_first(tmp_path):
    # the exporter's own translation of a GRU was right once a process
    past = histories(users=4, events=HISTORY)
    for seed in (1, 2):
        model = recommender("memory=gru", seed=seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        with unchecked():
            encode = trace_all(graphs(model, items=ITEMS), folder, names=["encode"])["encode"]
        found = replayed(folder / encode["file"], encode["outputs"], events=arrays(past))
        assert_same(found, written(model, past))


def replayed(file, outputs, *, events):
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    feeds = {f"event_{name}": field for name, field in events._asdict().items()}
    return dict(zip(outputs, session.run(outputs, feeds), strict=True))
