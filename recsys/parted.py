"""Tables larger than memory: read in pieces, and laid on disk in parts that are read one at a time.

All parts share a single file. Rows are appended in stretches, each a small Arrow stream; where the
stretches of a part begin and end is kept beside the file. A part holds its rows in the order in
which they came and is read alone, by any process that sees the file.
"""

import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.errors import ArtifactError

PIECE_ROWS: Final = 100_000
PARQUET: Final = "Parquet SCAN"  # in the plan of a table that is cheap to slice

Edges = list[list[list[int]]]


def pieces(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """A table piece by piece, in order; none of them is empty.

    Slices of Parquet files need half the memory of a stream, which reads ahead on every processor;
    text files would be read from their start for each slice.
    """
    if PARQUET in frame.explain():
        rows: int = frame.select(pl.len()).collect(engine="streaming").item()
        for start in range(0, rows, PIECE_ROWS):
            yield frame.slice(start, PIECE_ROWS).collect()
    else:
        found = frame.collect_batches(chunk_size=PIECE_ROWS, lazy=True, engine="streaming")
        yield from (piece for piece in found if piece.height)


class Parted(NamedTuple):
    """Parts of a table on disk."""

    path: Path
    edges: Edges  # by part: start and end of each stretch in the file
    sums: list[int]  # by part: CRC-32 of its stretches
    remedy: str = "run again"  # where the file is damaged

    def read(self, part: int) -> pl.DataFrame:
        """Rows of one part that has any, in the order in which they came.

        Raises:
            ArtifactError: The file is not what was written.
        """
        stretches, checksum = [], 0
        with self.path.open("rb") as file:
            for start, end in self.edges[part]:
                file.seek(start)
                stretch = file.read(end - start)
                checksum = zlib.crc32(stretch, checksum)
                stretches.append(stretch)
        if checksum != self.sums[part]:
            message = f"part {part} of '{self.path}' is damaged: {self.remedy}"
            raise ArtifactError(message)
        return pl.concat([pl.read_ipc_stream(io.BytesIO(stretch)) for stretch in stretches])

    def holds(self, part: int) -> bool:
        """Whether any row lies in this part."""
        return bool(self.edges[part])

    def each(self) -> Iterator[pl.DataFrame]:
        """The parts that have rows, one after the other."""
        return (self.read(part) for part in range(len(self.edges)) if self.holds(part))


class Parting:
    """A file being filled with parts; all of it has reached the disk when the block ends.

    Args:
        path: The file to write.
        parts: How many there are; :meth:`append` adds further ones.
    """

    def __init__(self, path: Path, *, parts: int) -> None:
        self.path = path
        self.edges: Edges = [[] for _ in range(parts)]
        self.sums = [0] * parts

    def __enter__(self) -> Self:
        self._file = self.path.open("wb")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())

    @property
    def parted(self) -> Parted:
        """What the file holds, once it is closed."""
        return Parted(self.path, self.edges, self.sums)

    def append(self, rows: pl.DataFrame) -> None:
        """Writes rows as a part of their own, after all others."""
        self.edges.append([])
        self.sums.append(0)
        self._write(rows, part=len(self.edges) - 1)

    def scatter(
        self, rows: pl.DataFrame, *, part: NDArray[np.integer], wanted: NDArray[np.bool_]
    ) -> None:
        """Writes each row to its part, if that is wanted.

        Args:
            rows: Of the table.
            part: Of each row, from 0.
            wanted: Which parts are written.
        """
        parts = len(self.edges)
        small = part.astype(np.uint16 if parts < 2**16 else np.uint32)  # sorted by radix
        order = np.argsort(small, kind="stable")
        rows = rows[order]
        bounds = np.searchsorted(part[order], np.arange(parts + 1))
        for place in np.flatnonzero(wanted & (bounds[1:] > bounds[:-1])).tolist():
            self._write(rows[int(bounds[place]) : int(bounds[place + 1])], part=place)

    def _write(self, rows: pl.DataFrame, *, part: int) -> None:
        stream = io.BytesIO()
        rows.write_ipc_stream(stream)
        start = self._file.tell()
        self._file.write(stream.getbuffer())
        self.edges[part].append([start, self._file.tell()])
        self.sums[part] = zlib.crc32(stream.getbuffer(), self.sums[part])
