import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import hardware, runtime
from recsys.errors import ArtifactError, ConfigError
from recsys.runtime import Events, Recommendations
from tests.tiny_bundle import rewrite_manifest, world, write_bundle

ITEMS = 23


@pytest.fixture(scope="module")
def table():
    return world(ITEMS, seed=3)


@pytest.fixture(scope="module")
def bundle(table, tmp_path_factory):
    return runtime.load(write_bundle(tmp_path_factory.mktemp("runtime") / "bundle", table))


@pytest.fixture
def folder(tmp_path):
    return write_bundle(tmp_path / "bundle", world(5))


def events(*histories, behaviour=0):
    width = max(map(len, histories), default=0) or 1
    item = np.array([[*items, *[0] * (width - len(items))] for items in histories])
    return Events(item=item, time=item * 10, behaviour=np.where(item > 0, behaviour, 0))


def brute_force(table, *, last, candidates, excluded, k):
    """The definition: sort what is left by score, then by index."""
    left = [item for item in candidates if item not in excluded]
    best = sorted(left, key=lambda item: (-table[last, item], item))[:k]
    return best, [table[last, item] for item in best]


def test_encode_keeps_the_last_event_of_each_user(bundle):
    state = bundle.encode(events([3, 4], [5], [], behaviour=2))

    assert {name: values.tolist() for name, values in state.items()} == {
        "last_item": [4, 5, 0],
        "first_item": [3, 5, 0],
        "last_behaviour": [2, 2, 0],
    }


def test_more_events_than_the_memory_was_made_for_are_refused(bundle):
    with pytest.raises(AssertionError):
        bundle.encode(events([1] * (bundle.history + 1)))


@pytest.mark.parametrize("tile", [None, 4])
def test_a_held_state_is_answered_as_one_that_came_back(bundle, tile):
    past = events([3, 4, 5], [6], [])
    asked = {"candidates": np.arange(1, ITEMS + 1), "excluded": np.array([[3], [0], [1]]), "k": 9}

    held = bundle.hold(past)
    found = bundle.recommend(held, **asked, tile=tile)

    assert {name: value.numpy().tolist() for name, value in held.items()} == {
        name: value.tolist() for name, value in bundle.encode(past).items()
    }
    expected = bundle.recommend(bundle.encode(past), **asked, tile=tile)
    for field, wanted in zip(found, expected, strict=True):
        assert np.array_equal(field, wanted)


def test_a_held_state_outlives_what_it_was_made_from(bundle, table):
    held = [bundle.hold(events([item])) for item in range(1, ITEMS + 1)]  # buffers are used again
    asked = {"candidates": np.arange(1, ITEMS + 1), "excluded": np.zeros((1, 1), int), "k": 1}

    best = [bundle.recommend(state, **asked).scores[0, 0] for state in held]

    assert best == table[1:, 1:].max(axis=1).tolist()


def test_a_written_event_gives_the_state_of_the_longer_history(bundle):
    event = Events(*(column[:, 0] for column in events([7], [8])))

    written = bundle.write(bundle.encode(events([3, 4], [])), event=event)

    encoded = bundle.encode(events([3, 4, 7], [8]))
    assert {name: values.tolist() for name, values in written.items()} == {
        name: values.tolist() for name, values in encoded.items()
    }


def test_score_reads_the_given_candidates(bundle, table):
    state = bundle.encode(events([3], [4, 9]))

    scored = bundle.score(state, candidates=np.array([[5, 6], [7, 5]]))

    assert scored.scores.tolist() == [table[3, [5, 6]].tolist(), table[9, [7, 5]].tolist()]
    assert scored.weights.shape == (2, 2, 1)


@settings(deadline=None, max_examples=60)
@given(
    last=st.lists(st.integers(0, ITEMS), min_size=1, max_size=4),
    chosen=st.sets(st.integers(1, ITEMS), min_size=1),
    out=st.sets(st.integers(1, ITEMS), max_size=ITEMS),
    k=st.integers(1, ITEMS + 3),
    tile=st.integers(1, ITEMS + 3),
)
def test_tiles_give_the_lists_of_the_whole_catalogue(bundle, table, last, chosen, out, k, tile):
    candidates = np.array(sorted(chosen))
    excluded = np.array([[0, *out]] * len(last))
    state = bundle.encode(events(*([item] if item else [] for item in last)))

    whole = bundle.recommend(state, candidates=candidates, excluded=excluded, k=k)
    tiled = bundle.recommend(state, candidates=candidates, excluded=excluded, k=k, tile=tile)

    for row, item in enumerate(last):
        items, scores = brute_force(
            table, last=item, candidates=candidates.tolist(), excluded=out, k=k
        )
        for lists in (whole, tiled):
            empty = lists.items.shape[1] - len(items)
            assert lists.items[row].tolist() == items + [0] * empty
            assert lists.scores[row, : len(items)].tolist() == scores


