"""A bundle as a Triton repository, its configurations read by Triton's own message classes."""

import importlib.metadata
import importlib.util
import json
import shutil

import numpy as np
import pytest
from google.protobuf import text_format
from hydra import compose, initialize_config_dir

from recsys import runtime
from recsys.bundle.triton import TYPES, config, publish_repository
from recsys.config import CONF
from recsys.errors import ArtifactError, ConfigError
from recsys.export import main
from tests.tiny_bundle import world, write_bundle

ITEMS = 7


def schema():
    """The generated module of Triton's model_config.proto; its package wants gRPC, it does not."""
    files = importlib.metadata.files("tritonclient")
    found = next(file.locate() for file in files if file.name == "model_config_pb2.py")
    spec = importlib.util.spec_from_file_location("model_config_pb2", found)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCHEMA = schema()
KINDS = {"TYPE_INT64": np.int64, "TYPE_FP32": np.float32}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("triton") / "bundle", world(ITEMS), apart=True)


@pytest.fixture(scope="module")
def repository(bundle):
    out = bundle.parent / "repository"
    publish_repository(bundle, out, overwrite=False, version=3, batch=16)
    return out


def read(repository, name):
    text = (repository / name / "config.pbtxt").read_text()
    return text_format.Parse(text, SCHEMA.ModelConfig())


def test_every_graph_is_a_model_with_a_version(repository):
    models = {folder.name for folder in repository.iterdir() if folder.is_dir()}
    assert models == {*runtime.GRAPHS, *runtime.APART}
    for name in models:
        assert read(repository, name).name == name
        assert read(repository, name).platform == "onnxruntime_onnx"
        files = {
            str(file.relative_to(repository / name))
            for file in repository.rglob("*.*")
            if file.is_relative_to(repository / name)
        }
        assert files == {"config.pbtxt", "3/model.onnx"}


def test_users_are_put_together_where_nothing_is_shared_between_them(repository):
    size = {name: read(repository, name).max_batch_size for name in runtime.GRAPHS}
    assert size == {"encode": 16, "write": 16, "score": 16, "recommend": 0}
    for name in runtime.GRAPHS:
        assert read(repository, name).HasField("dynamic_batching") == (size[name] > 0)
        assert read(repository, name).dynamic_batching.max_queue_delay_microseconds == 0


@pytest.mark.parametrize("name", [*runtime.GRAPHS, *runtime.APART])
def test_tensors_have_the_names_types_and_axes_of_the_graph(repository, bundle, name):
    told = read(repository, name)
    graph = runtime.load(bundle, graphs=[name], device="cpu").signature(name)
    for ours, theirs in zip((told.input, told.output), graph, strict=True):
        assert [tensor.name for tensor in ours] == [tensor.name for tensor in theirs]
        for tensor, stored in zip(ours, theirs, strict=True):
            axes = list(tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims)
            users = 1 if told.max_batch_size else 0
            assert len(axes) + users == len(stored.shape)
            assert SCHEMA.DataType.Name(tensor.data_type) == TYPES[stored.type]
            assert len(tensor.dims) > 0  # Triton refuses a tensor without axes


def asked(told, *, users, sizes):
    """Arrays of ones as a client sends them, reshaped as Triton reshapes them for the graph."""
    feeds = {}
    for tensor in told.input:
        axes = tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims
        shape = [next(sizes) if size < 0 else size for size in axes]
        shape = [users, *shape] if told.max_batch_size else shape
        feeds[tensor.name] = np.ones(shape, KINDS[SCHEMA.DataType.Name(tensor.data_type)])
    return feeds


@pytest.mark.parametrize("name", ["encode", "write", "score"])
def test_the_graph_answers_requests_of_the_configured_shapes(repository, name):
    told = read(repository, name)
    feeds = asked(told, users=2, sizes=iter([4] * 9))
    found = runtime.load(repository, device="cpu").run(name, feeds)
    for tensor in told.output:
        axes = tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims
        shape = found[tensor.name].shape
        assert shape[0] == 2
        assert len(shape) == 1 + len(axes)
        fixed = [(size, axis) for size, axis in zip(shape[1:], axes, strict=True) if axis >= 0]
        assert all(size == axis for size, axis in fixed)


def test_a_scalar_travels_as_one_number(repository):
    k = next(tensor for tensor in read(repository, "recommend").input if tensor.name == "k")
    assert (list(k.dims), k.HasField("reshape"), list(k.reshape.shape)) == ([1], True, [])


def test_a_size_that_the_graph_fixes_is_told():
    class Fixed:
        name, type, shape = "hidden", "tensor(float)", ["user", 32, None]

    told = text_format.Parse(config("write", [Fixed], [Fixed], batch=8), SCHEMA.ModelConfig())
    assert list(told.input[0].dims) == list(told.output[0].dims) == [32, -1]
    assert told.parameters["intra_op_thread_count"].string_value == "1"


def test_the_repository_is_a_bundle_still(repository, bundle):
    ours, theirs = (runtime.load(folder, device="cpu") for folder in (repository, bundle))
    events = runtime.Events(*(np.array([[2, 3]]) for _ in range(3)))
    asks = {"candidates": np.arange(1, ITEMS + 1), "excluded": np.array([[2]]), "k": 4}
    lists = [bundle.recommend(bundle.encode(events), **asks) for bundle in (ours, theirs)]
    assert lists[0].items.tolist() == lists[1].items.tolist()
    assert ours.catalogue.equals(theirs.catalogue)
    old, new = (json.loads((where / "manifest.json").read_text()) for where in (bundle, repository))
    assert old["graphs"]["write"].pop("file") == "write.onnx"
    assert new["graphs"]["write"].pop("file") == "write/3/model.onnx"
    assert old["graphs"]["write"] == new["graphs"]["write"]


def export(*words):
    with initialize_config_dir(CONF, version_base=None):
        main.__wrapped__(compose("export", list(words)))


def test_the_stage_makes_a_repository_of_a_bundle(bundle, tmp_path, capsys):
    export("target=triton", f"bundle='{bundle}'", f"out='{tmp_path}/out'", "triton.batch=4")
    assert read(tmp_path / "out", "encode").max_batch_size == 4
    assert "Triton repository" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["target=triton", "run=R"], "target=triton is made of a bundle: give bundle=FOLDER"),
        (["bundle=B"], "target=bundle is made of a run: give run=FOLDER"),
        (["target=torch"], "target is bundle or triton, but is 'torch'"),
    ],
)
def test_what_is_missing_is_said(tmp_path, words, said):
    with pytest.raises(ConfigError, match=said):
        export(*words, f"out='{tmp_path}/out'")


def test_a_damaged_bundle_becomes_no_repository(bundle, tmp_path):
    spoilt = shutil.copytree(bundle, tmp_path / "bundle")
    (spoilt / "score.onnx").write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match="is damaged"):
        publish_repository(spoilt, tmp_path / "out", overwrite=False, version=1, batch=4)
    assert not (tmp_path / "out").exists()
