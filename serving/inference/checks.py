"""Which tensors a graph may be given: names, types, axes that agree, numbers in range."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from serving.inference.tensors import NAMES, Expected
from serving.model import Model
from serving.problem import Problem

PAIRS: Final = 2**20  # of a user and a candidate in one call
INDICES: Final = ("event_item", "candidates", "excluded")
EVENTS: Final = ("event_item", "event_time", "event_behaviour")


def check(
    model: Model, graph: str, feeds: dict[str, np.ndarray], wanted: Sequence[Expected], *, rows: int
) -> None:
    """Refuses what the graph would not answer, or not within reason.

    Raises:
        Problem: Names the tensor.
    """
    _names(feeds, wanted)
    for tensor in wanted:
        _type(feeds[tensor.name], tensor)
    _users(model, graph, feeds, rows=rows)
    for name in INDICES:
        if name in feeds:
            _range(name, feeds[name], most=model.bundle.items)
    if "event_behaviour" in feeds:
        _range("event_behaviour", feeds["event_behaviour"], most=len(model.behaviours))
    if graph == "recommend":
        _recommend(feeds)


def _names(feeds: dict[str, np.ndarray], wanted: Sequence[Expected]) -> None:
    names = {tensor.name for tensor in wanted}
    if feeds.keys() != names:
        missing, strange = sorted(names - feeds.keys()), sorted(feeds.keys() - names)
        told = [f"{', '.join(missing)} missing"] if missing else []
        told += [f"{', '.join(strange)} unknown"] if strange else []
        rule = f"the inputs are {', '.join(sorted(names))} ({'; '.join(told)})"
        raise Problem(400, rule, remedy="give these")


def _type(array: np.ndarray, tensor: Expected) -> None:
    found = NAMES[array.dtype.newbyteorder("=")]
    if found != tensor.datatype:
        rule = f"the datatype is {tensor.datatype}"
        raise Problem(400, rule, remedy="convert it", field=tensor.name, value=found)
    fits = len(array.shape) == len(tensor.shape) and all(
        axis in (-1, length) for axis, length in zip(tensor.shape, array.shape, strict=True)
    )
    if not fits:
        rule = f"the shape is {list(tensor.shape)}, -1 for any length"
        value = str(list(array.shape))
        raise Problem(400, rule, remedy="reshape it", field=tensor.name, value=value)


def _users(model: Model, graph: str, feeds: dict[str, np.ndarray], *, rows: int) -> None:
    """One number of users throughout, and not too much to answer at once."""
    shared = ("k", "candidates") if graph in ("recommend", "ask") else ("k",)
    first = {name: array.shape[0] for name, array in feeds.items() if name not in shared}
    if len(set(first.values())) > 1:
        told = ", ".join(f"{name} {users}" for name, users in first.items())
        raise Problem(400, f"tensors have one number of users ({told})", remedy="make them agree")
    users = max(first.values(), default=1)
    if users > rows:
        raise Problem(400, f"at most {rows} users are asked at once", remedy="ask in parts")
    longest = model.bundle.history
    grows = {entry["name"] for entry in model.bundle.manifest["state"] if "slot" in entry["axes"]}
    widths = {
        feeds[name].shape[1]
        for name in (*EVENTS, *grows)
        if name in feeds and feeds[name].ndim == 2 and graph != "ask"
    }
    if graph == "encode" and len({feeds[name].shape for name in EVENTS}) > 1:
        raise Problem(400, "the three event tensors have one shape", remedy="make them agree")
    if widths and max(widths) > longest:
        raise Problem(400, f"a history has at most {longest} events", remedy="leave the oldest out")
    candidates = feeds["candidates"].shape[-1] if "candidates" in feeds else 0
    if users * candidates > PAIRS:
        rule = f"at most {PAIRS} pairs of user and candidate are asked at once"
        raise Problem(400, rule, remedy="ask in parts")


def _range(name: str, array: np.ndarray, *, most: int) -> None:
    if array.size and (array.min() < 0 or array.max() > most):
        raise Problem(400, f"these are 0 to {most}", remedy="correct them", field=name)


def _recommend(feeds: dict[str, np.ndarray]) -> None:
    candidates, k = feeds["candidates"], int(feeds["k"])
    if not len(candidates) or candidates[0] < 1 or (np.diff(candidates) < 1).any():
        rule = "candidates are distinct, rising and from 1"
        raise Problem(400, rule, remedy="sort them", field="candidates")
    if not 1 <= k <= len(candidates):
        rule = f"k is 1 to the number of candidates, {len(candidates)}"
        raise Problem(400, rule, remedy="correct it", field="k", value=k)
