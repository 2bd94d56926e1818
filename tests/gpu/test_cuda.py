"""What must not change when there is a GPU; run with ``pytest -m gpu``."""

import copy

import numpy as np
import pytest
import torch

from tests.contract.parts import ITEMS, histories, recommender

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


@pytest.mark.parametrize("memory", MEMORIES)
def test_onnx_runtime_on_cuda_lists_what_it_lists_on_the_cpu(memory, tmp_path):
    from recsys import runtime
    from recsys.bundle.tracing import graphs, trace

    model = recommender(f"memory={memory}")
    traced = graphs(model, items=ITEMS)
    answers = []
    for device in ("cpu", "cuda"):
        sessions = {}
        for name in ("encode", "recommend"):
            trace(traced[name], tmp_path / f"{name}.onnx")
            sessions[name] = runtime._session(tmp_path / f"{name}.onnx", device=device, threads=1)
        manifest = {
            "history": 5,
            "explains": model.explains,
            "catalogue": {"items": ITEMS},
            "state": [{"name": name} for name in model.memory.initial_state(1)._fields],
            "graphs": {name: {"outputs": traced[name].outputs} for name in sessions},
        }
        bundle = runtime.Bundle(manifest=manifest, catalogue=None, sessions=sessions, device=device)
        events = runtime.Events(*(field.numpy() for field in histories()[:3]))
        answers.append(
            bundle.recommend(
                bundle.encode(events),
                candidates=np.arange(1, ITEMS + 1),
                excluded=np.zeros((3, 1), dtype=np.int64),
                k=4,
            )
        )
    assert np.array_equal(answers[0].items, answers[1].items)
    np.testing.assert_allclose(answers[0].scores, answers[1].scores, rtol=1e-3, atol=1e-3)
