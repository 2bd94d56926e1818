"""From a checked interactions table to a data set: select, number, count, split."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from recsys import tables
from recsys.data import catalogue as items
from recsys.data import events
from recsys.data.histories import Histories
from recsys.data.selection import Selection
from recsys.data.split import Split, Splitter, training_events


class Content(NamedTuple):
    """What goes into a prepared folder; :mod:`recsys.data.prepared` says what each part is."""

    catalogue: pl.DataFrame
    users: pl.Series
    histories: Histories
    split: Split
    facts: dict[str, Any]  # for the manifest: counts, behaviours, types of the ids, kind of time


def build(
    frame: pl.DataFrame,
    *,
    features: pl.DataFrame | None,
    selection: Selection,
    splitter: Splitter,
    extends: Path | None,
) -> Content:
    """Everything that a prepared folder holds, each interaction once.

    Args:
        frame: Interactions, normalised and checked.
        features: One row an item, or nothing.
        selection: Which interactions are kept.
        splitter: Who is trained on what.
        extends: A catalogue whose indices are kept, or nothing.

    Raises:
        InputError: A rule or a part of the split leaves nothing, or the features do not fit.
        ConfigError: The split cannot be made of this data.
    """
    clock, rows = tables.clock(frame.schema), frame.height
    given_users = frame[tables.USER_ID].n_unique()
    chosen, dropped = selection.select(frame)
    catalogue = items.number(events.items(chosen), extends=extends)
    histories = events.pack(chosen, index=items.indices(catalogue, chosen.item_ids), clock=clock)
    split = splitter.split(histories, clock=clock)
    trained = histories.item[training_events(split, histories)]
    counts = np.bincount(trained, minlength=catalogue.height + 1)[1:]
    facts = {
        "counts": {
            "interactions": histories.events,
            "users": histories.users,
            "items": catalogue.height,
            "rows": rows,
            "dropped": dropped,
            "dropped_users": given_users - histories.users,
            **split.protocol["counts"],
        },
        "behaviours": chosen.behaviours,
        "ids": {
            tables.USER_ID: str(chosen.user_ids.dtype),
            tables.ITEM_ID: str(catalogue.schema[tables.ITEM_ID]),
        },
        "time": clock,
    }
    described = items.describe(catalogue, counts=counts, features=features, extends=extends)
    return Content(described, events.users(chosen), histories, split, facts)
