"""Which nodes of a graph keep float32 when the rest of it computes in float16.

out of range     what reads or makes a number that float16 does not hold, such as seconds
rounded          whatever an index is made from: a digit less is another row of a table
guarded          what is kept away from zero by a number that is zero in float16, to divide by it
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from onnx import NodeProto

from recsys.bundle.halving import KEPT

LARGE: Final = 2.0**10  # magnitudes from here on stay float32, which leaves 64 times of room
FAINT: Final = 2.0**-14  # a tensor that never comes above this would lose its digits in float16
GUARDS: Final = frozenset(("Clip", "Max", "Add"))
SHAPED: Final = frozenset(("Expand", "Reshape", "Transpose", "Unsqueeze", "Squeeze", "Sqrt"))

Tensors = Mapping[str, np.ndarray]


def delicate(nodes: Sequence[NodeProto], tensors: Tensors) -> set[str]:
    """Names of these nodes.

    Args:
        nodes: In the order in which they run, with distinct names.
        tensors: What each tensor held while the graph answered for real users.
    """
    numbers = {name for name, values in tensors.items() if values.dtype == np.float32}
    beyond = {name for name in numbers if not _fits(tensors[name])}
    kept = {node.name for node in nodes if beyond & {*node.input, *node.output}}
    kept |= {node.name for node in nodes if node.op_type in KEPT}
    return kept | _rounded(nodes, numbers) | _guarded(nodes, numbers, tensors)


def _fits(values: np.ndarray) -> bool:
    largest = float(np.abs(values).max(initial=0))  # nan and infinity do not fit
    return largest == 0 or FAINT <= largest <= LARGE


def _rounded(nodes: Sequence[NodeProto], numbers: set[str]) -> set[str]:
    """From the cast to whole numbers back to where its numbers come from."""
    names, wanted = set[str](), set[str]()
    for node in reversed(nodes):
        rounds = node.op_type == "Cast" and not numbers & {*node.output}
        if rounds or wanted & {*node.output}:
            names.add(node.name)
            wanted |= numbers & {*node.input}
    return names


def _guarded(nodes: Sequence[NodeProto], numbers: set[str], tensors: Tensors) -> set[str]:
    """From the guard on to what first computes with it."""
    names, near_zero = set[str](), set[str]()
    for node in nodes:
        given = numbers & {*node.input}
        guards = node.op_type in GUARDS and any(_faint(tensors[name]) for name in given)
        if guards or near_zero & given:
            names.add(node.name)
            if guards or node.op_type in SHAPED:
                near_zero |= numbers & {*node.output}
    return names


def _faint(values: np.ndarray) -> bool:
    return values.size == 1 and bool((np.abs(values) > 0).all() and (np.abs(values) < FAINT).all())
