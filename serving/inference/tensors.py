"""Tensors of the Open Inference Protocol: from JSON or raw bytes to arrays, and back."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from serving import reading
from serving.problem import Problem

DATATYPES: Final = {
    "BOOL": np.dtype("?"),
    "INT8": np.dtype("i1"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("u1"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
NAMES: Final = {dtype.newbyteorder("="): name for name, dtype in DATATYPES.items()}
RUNTIME: Final = {
    "tensor(bool)": "BOOL",
    "tensor(int8)": "INT8",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(uint8)": "UINT8",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
}
KINDS: Final = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}  # what JSON may hold for which datatype
AXES: Final = 8
FIELDS: Final = ("name", "shape", "datatype", "parameters", "data")


class Expected(NamedTuple):
    """A tensor that a graph takes or gives."""

    name: str
    datatype: str
    shape: tuple[int, ...]  # -1 where any length will do


def expected(told: Sequence[Any]) -> list[Expected]:
    """What ONNX Runtime says of tensors, in the protocol's words."""
    return [
        Expected(
            one.name,
            RUNTIME[one.type],
            tuple(axis if isinstance(axis, int) else -1 for axis in one.shape),
        )
        for one in told
    ]


def read(given: list[Any], raw: bytes) -> dict[str, np.ndarray]:
    """The arrays of a request, by name; those without ``data`` follow each other in ``raw``."""
    found: dict[str, np.ndarray] = {}
    start = 0
    for place, one in enumerate(given):
        field = f"inputs[{place}]"
        tensor = reading.record(one, field)
        reading.only(tensor, FIELDS)
        name = reading.text(tensor.get("name"), f"{field}.name")
        if name in found:
            raise Problem(400, "a tensor is given once", remedy="leave one out", field=field)
        size = _size(tensor, field)
        if size is None:
            array = _from_json(tensor, field)
        else:
            array = _from_bytes(tensor, raw[start : start + size], field=field)
            start += size
        found[name] = array
    if start != len(raw):
        rule = f"the tensors take {start} bytes after the header, but {len(raw)} came"
        raise Problem(400, rule, remedy="correct binary_data_size")
    return found


def described(name: str, array: np.ndarray) -> dict[str, Any]:
    """Name, shape and datatype of an output."""
    datatype = NAMES[array.dtype]
    return {"name": name, "shape": list(array.shape), "datatype": datatype}


def packed(array: np.ndarray) -> bytes:
    """The elements in their order, little-endian."""
    return np.ascontiguousarray(array, DATATYPES[NAMES[array.dtype]]).tobytes()


def _size(tensor: dict[str, Any], field: str) -> int | None:
    parameters = reading.record(tensor.get("parameters", {}), f"{field}.parameters")
    size = parameters.get("binary_data_size")
    if (size is None) == ("data" not in tensor):
        rule = "a tensor has either data or parameters.binary_data_size"
        raise Problem(400, rule, remedy="give one of them", field=field)
    if size is None:
        return None
    return reading.whole(size, f"{field}.parameters.binary_data_size", least=0, most=2**31)


def _head(tensor: dict[str, Any], field: str) -> tuple[np.dtype, list[int]]:
    name = reading.choice(tensor.get("datatype"), f"{field}.datatype", among=tuple(DATATYPES))
    axes = reading.array(tensor.get("shape"), f"{field}.shape", most=AXES)
    shape = [
        reading.whole(axis, f"{field}.shape[{place}]", least=0, most=2**31)
        for place, axis in enumerate(axes)
    ]
    return DATATYPES[name], shape


def _from_json(tensor: dict[str, Any], field: str) -> np.ndarray:
    """Data may be nested as the shape says, or flat."""
    dtype, shape = _head(tensor, field)
    try:
        found = np.array(tensor["data"] if isinstance(tensor["data"], list) else [tensor["data"]])
    except (ValueError, OverflowError):
        found = np.zeros(0, dtype=object)
    fitting = found.dtype.kind in KINDS[dtype.kind] or not found.size
    if not fitting or found.size != _count(shape):
        rule = f"data holds {_count(shape)} numbers of the datatype, flat or nested"
        raise Problem(400, rule, remedy="correct it", field=f"{field}.data")
    return _finite(_narrow(found, dtype, field).reshape(shape), field)


def _narrow(found: np.ndarray, dtype: np.dtype, field: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        narrow = found.astype(dtype)
    if dtype.kind in "iu" and not (narrow == found).all():
        raise Problem(
            400, "a number is too large for the datatype", remedy="correct it", field=field
        )
    return narrow


def _from_bytes(tensor: dict[str, Any], raw: bytes, *, field: str) -> np.ndarray:
    dtype, shape = _head(tensor, field)
    wanted = _count(shape) * dtype.itemsize
    if len(raw) != wanted:
        rule = f"this shape and datatype take {wanted} bytes, but {len(raw)} came"
        raise Problem(400, rule, remedy="correct one of them", field=field)
    if dtype.kind == "b":
        return np.frombuffer(raw, np.uint8).reshape(shape) != 0
    return _finite(np.frombuffer(raw, dtype).reshape(shape), field)


def _finite(array: np.ndarray, field: str) -> np.ndarray:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Problem(400, "numbers are finite", remedy="correct them", field=field)
    return array


def _count(shape: list[int]) -> int:
    count = 1
    for axis in shape:
        count *= axis
    return count