@given(tile=st.integers(1, ITEMS))
@settings(deadline=None, max_examples=20)
def test_reasons_stay_with_their_items_through_tiles(bundle, tile):
    state = bundle.encode(events([3, 4, 5], [6]))
    asked = {"candidates": np.arange(1, ITEMS + 1), "excluded": np.zeros((2, 1), int), "k": 9}

    tiled = bundle.recommend(state, **asked, tile=tile)

    assert np.array_equal(tiled.because_items[:, :, 0], [[5] * 9, [6] * 9])
    assert np.array_equal(tiled.because_items[:, :, 1], [[3] * 9, [0] * 9])
    assert np.array_equal(tiled.because_weights[:, :, 0], tiled.scores)


def test_a_memory_that_cannot_explain_gives_no_reasons(tmp_path):
    folder = write_bundle(tmp_path / "bundle", world(5), explains=False)
    bundle = runtime.load(folder)
    state = bundle.encode(events([1]))

    lists = bundle.recommend(
        state, candidates=np.array([1, 2]), excluded=np.array([[1]]), k=2, tile=1
    )

    assert lists.items.tolist() == [[2, 0]]
    assert (lists.because_items, lists.because_weights) == (None, None)
    assert bundle.score(state, candidates=np.array([[1]])).weights is None


def test_merged_lists_keep_a_candidate_however_low_its_score(bundle):
    def lists(items, scores):
        return Recommendations(np.array([items]), np.array([scores], np.float32), None, None)

    merged = runtime.merge(lists([0, 0], [9, 9]), lists([4, 5], [-np.inf, -np.inf]), k=2)

    assert merged.items.tolist() == [[4, 5]]


def test_a_folder_without_manifest_is_no_bundle(tmp_path):
    with pytest.raises(ArtifactError, match="is no bundle, it has no manifest"):
        runtime.load(tmp_path)


def test_a_damaged_manifest_is_named(folder):
    (folder / "manifest.json").write_text('{"format": 1')

    with pytest.raises(ArtifactError, match=r"manifest\.json' is damaged"):
        runtime.load(folder)


@pytest.mark.parametrize("version", [2, None, "1"])
def test_a_bundle_of_another_version_is_refused(folder, version):
    rewrite_manifest(folder, format=version)

    with pytest.raises(ArtifactError, match=f"format {version}, but this recsys reads format 1"):
        runtime.load(folder)


def test_a_manifest_that_lacks_an_entry_names_it(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["history"], manifest["graphs"]["write"]
    (folder / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(ArtifactError, match="lacks history, graph 'write'"):
        runtime.load(folder)


@pytest.mark.parametrize("name", ["encode.onnx", "score.onnx", "catalogue.parquet"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()

    with pytest.raises(ArtifactError, match=f"{name}' is missing from the bundle"):
        runtime.load(folder)


@pytest.mark.parametrize("name", ["recommend.onnx", "write.onnx", "catalogue.parquet"])
def test_one_changed_byte_is_found(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)

    with pytest.raises(ArtifactError, match=f"{name}' is damaged"):
        runtime.load(folder)


def test_a_graph_that_cannot_run_is_one_line(folder):
    (folder / "encode.onnx").write_bytes(b"no graph")
    graphs = json.loads((folder / "manifest.json").read_text())["graphs"]
    graphs["encode"]["sha256"] = hashlib.sha256(b"no graph").hexdigest()
    rewrite_manifest(folder, graphs=graphs)

    with pytest.raises(ArtifactError, match=r"^[^\n]*encode.onnx' cannot be run[^\n]*$"):
        runtime.load(folder)


def test_an_unknown_device_is_refused(folder):
    with pytest.raises(ConfigError, match="device is auto, cpu or cuda, but is 'gpu'"):
        runtime.load(folder, device="gpu")


@pytest.mark.skipif(bool(hardware.cuda_devices()), reason="a CUDA device answers here")
def test_a_device_without_its_libraries_is_told_and_replaced_by_the_cpu(
    folder, monkeypatch, caplog
):
    monkeypatch.setattr(runtime, "cuda_devices", lambda: 1)
    monkeypatch.setattr(
        runtime.onnxruntime, "get_available_providers", lambda: [runtime.CUDA, runtime.CPU]
    )
    with caplog.at_level("WARNING"):
        assert runtime.load(folder, device="auto").device == "cpu"
    assert "ONNX Runtime lacks its libraries: using the CPU" in caplog.text
    with pytest.raises(ConfigError, match="lacks CUDA libraries: install"):
        runtime.load(folder, device="cuda")


@pytest.mark.skipif(bool(hardware.cuda_devices()), reason="a CUDA device answers here")
def test_without_a_device_auto_takes_the_cpu_and_cuda_is_refused(folder):
    assert runtime.load(folder, device="auto").device == "cpu"
    with pytest.raises(ConfigError, match="no CUDA device answers"):
        runtime.load(folder, device="cuda")


@pytest.mark.parametrize("module", ["recsys.runtime", "recsys.score"])
def test_neither_runtime_nor_score_imports_what_only_training_needs(module):
    heavy = {"torch", "lightning", "mlflow", "torchmetrics", "onnx", "pandas"}
    code = f"import {module}, sys; print(*{heavy} & set(sys.modules))"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.split() == []
