"""From an interactions table of any length to a data set: select, number, sort, count, split.

The rows lie on disk in parts of some users each (:mod:`recsys.data.intake`). In memory are one
part, the distinct ids, and some numbers a user and an item.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from recsys import tables
from recsys.data import catalogue as items
from recsys.data import events, histories, intake
from recsys.data.events import Events
from recsys.data.histories import Histories
from recsys.data.intake import Intake
from recsys.data.selection import Left, Selection
from recsys.data.split import Split, Splitter, training_counts
from recsys.parted import Parted, Parting

HISTORIES: Final = "histories"
PART_ROWS: Final = 500_000  # on average; a user is never divided
MOST_PARTS: Final = 512  # further ones would make small stretches; from here on parts grow


class Content(NamedTuple):
    """What goes into a prepared folder; :mod:`recsys.data.prepared` says what each part is."""

    catalogue: pl.DataFrame
    users: pl.Series
    histories: Histories  # already in the folder
    split: Split
    facts: dict[str, Any]  # for the manifest: counts, behaviours, types of the ids, kind of time


def build(
    pieces: Iterable[pl.DataFrame],
    folder: Path,
    *,
    features: pl.DataFrame | None,
    selection: Selection,
    splitter: Splitter,
    extends: Path | None,
) -> Content:
    """Everything that a prepared folder holds, each interaction once; writes the histories.

    Args:
        pieces: Interactions, normalised and checked; at least one.
        folder: Exists; what is put down meanwhile is removed again.
        features: One row an item, or nothing.
        selection: Which interactions are kept.
        splitter: Who is trained on what.
        extends: A catalogue whose indices are kept, or nothing.

    Raises:
        InputError: A rule or a part of the split leaves nothing, or the features do not fit.
        ConfigError: The split cannot be made of this data.
    """
    with TemporaryDirectory(dir=folder) as name:
        taken = intake.take(pieces, Path(name) / "rows", selection=selection)
        parted, dropped = _sorted(taken, Path(name), selection=selection)
        left = selection.core(lambda: _each(parted), users=len(taken.users), items=len(taken.items))
        catalogue = items.number(_having(taken.items.ids, left.item), extends=extends)
        _pack(parted, left, taken, catalogue=catalogue, folder=folder / HISTORIES)
    packed = histories.read(folder / HISTORIES)
    split = splitter.split(packed, clock=taken.clock)
    counts = training_counts(split, packed, items=catalogue.height)
    dropped["core"] = taken.rows - sum(dropped.values()) - packed.events
    return Content(
        items.describe(catalogue, counts=counts, features=features, extends=extends),
        _having(taken.users.ids, left.user),
        packed,
        split,
        _facts(taken, packed, split, catalogue=catalogue, dropped=dropped),
    )


def _sorted(taken: Intake, folder: Path, *, selection: Selection) -> tuple[Parted, dict[str, int]]:
    """The histories in parts, before the core, and how many rows each rule has dropped so far."""
    parts = min(-(-taken.kept // PART_ROWS), MOST_PARTS)
    numbered = intake.number(taken, folder / "numbers", parts=parts)
    taken.parted.path.unlink()
    dropped = Counter(taken.dropped)
    with Parting(folder / "histories", parts=0) as parting:
        for rows in numbered.each():
            kept, lost = selection.of_user(events.in_order(events.of(rows)))
            parting.append(kept.rows())
            dropped.update(lost)
    return parting.parted, dict(dropped)


def _each(parted: Parted) -> Iterator[Events]:
    return (events.of(rows) for rows in parted.each())


def _pack(
    parted: Parted, left: Left, taken: Intake, *, catalogue: pl.DataFrame, folder: Path
) -> None:
    """Writes the histories of the users that have events."""
    index = items.indices(catalogue, taken.items.ids)
    lengths = left.user[left.user > 0]
    pieces = (events.pack(left.of(part), index=index, clock=taken.clock) for part in _each(parted))
    histories.write(np.concatenate([[0], np.cumsum(lengths)]), pieces, folder)


def _having(ids: pl.Series, counts: np.ndarray) -> pl.Series:
    """Ids that have events, sorted."""
    return ids.gather(np.flatnonzero(counts))


def _facts(
    taken: Intake,
    packed: Histories,
    split: Split,
    *,
    catalogue: pl.DataFrame,
    dropped: dict[str, int],
) -> dict[str, Any]:
    """What the manifest says of the data."""
    return {
        "counts": {
            "interactions": packed.events,
            "users": packed.users,
            "items": catalogue.height,
            "rows": taken.rows,
            "dropped": dropped,
            "dropped_users": taken.given_users - packed.users,
            **split.protocol["counts"],
        },
        "behaviours": taken.behaviours,
        "ids": {
            tables.USER_ID: str(taken.users.ids.dtype),
            tables.ITEM_ID: str(catalogue.schema[tables.ITEM_ID]),
        },
        "time": taken.clock,
    }
