"""Every user's events in a few flat arrays: one entry per interaction, never one per sample."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


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


def write(histories: Histories, folder: Path) -> None:
    """One ``.npy`` file per array in a new folder."""
    folder.mkdir()
    for name, values in histories._asdict().items():
        np.save(folder / f"{name}.npy", values)


def read(folder: Path) -> Histories:
    """The arrays memory-mapped, read-only: nothing is loaded before it is looked at."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in Histories._fields}
    return Histories(**arrays)
