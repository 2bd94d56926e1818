"""Interactions parted by user, in bounded memory: one pass over the table fills one file.

The table comes in chunks. The rows of a chunk are sorted by part (a hash of the user) and appended
to a single file, each stretch a small Arrow stream; an index of where every stretch begins is
written last. A part then holds all rows of its users, in the order of the table, and is read alone,
by any process that sees the file. The hash is that of polars, which a new version may change:
``PROBE`` goes into whatever compares two jobs.
"""

import io
import json
import os
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from recsys import tables
from recsys.errors import ArtifactError, InputError
from recsys.folder import write_whole
from recsys.scoring.rows import WHY, judged

CHUNK_ROWS: Final = 100_000
PARQUET: Final = "Parquet SCAN"  # in the plan of a table that is cheap to slice
PROBE: Final = [int(pl.Series([given]).hash(seed=0)[0]) for given in ("recsys", 1)]
KEPT: Final = (tables.USER_ID, tables.ITEM_ID, tables.TIMESTAMP, tables.BEHAVIOUR, tables.FAULT)


class Spill(NamedTuple):
    """Some parts of a table, on disk; read one at a time."""

    path: Path
    job: str  # that it was made for
    parts: tuple[int, ...]  # that were asked for
    edges: list[list[list[int]]]  # by part: start and end of each stretch in the file
    sums: list[int]  # by part: CRC-32 of its stretches
    text_users: bool  # else they are integers

    def read(self, part: int) -> pl.DataFrame:
        """Rows of one part in the order of the table, with ``why`` where a row is no event.

        Raises:
            ArtifactError: The file is not what was written.
        """
        frames, checksum = [], 0
        with self.path.open("rb") as file:
            for start, end in self.edges[part]:
                file.seek(start)
                stretch = file.read(end - start)
                checksum = zlib.crc32(stretch, checksum)
                frames.append(stretch)
        if checksum != self.sums[part]:
            message = f"part {part} of '{self.path}' is damaged: run again with restart=true"
            raise ArtifactError(message)
        return pl.concat([pl.read_ipc_stream(io.BytesIO(stretch)) for stretch in frames])

    def holds(self, part: int) -> bool:
        """Whether any row hashed to this part."""
        return bool(self.edges[part])


def count(frame: pl.LazyFrame) -> int:
    """Rows of a table.

    Raises:
        InputError: There are none.
    """
    rows: int = frame.select(pl.len()).collect(engine="streaming").item()
    if not rows:
        message = "histories hold no interaction: give a table with at least one row"
        raise InputError(message)
    return rows


def spill(
    frame: pl.LazyFrame,
    path: Path,
    *,
    job: str,
    parts: int,
    wanted: Collection[int],
    tolerated: float,
) -> None:
    """Writes the wanted ones of ``parts`` parts to ``path``, then their index beside it.

    Every row of the table is looked at, whichever parts are wanted, so that all shards of a job
    come to the same verdict.

    Args:
        frame: As :func:`recsys.tables.interactions` returns it.
        path: The file to write.
        job: Name of the job, for the index.
        parts: All rows of a user are in one part however many there are.
        wanted: Parts from 0.
        tolerated: Share of the rows that may be unusable.

    Raises:
        InputError: More rows than that have no user, item or readable time.
    """
    path.with_suffix(".json").unlink(missing_ok=True)
    filling = _Filling(parts, frozenset(wanted))
    rows = bad = 0
    text_users, first_bad = False, None
    with path.open("wb") as file:
        for chunk in _chunks(frame):
            chunk = judged(chunk)
            unusable = chunk[WHY].is_not_null()
            rows, bad = rows + chunk.height, bad + int(unusable.sum())
            first_bad = chunk if first_bad is None and bad else first_bad
            text_users = text_users or not _plain(chunk.filter(~unusable)[tables.USER_ID])
            filling.append(chunk, file=file)
        file.flush()
        os.fsync(file.fileno())
    if first_bad is not None and bad > tolerated * rows:
        _refuse(first_bad, bad=bad, rows=rows, tolerated=tolerated)
    index = {
        "job": job,
        "parts": sorted(wanted),
        "edges": filling.edges,
        "sums": filling.sums,
        "text_users": text_users,
    }
    write_whole(path.with_suffix(".json"), json.dumps(index).encode())


def found(path: Path) -> Spill | None:
    """What :func:`spill` has written to ``path``; nothing where it did not come to its end."""
    index = path.with_suffix(".json")
    if not index.is_file():
        return None
    said: dict[str, Any] = json.loads(index.read_bytes())
    return Spill(path=path, **(said | {"parts": tuple(said["parts"])}))


class _Filling:
    """Where each stretch of each part lies in the file that is being written."""

    def __init__(self, parts: int, wanted: frozenset[int]) -> None:
        self.parts = parts
        self.wanted = np.isin(np.arange(parts), list(wanted))
        self.edges: list[list[list[int]]] = [[] for _ in range(parts)]
        self.sums = [0] * parts

    def append(self, chunk: pl.DataFrame, *, file: io.BufferedWriter) -> None:
        """Writes the rows of a chunk part by part."""
        part = (chunk[tables.USER_ID].hash(seed=0) % self.parts).to_numpy()
        small = part.astype(np.uint16 if self.parts < 2**16 else np.uint32)
        order = np.argsort(small, kind="stable")
        chunk = chunk[order]
        rows = np.searchsorted(part[order], np.arange(self.parts + 1))
        for place in np.flatnonzero(self.wanted & (rows[1:] > rows[:-1])).tolist():
            stream = io.BytesIO()
            chunk[int(rows[place]) : int(rows[place + 1])].write_ipc_stream(stream)
            start = file.tell()
            file.write(stream.getbuffer())
            self.edges[place].append([start, file.tell()])
            self.sums[place] = zlib.crc32(stream.getbuffer(), self.sums[place])


def _chunks(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """The table in pieces, in order, without the columns that no list depends on.

    Slices of Parquet files need half the memory of a stream, which reads ahead on every processor;
    text files would be read from their start for each slice.
    """
    names = frame.collect_schema().names()
    frame = frame.select(name for name in KEPT if name in names)
    if PARQUET in frame.explain():
        for start in range(0, count(frame), CHUNK_ROWS):
            yield frame.slice(start, CHUNK_ROWS).collect()
    else:
        yield from frame.collect_batches(chunk_size=CHUNK_ROWS, lazy=True, engine="streaming")


def _plain(users: pl.Series) -> bool:
    """Whether every user is an integer or its text as it is printed; then they are integers."""
    return not users.len() or tables.canonical(users).dtype != pl.String


def _refuse(chunk: pl.DataFrame, *, bad: int, rows: int, tolerated: float) -> None:
    """Says what is wrong with the first bad rows, in the words of every other stage."""
    limit = f"{bad} of {rows} rows cannot be used, max_quarantined={tolerated}"
    try:
        tables.check(chunk)
    except InputError as error:
        message = f"{error} ({limit})"
        raise InputError(message) from None
    reason = chunk[WHY].drop_nulls()[0]
    message = f"{limit}, the first because of '{reason}': correct or drop them, or raise it"
    raise InputError(message)
