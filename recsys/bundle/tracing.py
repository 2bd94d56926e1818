"""From modules to ONNX files: which axes are dynamic, what the tensors are called."""

import gc
import logging
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.export import Dim

from recsys.bundle.graphs import (
    Ask,
    Choose,
    Encode,
    Fields,
    Look,
    Recommend,
    Score,
    Write,
    told_by_score,
)
from recsys.memory.contract import Memory
from recsys.model import MemoryRecommender
from recsys.output.candidate_read import Asking, CandidateRead, Spoken

OPSET = 20
_TALKATIVE = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")
EVENTS = ("event_item", "event_time", "event_behaviour")
_USER, _AXIS = {0: Dim.DYNAMIC}, {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}


class Graph(NamedTuple):
    """A module with everything needed to trace it."""

    module: nn.Module
    example: tuple[Any, ...]
    dynamic: tuple[Any, ...]
    inputs: list[str]
    outputs: list[str]


def graphs(model: MemoryRecommender, *, items: int) -> dict[str, Graph]:
    """The graphs of a bundle, with example inputs of at least two on every dynamic axis."""
    names, state = state_names(model.memory), _example_state(model)
    axes = tuple(_AXIS if name in model.memory.grows else _USER for name in names)
    events = _example_events()
    excluded = torch.tensor([[1, 0, 0, 0], [0, 0, 0, 0]])
    apart = _apart(model, state=state, dynamic=axes) if certifiable(model) else {}
    return apart | {
        "encode": Graph(Encode(model), events, (_AXIS,) * 3, [*EVENTS], [*names]),
        "write": Graph(
            module=Write(model),
            example=(state, *(field[:, 0] for field in events)),
            dynamic=(axes, *(_USER,) * 3),
            inputs=[*names, *EVENTS],
            outputs=[f"next_{name}" for name in names],
        ),
        "score": Graph(
            module=Score(model),
            example=(state, torch.tensor([[1, 2, 3], [2, 3, 1]])),
            dynamic=(axes, _AXIS),
            inputs=[*names, "candidates"],
            outputs=told_by_score(model, state),
        ),
        "recommend": Graph(
            module=Recommend(model, items=items),
            example=(state, torch.arange(1, 4), excluded, torch.tensor(2)),
            dynamic=(axes, _USER, _AXIS, {}),
            inputs=[*names, "candidates", "excluded", "k"],
            outputs=["items", "scores", *_reasons_of(model)],
        ),
    }


def certifiable(model: MemoryRecommender) -> bool:
    """Whether the last hop can be taken apart, so that bounds of its scores can be proved."""
    return type(model.output) is CandidateRead and model.output.address != "context"


def _apart(
    model: MemoryRecommender, *, state: Fields, dynamic: tuple[Any, ...]
) -> dict[str, Graph]:
    """The last hop before anybody asks, and what candidates bring to it."""
    output, candidates = cast(CandidateRead, model.output), torch.arange(1, 4)
    codes = [] if model.input.codes(candidates) is None else ["slot_codes"]
    asking = [f"slot_{name}" for name in Asking._fields]
    past = ["slot_item"] if model.explains else []
    looked = ["user_vector", *(f"slot_{name}" for name in Spoken._fields), *past]
    look = Look(model, output)
    with torch.no_grad():
        seen = tuple(field.contiguous() for field in look(state))
    return {
        "look": Graph(look, (state,), (dynamic,), inputs=state_names(model.memory), outputs=looked),
        "ask": Graph(
            module=Ask(model, output),
            example=(candidates,),
            dynamic=(_USER,),
            inputs=["candidates"],
            outputs=["user_answers", "biases", *asking, *codes],
        ),
        "choose": Graph(
            module=Choose(model, output),
            example=(seen, torch.tensor([[0, 1, 2], [1, 2, 3]]), torch.tensor(2)),
            dynamic=(_looked_axes(seen, grows=bool(model.memory.grows)), _AXIS, {}),
            inputs=[*looked, "candidates", "k"],
            outputs=["items", "scores", *_reasons_of(model)],
        ),
    }


def _looked_axes(looked: Fields, *, grows: bool) -> tuple[dict[int, Any], ...]:
    """Users in front; where slots are no fixed number, also those: behind the heads, if any."""
    slots = {field.dim(): {max(1, min(field.dim() - 1, 2)): Dim.DYNAMIC} for field in looked[1:]}
    return (_USER, *(_USER | (slots[field.dim()] if grows else {}) for field in looked[1:]))


def _reasons_of(model: MemoryRecommender) -> list[str]:
    """What lists of this model say why."""
    return ["because_items", "because_weights"] if model.explains else []


def trace(graph: Graph, file: Path) -> None:
    """Writes one graph as one ONNX file; tensor names in the file are those of the graph."""
    with torch.no_grad(), _quiet(), _uncollected():
        program = torch.onnx.export(
            graph.module.eval(),
            graph.example,
            input_names=graph.inputs,
            output_names=graph.outputs,
            dynamic_shapes=graph.dynamic,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.save(file)


def trace_all(
    traced: dict[str, Graph], folder: Path, *, names: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Writes these graphs into the folder and describes them as a manifest does."""
    described = {}
    for name in names:
        graph = traced[name]
        file = f"{name}.onnx"
        trace(graph, folder / file)
        described[name] = {"file": file, "inputs": graph.inputs, "outputs": graph.outputs}
    return described


def state_names(memory: Memory[Any]) -> list[str]:
    """The fields of the memory's state: what its tensors are called in every graph."""
    return list(memory.initial_state(1)._fields)


def _example_state(model: MemoryRecommender) -> Fields:
    item, time, behaviour = _example_events()
    encode = Encode(model.eval())
    with torch.no_grad():
        fields = encode(item, time, behaviour)
    return tuple(field.contiguous() for field in fields)  # strides would be traced as unknowns


def _example_events() -> tuple[Tensor, Tensor, Tensor]:
    item = torch.tensor([[1, 2, 3], [2, 1, 0]])
    return item, item * 60, torch.zeros_like(item)


@contextmanager
def _uncollected() -> Iterator[None]:
    """The exporter makes millions of small objects, and collecting amid them costs a sixth."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of its own internals and of packages that are not needed."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
