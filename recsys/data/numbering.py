"""Which number stands for which id, found out piece by piece."""

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys import tables

WAITING: Final = 500_000  # ids held before they are merged for the first time


class Distinct:
    """The distinct values of a column that comes in pieces; memory is a few times theirs."""

    def __init__(self) -> None:
        self._pieces: list[pl.Series] = []
        self._merged = self._waiting = 0

    def add(self, values: pl.Series) -> None:
        """Takes a piece of the column."""
        piece = values.unique()
        self._pieces.append(piece)
        self._waiting += piece.len()
        if self._waiting > max(self._merged, WAITING):  # so that no value is merged often
            self._merge()

    def values(self) -> pl.Series:
        """All that there were, in no order; at least one piece was added."""
        self._merge()
        return self._pieces[0]

    def _merge(self) -> None:
        merged = pl.concat(self._pieces).unique()
        self._pieces, self._merged, self._waiting = [merged], merged.len(), 0


class Numbering:
    """Places among ids, which are sorted, and integers where all of them are the text of one.

    Args:
        ids: Distinct.

    Raises:
        InputError: The ids are decimals in text.
    """

    def __init__(self, ids: pl.Series) -> None:
        self.ids = tables.canonical(ids).sort()

    def __len__(self) -> int:
        return self.ids.len()

    def places(self, ids: pl.Series) -> NDArray[np.int32]:
        """The place of each of these ids, all of which are known."""
        return self.ids.search_sorted(ids.cast(self.ids.dtype)).to_numpy().astype(np.int32)
