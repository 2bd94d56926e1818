"""What must not change when there is a GPU; run with ``pytest -m gpu``."""

import copy
import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import torch

from recsys import runtime
from recsys.bundle.assembly import assemble_bundle
from recsys.run import assemble
from tests.conftest import ROOT
from tests.contract.parts import ITEMS, histories, recommender
from tests.symbols import unchecked
from tests.tiny_training import config, data_set

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
MEMORIES = ["key_value", "gru"]


def moved(events):
    return type(events)(*(field.cuda() for field in events))


@pytest.mark.parametrize("memory", MEMORIES)
def test_scores_on_cuda_equal_those_on_the_cpu(memory):
    model = recommender(f"memory={memory}")
    events, catalogue = histories(), torch.arange(ITEMS + 1)
    expected = model(events, catalogue)
    scores = copy.deepcopy(model).cuda()(moved(events), catalogue.cuda())
    torch.testing.assert_close(scores.cpu(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("memory", MEMORIES)
def test_gradients_on_cuda_equal_those_on_the_cpu(memory):
    model = recommender(f"memory={memory}")
    other = copy.deepcopy(model).cuda()
    catalogue = torch.arange(ITEMS + 1)
    model.scores(model.along(histories()), catalogue).square().mean().backward()
    other.scores(other.along(moved(histories())), catalogue.cuda()).square().mean().backward()
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        if one.grad is not None:
            torch.testing.assert_close(two.grad.cpu(), one.grad, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("memory", MEMORIES)
def test_bfloat16_training_on_cuda_stays_finite(memory):
    model = recommender(f"memory={memory}").cuda()
    with torch.autocast("cuda", dtype=torch.bfloat16):
        view = model.along(moved(histories()))
        loss = model.scores(view, torch.arange(ITEMS + 1).cuda()).float().square().mean()
    loss.backward()
    assert loss.isfinite()
    assert all(one.grad.isfinite().all() for one in model.parameters() if one.grad is not None)


@pytest.fixture(scope="module", params=MEMORIES)
def folder(request, tmp_path_factory):
    """A bundle of a memory, large enough for several tiles."""
    data = data_set(tmp_path_factory.mktemp("cuda") / "data")
    cfg = config(data.folder, "none", f"memory={request.param}")
    out = tmp_path_factory.mktemp("bundle")
    model = assemble(cfg, prepared=data).eval()
    with unchecked():
        assemble_bundle(model, out, prepared=data, history=cfg.slots, facts={"name": "cuda"})
    return out


def lists(folder, *, device, held, tile=None):
    bundle = runtime.load(folder, graphs=(*runtime.GRAPHS, *runtime.APART), device=device)
    assert bundle.device == device
    draw = np.random.default_rng(0)
    item = draw.integers(1, 41, (9, 6))
    events = runtime.Events(item, np.arange(54).reshape(9, 6), np.zeros_like(item))
    state = bundle.hold(events) if held else bundle.encode(events)
    return bundle.recommend(
        state, candidates=np.arange(1, 41), excluded=item[:, :2], k=10, tile=tile
    )


@pytest.mark.parametrize("tile", [None, 7])
@pytest.mark.parametrize("held", [False, True])
def test_lists_on_cuda_are_those_of_the_cpu(folder, held, tile):
    expected = lists(folder, device="cpu", held=False)
    found = lists(folder, device="cuda", held=held, tile=tile)
    assert np.array_equal(found.items, expected.items)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-4)


def test_a_held_state_is_on_the_device(folder):
    bundle = runtime.load(folder, graphs=("encode",), device="cuda")
    item = np.ones((2, 3), dtype=np.int64)
    state = bundle.hold(runtime.Events(item, item, item * 0))
    assert {value.device_name() for value in state.values()} == {"cuda"}


def test_a_job_on_cuda_has_the_lists_of_a_job_on_the_cpu(folder, tmp_path):
    draw = np.random.default_rng(1)
    ids = pl.read_parquet(folder / "catalogue.parquet")["item_id"]
    pl.DataFrame(
        {
            "user_id": draw.integers(0, 300, 2000),
            "item_id": ids.gather(draw.integers(0, len(ids), 2000)),
            "timestamp": np.arange(2000),
        }
    ).write_parquet(tmp_path / "histories.parquet")
    jobs = {}
    for device in ("cpu", "cuda"):
        words = [f"{tmp_path}/histories.parquet", f"out={tmp_path}/{device}", f"device={device}"]
        command = [
            sys.executable,
            "-m",
            "recsys.score",
            f"bundle={folder}",
            f"histories={words[0]}",
        ]
        subprocess.run([*command, *words[1:]], check=True, cwd=ROOT)
        jobs[device] = pl.read_parquet(tmp_path / device / "part-*.parquet")
        told = json.loads((tmp_path / device / "summary.json").read_text())
        assert told["options"]["device"] == device
    keys = ["user_id", "rank", "item_id"]
    assert jobs["cuda"].select(keys).equals(jobs["cpu"].select(keys))
