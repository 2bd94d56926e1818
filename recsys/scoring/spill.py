"""Interactions parted by user, in bounded memory: one pass over the table fills one file.

The table comes in chunks. The rows of a chunk are sorted by part (a hash of the user) and appended
to a single file, each stretch a small Arrow stream; where every stretch begins is kept. A part then
holds all rows of its users, in the order of the table, and is read alone. Who shares a part may
change with the version of polars, whose hash it is.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from recsys import tables
from recsys.errors import InputError
from recsys.scoring.candidates import lookup

CHUNK_ROWS: Final = 100_000
EXAMPLES: Final = 5  # unknown ids that the summary names
PARQUET: Final = "Parquet SCAN"  # in the plan of a table that is cheap to slice


class Codes(NamedTuple):
    """How the ids and names of a table become the numbers that the bundle was trained with."""

    catalogue: pl.DataFrame
    behaviours: tuple[str, ...]  # empty where training knew none; then they are not looked at
    text_users: bool  # users were text in training and come out as text


class Counts(NamedTuple):
    """What a table held, row by row."""

    interactions: int = 0
    unknown_item_rows: int = 0  # the catalogue lacks their item
    unknown_behaviour_rows: int = 0  # of known items, but training kept no such behaviour
    unknown_items: tuple[object, ...] = ()  # the first of their ids


class Spill(NamedTuple):
    """The parts of a table, on disk; read one at a time."""

    path: Path
    edges: np.ndarray  # int64 [chunk, part + 1]: where in the file each stretch begins and ends
    counts: Counts
    text_users: bool  # else they are integers

    @property
    def parts(self) -> list[int]:
        """The parts that hold rows; a hash may leave one empty."""
        return np.flatnonzero((self.edges[:, 1:] > self.edges[:, :-1]).any(axis=0)).tolist()

    def users(self) -> int:
        """About how many users there are: parts are alike, so the first times their number."""
        return self.read(self.parts[0])[tables.USER_ID].n_unique() * len(self.parts)

    def read(self, part: int) -> pl.DataFrame:
        """Rows of one part in the order of the table; ``item`` is 0 where it cannot be used."""
        frames = []
        with self.path.open("rb") as file:
            for start, end in self.edges[:, part : part + 2]:
                if start < end:
                    file.seek(start)
                    frames.append(pl.read_ipc_stream(io.BytesIO(file.read(end - start))))
        rows = pl.concat(frames)
        return rows if self.text_users else rows.cast({tables.USER_ID: pl.Int64})


def spill(frame: pl.LazyFrame, path: Path, *, codes: Codes, part_rows: int) -> Spill:
    """Parts a normalised table so that a part has about ``part_rows`` rows.

    Args:
        frame: As :func:`recsys.tables.interactions` returns it.
        path: The file to write.
        codes: Of the bundle.
        part_rows: Rows wanted in a part; all rows of a user are in one part however many.

    Raises:
        InputError: The table is empty or a row has no user, item or readable time.
    """
    rows: int = frame.select(pl.len()).collect(engine="streaming").item()
    if not rows:
        message = "histories hold no interaction: give a table with at least one row"
        raise InputError(message)
    parts = -(-rows // part_rows)
    counts, edges, text_users = Counts(), [], codes.text_users
    with path.open("wb") as file:
        for chunk in _chunks(frame, rows=rows):
            tables.check(chunk)
            text_users = text_users or not _plain(chunk[tables.USER_ID])
            coded, found = _code(chunk, codes=codes)
            counts = _add(counts, found)
            edges.append(_append(coded, file=file, parts=parts))
    return Spill(path=path, edges=np.stack(edges), counts=counts, text_users=text_users)


def _chunks(frame: pl.LazyFrame, *, rows: int) -> Iterator[pl.DataFrame]:
    """The table in pieces, in order.

    Slices of Parquet files need half the memory of a stream, which reads ahead on every processor;
    text files would be read from their start for each slice.
    """
    if PARQUET in frame.explain():
        for start in range(0, rows, CHUNK_ROWS):
            yield frame.slice(start, CHUNK_ROWS).collect()
    else:
        yield from frame.collect_batches(chunk_size=CHUNK_ROWS, lazy=True, engine="streaming")


def _code(chunk: pl.DataFrame, *, codes: Codes) -> tuple[pl.DataFrame, Counts]:
    """A chunk in numbers; an item or behaviour that training did not know makes ``item`` 0."""
    text_items = codes.catalogue[tables.ITEM_ID].dtype == pl.String
    ids = chunk[tables.ITEM_ID] if text_items else tables.canonical(chunk[tables.ITEM_ID])
    item = lookup(ids, catalogue=codes.catalogue)
    strange = chunk[tables.ITEM_ID].filter(item.is_null())
    behaviour = _behaviour(chunk, behaviours=codes.behaviours)
    kept = item.is_not_null() & behaviour.is_not_null()
    users = chunk[tables.USER_ID]
    coded = chunk.select(
        users.cast(pl.String) if codes.text_users else users,
        item.fill_null(0).zip_with(kept, pl.Series([0], dtype=item.dtype)).alias(tables.ITEM),
        pl.col(tables.TIMESTAMP),
        behaviour.fill_null(0).alias(tables.BEHAVIOUR),
    )
    return coded, Counts(
        interactions=chunk.height,
        unknown_item_rows=strange.len(),
        unknown_behaviour_rows=chunk.height - int(kept.sum()) - strange.len(),
        unknown_items=tuple(strange.head(EXAMPLES).unique(maintain_order=True)),
    )


def _plain(users: pl.Series) -> bool:
    """Whether every user is an integer or its text as it is printed; then they are integers."""
    return users.dtype != pl.String or tables.canonical(users).dtype != pl.String


def _behaviour(chunk: pl.DataFrame, *, behaviours: tuple[str, ...]) -> pl.Series:
    """0 where none is given, null where training did not know it."""
    if tables.BEHAVIOUR not in chunk.columns or not behaviours:
        return pl.repeat(0, chunk.height, dtype=pl.UInt8, eager=True)
    places = range(1, len(behaviours) + 1)
    given = chunk[tables.BEHAVIOUR]
    code = given.replace_strict(behaviours, places, default=None, return_dtype=pl.UInt8)
    return code.zip_with(given.is_not_null(), pl.Series([0], dtype=pl.UInt8))


def _add(counts: Counts, more: Counts) -> Counts:
    examples = dict.fromkeys((*counts.unknown_items, *more.unknown_items))
    return Counts(
        interactions=counts.interactions + more.interactions,
        unknown_item_rows=counts.unknown_item_rows + more.unknown_item_rows,
        unknown_behaviour_rows=counts.unknown_behaviour_rows + more.unknown_behaviour_rows,
        unknown_items=tuple(examples)[:EXAMPLES],
    )


def _append(coded: pl.DataFrame, *, file: io.BufferedWriter, parts: int) -> np.ndarray:
    """Writes a chunk part by part; returns where each stretch begins, and where the last ends."""
    part = (coded[tables.USER_ID].hash(seed=0) % parts).to_numpy()
    order = np.argsort(part.astype(np.uint16 if parts < 2**16 else np.uint32), kind="stable")
    coded = coded[order]
    rows = np.searchsorted(part[order], np.arange(parts + 1))
    edges = np.full(parts + 1, file.tell(), dtype=np.int64)
    for place in range(parts):
        if rows[place] < rows[place + 1]:
            stream = io.BytesIO()
            coded[int(rows[place]) : int(rows[place + 1])].write_ipc_stream(stream)
            file.write(stream.getbuffer())
        edges[place + 1] = file.tell()
    return edges
