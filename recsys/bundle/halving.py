"""A graph of float32 with float16 inside; what goes in and comes out keeps its type.

Every tensor of numbers exists once, or twice with one cast between. A node either keeps float32 or
computes in float16, and reads the one or the other of each tensor. (ONNX Runtime's own converter
casts a tensor once for every node that keeps float32, under one name, and then refuses the graph.)
"""

from collections.abc import Collection, Iterator
from typing import Final

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

HALF: Final = ".half"
WHOLE: Final = 1  # TensorProto.FLOAT, as an attribute says it
# No float16 by the standard, or the same answer for less than the casts cost.
MADE: Final = ("Constant", "ConstantOfShape", "EyeLike", "Range")  # say their type in many ways
KEPT: Final = frozenset(("TopK", "CumSum", "Scan", "Loop", "If", *MADE))


def halve(model: ModelProto, *, numbers: Collection[str], kept: Collection[str]) -> None:
    """Changes the graph of a model.

    Args:
        model: Its nodes have distinct names.
        numbers: Names of all tensors of float32 in it, outside of graphs inside nodes.
        kept: Names of nodes that shall keep float32.
    """
    graph, numbers = model.graph, frozenset(numbers)
    still = {node.name for node in graph.node if node.name in kept or node.op_type in KEPT}
    whole, half = _read(graph, still=still, numbers=numbers)
    nodes = []
    for node in graph.node:
        made = [name for name in node.output if name in numbers]
        if node.name not in still:
            _lower(node, numbers=numbers)
        nodes.append(node)
        nodes += _casts(made, whole=whole, half=half, lowered=node.name not in still)
    inputs = [value.name for value in graph.input if value.name in half]
    casts = [_cast(name, name + HALF, to=TensorProto.FLOAT16) for name in inputs]
    del graph.node[:]
    graph.node.extend(casts + nodes)
    _initialisers(graph, whole=whole, half=half)
    del graph.value_info[:]


def _read(
    graph: GraphProto, *, still: Collection[str], numbers: frozenset[str]
) -> tuple[set[str], set[str]]:
    """Tensors that somebody reads as float32, and those that somebody reads as float16."""
    whole, half = {value.name for value in graph.output}, set[str]()
    for node in graph.node:
        (whole if node.name in still else half).update(node.input)
        whole.update(_captured(node))
    return whole & numbers, half & numbers


def _captured(node: NodeProto) -> Iterator[str]:
    """What graphs inside a node may read from outside."""
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from inner.input
                yield from _captured(inner)


def _lower(node: NodeProto, *, numbers: frozenset[str]) -> None:
    """Lets a node read and make float16."""
    for names in (node.input, node.output):
        for place, name in enumerate(names):
            if name in numbers:
                names[place] = name + HALF
    for attribute in node.attribute:
        if attribute.name in ("to", "dtype") and attribute.i == WHOLE:
            attribute.i = TensorProto.FLOAT16
        if attribute.t.data_type == TensorProto.FLOAT:
            attribute.t.CopyFrom(_halved(attribute.t))


def _casts(made: list[str], *, whole: set[str], half: set[str], lowered: bool) -> list[NodeProto]:
    """The other kind of each tensor that a node made, where somebody reads it."""
    if lowered:
        return [_cast(name + HALF, name, to=WHOLE) for name in made if name in whole]
    return [_cast(name, name + HALF, to=TensorProto.FLOAT16) for name in made if name in half]


def _cast(source: str, target: str, *, to: int) -> NodeProto:
    return onnx.helper.make_node("Cast", [source], [target], name=f"cast_{target}", to=to)


def _initialisers(graph: GraphProto, *, whole: set[str], half: set[str]) -> None:
    """Weights of the kind that is read, in both kinds where both are."""
    kinds = list(graph.initializer)
    del graph.initializer[:]
    for tensor in kinds:
        if tensor.name in half:
            lowered = _halved(tensor)
            lowered.name = tensor.name + HALF
            graph.initializer.append(lowered)
        if tensor.name in whole or tensor.name not in half:
            graph.initializer.append(tensor)


def _halved(tensor: TensorProto) -> TensorProto:
    values = onnx.numpy_helper.to_array(tensor)
    return onnx.numpy_helper.from_array(values.astype(np.float16), name=tensor.name)
