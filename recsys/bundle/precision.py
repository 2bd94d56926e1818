"""A graph with numbers of fewer bits: float16 for a GPU, int8 for a processor.

Inputs and outputs keep the types of float32, so whoever feeds a bundle need not know.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic

from recsys.bundle.delicate import delicate
from recsys.bundle.halving import halve
from recsys.errors import ArtifactError

PRODUCTS: Final = ("MatMul", "Gemm")  # what int8 is for; a small look-up gains nothing

Feeds = dict[str, np.ndarray]


class Converted(NamedTuple):
    """What became of the nodes of a graph that could have been changed."""

    changed: int
    kept: int


def to_float16(file: Path, target: Path, *, feeds: Feeds) -> Converted:
    """Writes the graph with float16 inside.

    Args:
        file: A graph of float32.
        target: The file to write.
        feeds: Inputs of real users, by which the range of every tensor is measured.
    """
    model = onnx.load(file)
    for place, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{place}"
    tensors = _tensors(model, feeds=feeds)
    numbers = {name for name, values in tensors.items() if values.dtype == np.float32}
    nodes = model.graph.node
    kept = delicate(nodes, tensors)
    every = len(nodes)
    halve(model, numbers=numbers, kept=kept)
    onnx.save(model, target)
    return Converted(every - len(kept), len(kept))


def to_int8(file: Path, target: Path) -> Converted:
    """Writes the graph with matrix products of int8; their ranges are found anew at every call.

    Weights are unsigned: processors without VNNI add unsigned times signed in 16 bits, which
    overflow, and the scores are wrong without a word.
    """
    model = onnx.load(file)
    _unshaped(model.graph)
    with _quiet():
        quantize_dynamic(
            model,
            target,
            op_types_to_quantize=list(PRODUCTS),
            weight_type=QuantType.QUInt8,
            per_channel=True,
            extra_options={"MatMulConstBOnly": False},
        )
    before = [node.op_type for node in model.graph.node]
    after = [node.op_type for node in onnx.load(target).graph.node]
    products = sum(kind in PRODUCTS for kind in before)
    kept = sum(kind in PRODUCTS for kind in after)
    return Converted(products - kept, kept)


def _unshaped(graph: onnx.GraphProto) -> None:
    """Forgets the shapes that the exporter guessed, which the quantizer holds against its own."""
    del graph.value_info[:]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _unshaped(attribute.g)


def runs(file: Path, *, precision: str) -> None:
    """Raises ArtifactError where ONNX Runtime refuses the graph."""
    try:
        onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions have no parent of their own
        reason = str(error).splitlines()[0]
        message = (
            f"{file.name} cannot be run at precision={precision} ({reason}): export as float32"
        )
        raise ArtifactError(message) from error


def _tensors(model: onnx.ModelProto, *, feeds: Feeds) -> Feeds:
    """Every tensor of a graph while it answers, constants and inputs included."""
    open_model = onnx.ModelProto()
    open_model.CopyFrom(model)
    given = {value.name for value in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name not in given]
    open_model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        open_model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    outputs = [value.name for value in session.get_outputs()]
    found = dict(zip(outputs, session.run(outputs, feeds), strict=True))
    constants = {part.name: onnx.numpy_helper.to_array(part) for part in model.graph.initializer}
    return constants | feeds | found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The tools talk of graphs that were not prepared for them, at the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
