"""Tables small enough to prepare by hand, and the way to prepare them."""

from pathlib import Path

import polars as pl

from recsys import tables
from recsys.data import events, intake
from recsys.data.prepared import Prepared, load
from recsys.data.selection import Selection
from recsys.data.split import LeaveOneOut, Splitter
from recsys.prepare import prepare

EVERYTHING = {
    "behaviours": None,
    "min_rating": None,
    "history_cap": None,
    "user_core": 1,
    "item_core": 1,
}


def taken(frame, folder: Path, *, time_unit="s", **rules):
    """What comes in of this table under these rules, and its sorted events, in one part."""
    table = tables.interactions(frame.lazy(), time_unit=time_unit).collect()
    selection = Selection(**{**EVERYTHING, **rules})
    found = intake.take([table], folder / "rows", selection=selection)
    parted = intake.number(found, folder / "numbers", parts=1)
    return found, events.in_order(events.of(parted.read(0)))


class Given:
    """A source of a table that is already there."""

    def __init__(self, frame, *, items=None, time_unit="s"):
        self.frame, self.features, self.time_unit = frame, items, time_unit

    def interactions(self):
        return tables.interactions(self.frame.lazy(), time_unit=self.time_unit)

    def items(self):
        return self.features

    def describe(self):
        return {"kind": "given"}


def rows(*events, behaviours=None, ratings=None):
    """An interactions table of (user_id, item_id, timestamp)."""
    frame = pl.DataFrame(list(events), schema=list(tables.INTERACTIONS), orient="row")
    if behaviours is not None:
        frame = frame.with_columns(pl.Series(tables.BEHAVIOUR, behaviours))
    if ratings is not None:
        frame = frame.with_columns(pl.Series(tables.RATING, ratings, dtype=pl.Float64))
    return frame


def prepare_frame(
    frame,
    out: Path,
    *,
    splitter: Splitter | None = None,
    items=None,
    time_unit="s",
    extends=None,
    overwrite=False,
    **rules,
) -> Prepared:
    """The prepared folder of this table, opened again."""
    source = Given(frame, items=items, time_unit=time_unit)
    return prepare_source(
        source, out, splitter=splitter, extends=extends, overwrite=overwrite, **rules
    )


def prepare_source(
    source, out: Path, *, splitter=None, extends=None, overwrite=False, **rules
) -> Prepared:
    """The prepared folder of this source, opened again."""
    prepare(
        source,
        out,
        selection=Selection(**{**EVERYTHING, **rules}),
        splitter=splitter or LeaveOneOut(),
        extends=extends,
        overwrite=overwrite,
        options={},
    )
    return load(out)
