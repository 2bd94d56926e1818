"""Histories without times, as sequence papers publish them: only the order of events is known."""

from pathlib import Path
from typing import Any, Final

import polars as pl

from recsys import tables
from recsys.errors import ConfigError, InputError
from recsys.folder import fingerprint
from recsys.source.contract import one_character
from recsys.timestamps import ORDER

LAYOUTS: Final = ("user_items", "items", "pairs")
LINE: Final = "line"
NOWHERE: Final = "\x01"  # a separator that no text holds, so that a line is one field


class Sequences:
    """Sequences of items in order of time, in one text file, gzipped or not.

    Args:
        path: The file.
        layout: ``user_items``: one user a line, the user and then the items. ``items``: one history
            a line, the user is the line's number from 1. ``pairs``: ``user item``, one event a
            line, a user's events in order of time.
        separator: One character between the words of a line.
    """

    def __init__(self, path: str, *, layout: str, separator: str) -> None:
        if layout not in LAYOUTS:
            allowed = ", ".join(LAYOUTS)
            message = f"source.layout is one of {allowed}, but is '{layout}': choose one"
            raise ConfigError(message)
        self.path = Path(path)
        self.layout = layout
        self.separator = one_character(separator)
        if not self.path.is_file():
            message = f"no file at '{path}': set source.path to a text file of sequences"
            raise InputError(message)

    def interactions(self) -> pl.LazyFrame:
        """One row an event, in file order; ``timestamp`` counts 1, 2, 3 ... within a user."""
        events = self._pairs() if self.layout == "pairs" else self._exploded()
        place = pl.int_range(1, pl.len() + 1).over(tables.USER_ID).alias(tables.TIMESTAMP)
        return tables.interactions(events.with_columns(place), time_unit=ORDER)

    def items(self) -> None:
        """Nothing is known about the items."""
        return

    def describe(self) -> dict[str, Any]:
        """Path, layout and checksum, for the manifest."""
        return {
            "kind": "sequences",
            "path": str(self.path),
            "layout": self.layout,
            "files": {self.path.name: fingerprint(self.path)},
            "time": ORDER,
        }

    def _pairs(self) -> pl.LazyFrame:
        return self._scan(separator=self.separator, names=[tables.USER_ID, tables.ITEM_ID])

    def _exploded(self) -> pl.LazyFrame:
        words = pl.col(LINE).str.split(self.separator)
        lines = self._scan(separator=NOWHERE, names=[LINE])
        if self.layout == "items":
            users = lines.with_row_index(tables.USER_ID, offset=1)
            histories = users.select(tables.USER_ID, words.alias(tables.ITEM_ID))
        else:
            histories = lines.select(
                words.list.first().alias(tables.USER_ID), words.list.slice(1).alias(tables.ITEM_ID)
            )
        return histories.explode(tables.ITEM_ID).filter(pl.col(tables.ITEM_ID) != "")

    def _scan(self, *, separator: str, names: list[str]) -> pl.LazyFrame:
        return pl.scan_csv(
            self.path,
            separator=separator,
            has_header=False,
            new_columns=names,
            infer_schema=False,
            quote_char=None,
            raise_if_empty=False,
        )
