"""A user's state as bytes: what a store keeps and another process reads back.

    header | state tensors | items seen, int32 | window: time int64, item int32, behaviour uint8

Little-endian and without names or pickle: the header names the layout by the hash of the bundle
that alone can use it, and any other is refused.
"""

import hashlib
import json
import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from recsys.runtime import State

HEADER: Final = struct.Struct("<16sIIIqq")  # layout, slots, seen, events, dropped, unknown
SEEN, TIME, ITEM, BEHAVIOUR = (np.dtype(name) for name in ("<i4", "<i8", "<i4", "u1"))
EVENT_BYTES: Final = TIME.itemsize + ITEM.itemsize + BEHAVIOUR.itemsize


class Body(NamedTuple):
    """What is remembered of one user besides the log; arrays may not be written to."""

    state: tuple[np.ndarray, ...]  # without the axis of users; growing ones without empty slots
    seen: np.ndarray  # distinct items, rising
    time: np.ndarray  # of the newest events, oldest first
    item: np.ndarray
    behaviour: np.ndarray
    dropped: int  # time of the newest event that is not among them
    unknown: int  # events of the log that the bundle cannot use


def bundle_hash(manifest: dict[str, Any]) -> str:
    """What states depend on: the weights, and what the numbers that go in and out mean."""
    parts = ("model_hash", "history", "state", "precision", "behaviours", "time", "ids")
    told = {name: manifest.get(name) for name in parts}
    told["catalogue"] = manifest["catalogue"]["sha256"]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


class Layout:
    """How the states of one bundle lie in bytes."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        self.names = [entry["name"] for entry in manifest["state"]]
        self.grows = [entry["width"] is None for entry in manifest["state"]]
        self._dtypes = [np.dtype(entry["type"]).newbyteorder("<") for entry in manifest["state"]]
        self._shapes = [tuple(entry["width"] or ()) for entry in manifest["state"]]
        self._mark = bytes.fromhex(bundle_hash(manifest))[:16]
        bytes_each = [
            dtype.itemsize * int(np.prod(shape))
            for dtype, shape in zip(self._dtypes, self._shapes, strict=True)
        ]
        pairs = list(zip(bytes_each, self.grows, strict=True))
        self._fixed_bytes = sum(size for size, grows in pairs if not grows)
        self._slot_bytes = sum(size for size, grows in pairs if grows)

    @property
    def is_log(self) -> bool:
        """Whether the state is nothing but the newest events."""
        return all(self.grows)

    def pack(self, body: Body) -> bytes:
        """The bytes of a body."""
        slots = next((len(a) for a, grows in zip(body.state, self.grows, strict=True) if grows), 0)
        sizes = (slots, len(body.seen), len(body.item))
        header = HEADER.pack(self._mark, *sizes, body.dropped, body.unknown)
        state = (
            array.astype(dtype, copy=False).tobytes()
            for array, dtype in zip(body.state, self._dtypes, strict=True)
        )
        rest = zip(body[1:5], (SEEN, TIME, ITEM, BEHAVIOUR), strict=True)
        return b"".join((header, *state, *(array.astype(kind).tobytes() for array, kind in rest)))

    def readable(self, packed: bytes) -> bool:
        """Whether these are bytes of this layout, none too many and none missing."""
        if len(packed) < HEADER.size:
            return False
        mark, slots, seen, events, _, _ = HEADER.unpack_from(packed)
        size = HEADER.size + self._fixed_bytes + slots * self._slot_bytes
        return mark == self._mark and len(packed) == (
            size + seen * SEEN.itemsize + events * EVENT_BYTES
        )

    def unpack(self, packed: bytes) -> Body:
        """The body of readable bytes."""
        _, slots, seen, events, dropped, unknown = HEADER.unpack_from(packed)
        place, state = HEADER.size, []
        for dtype, shape, grows in zip(self._dtypes, self._shapes, self.grows, strict=True):
            shape = (slots,) if grows else shape
            array: np.ndarray = np.ndarray(shape, dtype, packed, place)
            state.append(array)
            place += array.nbytes
        time = place + seen * SEEN.itemsize
        item = time + events * TIME.itemsize
        behaviour = item + events * ITEM.itemsize
        return Body(
            state=tuple(state),
            seen=np.ndarray((seen,), SEEN, packed, place),
            time=np.ndarray((events,), TIME, packed, time),
            item=np.ndarray((events,), ITEM, packed, item),
            behaviour=np.ndarray((events,), BEHAVIOUR, packed, behaviour),
            dropped=dropped,
            unknown=unknown,
        )

    def stacked(self, states: Sequence[tuple[np.ndarray, ...]]) -> State:
        """States of users as a batch; the shorter ones get empty slots in front."""
        columns = zip(*states, strict=True)
        return {
            name: _right(column) if grows else np.stack(column)
            for name, grows, column in zip(self.names, self.grows, columns, strict=True)
        }

    def apart(self, state: State) -> list[tuple[np.ndarray, ...]]:
        """A batch as states of users, without the empty slots that others made necessary."""
        fields = [state[name] for name in self.names]
        growing = [field for field, grows in zip(fields, self.grows, strict=True) if grows]
        if not growing:
            return list(zip(*fields, strict=True))
        filled = np.logical_or.reduce([field != 0 for field in growing])
        first = np.where(filled.any(axis=1), filled.argmax(axis=1), filled.shape[1] - 1)
        return [
            tuple(
                field[row, start:] if grows else field[row]
                for field, grows in zip(fields, self.grows, strict=True)
            )
            for row, start in enumerate(first)
        ]


def _right(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of different lengths, each at the end of its place."""
    width = max(len(row) for row in rows)
    if all(len(row) == width for row in rows):
        return np.stack(rows)
    array = np.zeros((len(rows), width), dtype=rows[0].dtype)
    for place, row in enumerate(rows):
        array[place, width - len(row) :] = row
    return array
