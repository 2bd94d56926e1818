"""What batch scoring makes of a log: the other definition that live states are held to."""

from typing import NamedTuple

import numpy as np
import polars as pl

from recsys import tables
from recsys.runtime import Events
from recsys.scoring.histories import arrange
from recsys.scoring.histories import events as newest
from recsys.scoring.rows import Codes, code, judged
from tests.contract.parts import ITEMS

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
COLUMNS = {
    tables.USER_ID: pl.String,
    tables.ITEM_ID: pl.String,
    tables.TIMESTAMP: pl.Int64,
    tables.BEHAVIOUR: pl.String,
}
EMPTY = np.zeros((1, 1), dtype=np.int64)


class Scored(NamedTuple):
    state: dict
    seen: list
    events: int
    unknown: int


def scored(bundle, log):
    """Of a user's log, (item, time, behaviour) by position."""
    rows = pl.DataFrame([("u", *event) for event in log], schema=COLUMNS, orient="row")
    table = judged(tables.interactions(rows.lazy(), time_unit="s").collect())
    codes = Codes(bundle.catalogue, tuple(bundle.manifest["behaviours"]), text_users=True)
    coded = code(table, codes=codes)
    past = arrange(coded.rows, items=ITEMS)
    if not len(past.users):
        return Scored(bundle.encode(Events(EMPTY, EMPTY, EMPTY)), [], 0, 0)
    read = newest(past, np.array([0]), history=bundle.history)
    unknown = coded.counts.unknown_item_rows + coded.counts.unknown_behaviour_rows
    events = int((read.item > 0).sum())
    return Scored(bundle.encode(read), past.seen.item.tolist(), events, unknown)


def assert_as_scored(recalled, row, *, bundle, log):
    """One user of what was recalled is what scoring makes of this log."""
    expected = scored(bundle, log)
    for entry in bundle.manifest["state"]:
        found, wanted = recalled.state[entry["name"]][row], expected.state[entry["name"]][0]
        if entry["width"] is None:  # empty slots in front come and go
            width = max(len(found), len(wanted))
            found, wanted = (np.pad(a, (width - len(a), 0)) for a in (found, wanted))
        np.testing.assert_allclose(found, wanted, **CLOSE)
    seen = recalled.seen[row]
    assert seen[seen > 0].tolist() == expected.seen
    assert (recalled.events[row], recalled.unknown[row]) == (expected.events, expected.unknown)
