"""Every user's events in a few flat arrays: one entry per interaction, never one per sample."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

STRETCH: Final = 1_000_000  # events looked at together


class Piece(NamedTuple):
    """Events of some users, user after user, oldest first."""

    item: NDArray[np.int32]
    time: NDArray[np.int64]
    behaviour: NDArray[np.uint8]


TYPES: Final = {"item": np.int32, "time": np.int64, "behaviour": np.uint8}


class Histories(NamedTuple):
    """Events of all users, user after user, oldest first; ties in time keep the order of the file.

    User ``u`` owns the positions ``offset[u]`` to ``offset[u + 1]``.
    """

    offset: NDArray[np.int64]  # users + 1
    item: NDArray[np.int32]  # catalogue index, from 1
    time: NDArray[np.int64]  # seconds since 1970 UTC, or the place in an order
    behaviour: NDArray[np.uint8]  # 0 where the data names none

    @property
    def users(self) -> int:
        """Number of users; each has at least one event."""
        return len(self.offset) - 1

    @property
    def events(self) -> int:
        """Number of interactions."""
        return len(self.item)

    def stretches(self) -> Iterator[slice]:
        """All users, some at a time, so that their events fit into memory."""
        starts = np.arange(0, self.events, STRETCH)
        edges = np.unique(np.append(np.searchsorted(self.offset, starts), self.users))
        return (slice(start, end) for start, end in pairwise(edges.tolist()))


def write(offset: NDArray[np.int64], pieces: Iterable[Piece], folder: Path) -> None:
    """One ``.npy`` file per array in a new folder.

    Args:
        offset: Where each user's events begin, and the end.
        pieces: All events, in order.
        folder: To make.
    """
    folder.mkdir()
    np.save(folder / "offset.npy", offset)
    for name, kind in TYPES.items():
        shape = (int(offset[-1]),)
        header = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": shape}
        with (folder / f"{name}.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
    for piece in pieces:
        for name, kind in TYPES.items():
            with (folder / f"{name}.npy").open("ab") as file:
                file.write(getattr(piece, name).astype(kind, copy=False).tobytes())


def read(folder: Path) -> Histories:
    """The arrays memory-mapped, read-only: nothing is loaded before it is looked at."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in Histories._fields}
    return Histories(**arrays)
