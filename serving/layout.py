"""A user's state as bytes: what a store keeps and another process reads back.

    header | state: fixed tensors, slots | items seen | window: events of time, item, behaviour

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
SEEN: Final = np.dtype("<i4")
EVENT: Final = np.dtype([("time", "<i8"), ("item", "<i4"), ("behaviour", "u1")])


class Body(NamedTuple):
    """What is remembered of one user besides the log, as it lies in bytes."""

    fixed: bytes  # the state's tensors that are of one size
    slots: bytes  # those that grow, slot by slot, without the empty slots in front
    seen: bytes  # distinct items, rising
    window: bytes  # the newest events, oldest first
    dropped: int  # time of the newest event that is not among them
    unknown: int  # events of the log that the bundle cannot use

    @property
    def events(self) -> int:
        """How many events the state is made of."""
        return len(self.window) // EVENT.itemsize


def bundle_hash(manifest: dict[str, Any]) -> str:
    """What states depend on: the weights, and what the numbers that go in and out mean."""
    parts = ("model_hash", "history", "state", "precision", "behaviours", "time", "ids")
    told = {name: manifest.get(name) for name in parts}
    told["catalogue"] = manifest["catalogue"]["sha256"]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


class Layout:
    """How the states of one bundle lie in bytes."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        entries = [(entry["name"], entry["type"], entry["width"]) for entry in manifest["state"]]
        self._fixed = np.dtype(
            [
                (name, np.dtype(kind).newbyteorder("<"), tuple(width))
                for name, kind, width in entries
                if width is not None
            ]
        )
        self._slot = np.dtype(
            [
                (name, np.dtype(kind).newbyteorder("<"))
                for name, kind, width in entries
                if width is None
            ]
        )
        self._mark = bytes.fromhex(bundle_hash(manifest))[:16]

    @property
    def is_log(self) -> bool:
        """Whether the state is nothing but the newest events."""
        return not self._fixed.names

    def pack(self, body: Body) -> bytes:
        """The bytes of a body."""
        sizes = (self._slots(body), len(body.seen) // SEEN.itemsize, body.events)
        header = HEADER.pack(self._mark, *sizes, body.dropped, body.unknown)
        return b"".join((header, body.fixed, body.slots, body.seen, body.window))

    def readable(self, packed: bytes) -> bool:
        """Whether these are bytes of this layout, none too many and none missing."""
        if len(packed) < HEADER.size:
            return False
        mark, slots, seen, events, _, _ = HEADER.unpack_from(packed)
        state = self._fixed.itemsize + slots * self._slot.itemsize
        rest = seen * SEEN.itemsize + events * EVENT.itemsize
        return mark == self._mark and len(packed) == HEADER.size + state + rest

    def unpack(self, packed: bytes) -> Body:
        """The body of readable bytes."""
        _, slots, seen, _, dropped, unknown = HEADER.unpack_from(packed)
        first = HEADER.size + self._fixed.itemsize
        second = first + slots * self._slot.itemsize
        third = second + seen * SEEN.itemsize
        return Body(
            fixed=packed[HEADER.size : first],
            slots=packed[first:second],
            seen=packed[second:third],
            window=packed[third:],
            dropped=dropped,
            unknown=unknown,
        )

    def stacked(self, bodies: Sequence[Body]) -> State:
        """States as a batch; those with fewer slots get empty ones in front."""
        state: State = {}
        if self._fixed.names:
            rows = np.frombuffer(b"".join([body.fixed for body in bodies]), self._fixed)
            state |= _columns(rows)
        if self._slot.names:
            width = max(len(body.slots) for body in bodies)
            raw = b"".join([body.slots.rjust(width, b"\0") for body in bodies])
            state |= _columns(np.frombuffer(raw, self._slot).reshape(len(bodies), -1))
        return state

    def apart(self, state: State) -> list[tuple[bytes, bytes]]:
        """What is fixed and the slots of each user of a batch."""
        users = len(next(iter(state.values())))
        fixed = np.zeros(users, self._fixed)
        for name in self._fixed.names or ():
            fixed[name] = state[name]
        size, raw = self._fixed.itemsize, fixed.tobytes()
        parts = [raw[row * size : (row + 1) * size] for row in range(users)]
        return list(zip(parts, self._filled(state, users=users), strict=True))

    def _filled(self, state: State, *, users: int) -> list[bytes]:
        """Slots from the first that is filled, at least one."""
        names = self._slot.names
        if not names:
            return [b""] * users
        table = np.zeros(state[names[0]].shape, self._slot)
        for name in names:
            table[name] = state[name]
        filled = np.logical_or.reduce([table[name] != 0 for name in names])
        start = np.where(filled.any(axis=1), filled.argmax(axis=1), filled.shape[1] - 1)
        return [table[row, at:].tobytes() for row, at in enumerate(start)]

    def _slots(self, body: Body) -> int:
        return len(body.slots) // self._slot.itemsize if self._slot.names else 0


def seen_by(bodies: Sequence[Body]) -> np.ndarray:
    """int64 ``[user, exclusion]``: the distinct items of each, 0 at the end, at least one wide."""
    width = max(SEEN.itemsize, *[len(body.seen) for body in bodies])
    raw = b"".join([body.seen.ljust(width, b"\0") for body in bodies])
    return np.frombuffer(raw, SEEN).reshape(len(bodies), -1).astype(np.int64)


def _columns(rows: np.ndarray) -> State:
    return {name: np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ()}
