"""A run becomes a bundle, or nothing is published."""

import json
import shutil

import numpy as np
import onnx
import pytest
from hydra import compose, initialize_config_dir

from recsys import runtime
from recsys.bundle import assembly, fidelity
from recsys.config import CONF
from recsys.errors import ArtifactError, ConfigError
from recsys.export import main
from recsys.folder import fingerprint
from tests.symbols import unchecked
from tests.tiny_training import data_set, train

FILES = {"encode.onnx", "write.onnx", "score.onnx", "recommend.onnx"}


def export(run, out, *words):
    with initialize_config_dir(CONF, version_base=None):
        cfg = compose("export", [f"run='{run}'", f"out='{out}'", *words])
    with unchecked():
        main.__wrapped__(cfg)
    return out


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A training of one epoch."""
    folder = tmp_path_factory.mktemp("export")
    data = data_set(folder / "data").folder
    return train(data, folder / "run", "memory=gru", "trainer.max_epochs=1")


@pytest.fixture(scope="module")
def bundle(run):
    return export(run, run.parent / "bundle")


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_the_folder_is_complete_and_verifies(bundle):
    assert {file.name for file in bundle.iterdir()} == FILES | {
        "catalogue.parquet",
        "manifest.json",
    }
    entries = [*manifest(bundle)["graphs"].values(), manifest(bundle)["catalogue"]]
    assert all(fingerprint(bundle / entry["file"]) == entry["sha256"] for entry in entries)
    assert runtime.load(bundle, device="cpu").items == 40


def test_the_manifest_tells_where_it_comes_from_and_how_equal_it_is(bundle, run):
    told = manifest(bundle)
    assert told["name"] == "run"
    assert told["history"] == 6
    assert told["metrics"] == json.loads((run / "metrics.json").read_text())
    assert told["metrics"]["systems"]["model"]
    assert told["training"] == manifest(run)
    assert told["training_data"] == manifest(run)["data_checksum"]
    assert told["ids"] == {"user_id": "Int64", "item_id": "Int64"}
    assert told["parity"]["users"] == 39
    assert 0 <= told["parity"]["score_error"] < 1e-4
    assert told["parity"]["list_overlap"] == 1
    assert told["parity"]["seen_items"] == 0


def test_the_same_weights_have_the_same_hash_and_others_another(run, bundle):
    from recsys.run import load_model

    model = load_model(run).model
    assert assembly.model_hash(model) == manifest(bundle)["model_hash"]
    model.response.bias.weight.data[3] += 1e-3
    assert assembly.model_hash(model) != manifest(bundle)["model_hash"]


def copied(bundle, folder):
    """What tracing would have written, from a bundle that is right."""
    for name in FILES:
        shutil.copy(bundle / name, folder)
    return manifest(bundle)["graphs"]


def other_weights(model):
    """One item has other answers."""
    table = next(part for part in model.graph.initializer if "response.answer" in part.name)
    values = onnx.numpy_helper.to_array(table).copy()
    values[7] += 0.5
    table.CopyFrom(onnx.numpy_helper.from_array(values, name=table.name))


def zeroed(model, name):
    """An input is asked for but counts as zeros."""
    for node in model.graph.node:
        for place, given in enumerate(node.input):
            if given == name:
                node.input[place] = "nothing"
    model.graph.node.insert(0, onnx.helper.make_node("Sub", [name, name], ["nothing"]))


def no_events(model):
    zeroed(model, "event_item")


def nothing_excluded(model):
    zeroed(model, "excluded")


FAULTS = [
    ("recommend", other_weights, r"score_error=\d"),
    ("score", other_weights, r"score_error=\d"),
    ("encode", no_events, r"score_error=\d"),
    ("recommend", nothing_excluded, r"seen_items=[1-9]"),
    ("write", no_events, r"write_error=\d"),
]


@pytest.mark.parametrize(
    ("graph", "spoil", "said"), FAULTS, ids=lambda part: getattr(part, "__name__", part)
)
def test_a_graph_that_answers_otherwise_is_not_published(
    run, bundle, tmp_path, monkeypatch, graph, spoil, said
):
    def traced(_, folder, *, names):
        graphs = copied(bundle, folder)
        model = onnx.load(folder / f"{graph}.onnx")
        spoil(model)
        onnx.save(model, folder / f"{graph}.onnx")
        return graphs

    monkeypatch.setattr(assembly, "trace_all", traced)
    with pytest.raises(ArtifactError, match=rf"PyTorch does \(.*{said}.*nothing was published"):
        export(run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_older_bundle_stays_where_the_new_one_is_refused(run, bundle, tmp_path, monkeypatch):
    old = shutil.copytree(bundle, tmp_path / "out")
    before = {file.name: fingerprint(file) for file in old.iterdir()}
    wrong = assembly.Parity(39, 0.5, 1.0, 0, 0.0, 0.0)
    monkeypatch.setattr(assembly, "compare", lambda *_, **__: wrong)
    monkeypatch.setattr(assembly, "trace_all", lambda _, folder, names: copied(bundle, folder))
    with pytest.raises(ArtifactError, match=r"score_error=0\.5"):
        export(run, old, "overwrite=true")
    assert {file.name: fingerprint(file) for file in old.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.fixture
def traced(bundle, monkeypatch):
    """Graphs are taken from the bundle, which is quicker than to trace them again."""
    monkeypatch.setattr(assembly, "trace_all", lambda _, folder, names: copied(bundle, folder))


@pytest.mark.usefixtures("traced")
def test_a_bundle_of_float16_says_what_it_costs_and_is_smaller(run, bundle, tmp_path):
    out = export(run, tmp_path / "half", "precision=float16")
    told, whole = manifest(out), manifest(bundle)
    assert {file.name for file in out.iterdir()} == {file.name for file in bundle.iterdir()}
    assert (whole["precision"], told["precision"]) == ("float32", "float16")
    assert told["model_hash"] == whole["model_hash"]
    assert told["fidelity"]["list_overlap"] >= 0.98
    assert abs(told["fidelity"]["ndcg_loss"]) <= 0.002
    assert 0 < told["fidelity"]["score_error"] < 0.02
    assert told["converted"]["recommend"]["changed"] > 0
    assert runtime.load(out, device="cpu").items == 40
    kinds = {part.data_type for part in onnx.load(out / "recommend.onnx").graph.initializer}
    assert onnx.TensorProto.FLOAT16 in kinds


@pytest.mark.usefixtures("traced")
def test_a_precision_that_loses_too_much_is_not_published(run, tmp_path, monkeypatch):
    strict = fidelity.Limits(score_error=1e-9, list_overlap=1.1, ndcg_loss=0.0)
    monkeypatch.setitem(fidelity.LIMITS, "float16", strict)
    said = r"precision=float16 does not answer as float32 .*score_error=.*list_overlap=[01]"
    with pytest.raises(ArtifactError, match=said):
        export(run, tmp_path / "half", "precision=float16")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_precision_is_refused_before_the_work(run, tmp_path):
    with pytest.raises(ConfigError, match="precision is one of float32, float16, int8, but is 'f"):
        export(run, tmp_path / "half", "precision=fp16")


def test_an_existing_folder_is_refused_before_the_work(run, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="exists: choose another folder or set overwrite=true"):
        export(run, tmp_path / "out")


def test_a_run_of_another_format_is_refused(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "run")
    told = json.dumps({**manifest(run), "format": 2})
    (other / "manifest.json").write_text(told)
    with pytest.raises(ArtifactError, match="has format 2, not 1: train it again"):
        export(other, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_bundle_recommends_as_the_trained_model(run, bundle):
    from recsys.data.batches import asked, question
    from recsys.run import load_model, open_data, open_run

    prepared, scorer = open_data(open_run(run)), load_model(run)
    asks = question(prepared, "test", users=asked(prepared, "test")[:7], history=scorer.history)
    loaded = runtime.load(bundle, device="cpu")
    state = loaded.encode(runtime.Events(*(field.numpy() for field in asks.events[:3])))
    nothing = np.zeros((7, 1), dtype=np.int64)
    found = loaded.recommend(state, candidates=np.arange(1, 41), excluded=nothing, k=40)
    expected = np.take_along_axis(scorer.scores(asks).numpy(), found.items, axis=1)
    np.testing.assert_allclose(found.scores, expected, rtol=1e-4, atol=1e-5)
    assert (np.diff(expected, axis=1) <= 1e-4).all()
