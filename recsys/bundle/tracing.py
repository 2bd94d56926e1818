"""From modules to ONNX files: which axes are dynamic, what the tensors are called."""

import logging
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim

from recsys.bundle.graphs import REASONS, Encode, Fields, Recommend, Score, Write
from recsys.model import MemoryRecommender

OPSET = 20
USER, EVENT, SLOT, CANDIDATE, EXCLUSION = "user", "event", "slot", "candidate", "exclusion"
EVENTS = ("event_item", "event_time", "event_behaviour")


class Graph(NamedTuple):
    """One traced graph: its tensor names in order."""

    file: str
    inputs: list[str]
    outputs: list[str]


def trace(model: MemoryRecommender, folder: Path, *, items: int) -> dict[str, Graph]:
    """Writes ``encode``, ``write``, ``score`` and ``recommend`` as ONNX into the folder."""
    model = model.eval().cpu()
    state = _example_state(model)
    names = list(state_names(model))
    reasons = ["because_items", "because_weights"] if model.explains else []
    weights = ["weights"] if model.explains else []
    event = tuple(column[:, 0] for column in _example_events())
    candidates = torch.arange(1, 4)
    return {
        "encode": _export(
            Encode(model), folder / "encode.onnx", (*_example_events(),), [*EVENTS], names
        ),
        "write": _export(
            Write(model),
            folder / "write.onnx",
            (state, *event),
            [*names, *EVENTS],
            [f"next_{name}" for name in names],
        ),
        "score": _export(
            Score(model),
            folder / "score.onnx",
            (state, torch.tensor([[1, 2, 3], [2, 3, 1]])),
            [*names, "candidates"],
            ["scores", *weights],
        ),
        "recommend": _export(
            Recommend(model, items=items),
            folder / "recommend.onnx",
            (state, candidates, torch.tensor([[1, 0], [0, 0]]), torch.tensor(2)),
            [*names, "candidates", "excluded", "k"],
            ["items", "scores", *reasons],
        ),
    }
