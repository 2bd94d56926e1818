"""Interactions from any table: CSV, TSV or Parquet; gzipped or not; a file, a folder or a glob."""

from collections.abc import Mapping
from glob import has_magic
from pathlib import Path
from typing import Any, Final

import polars as pl

from recsys import tables
from recsys.errors import ConfigError, InputError
from recsys.folder import fingerprint
from recsys.source.contract import one_character
from recsys.timestamps import ORDER

PARQUET: Final = (".parquet", ".pq")
TEXT: Final = (".csv", ".tsv", ".txt", ".data", ".dat")
PACKED: Final = (".gz",)
SEPARATORS: Final = (",", "\t", ";", "|")
NOWHERE: Final = "\x01"  # a separator that no text holds, so that a line is one field


class Table:
    """A table of interactions, and optionally one of items, whose columns have names of their own.

    Args:
        path: A file, a folder of files of one kind, or a glob; files are read in order of name.
        columns: For ``user_id``, ``item_id``, ``timestamp``, ``behaviour`` and ``rating`` the name
            of the column in the file, or its place from 0 where ``header`` is false. ``behaviour``
            and ``rating`` may be null: there is none. Without a ``timestamp`` the order of rows is
            the order of time, and ``time_unit`` is ``order``.
        separator: Between the fields of a text file; null means the tab, comma, semicolon or bar
            that is most frequent in the first line.
        header: Whether the first line of a text file names the columns.
        time_unit: Of numeric times: ``s``, ``ms``, ``us``, ``ns``, or ``order``.
        items: Path of the table of items, or null.
        item_columns: For ``item_id``, ``title`` and ``categories`` the name of the column in the
            items table, or null; its other columns keep their names.
        list_separator: Between the categories of an item where they are text.
    """

    def __init__(
        self,
        path: str,
        *,
        columns: Mapping[str, str | int | None],
        separator: str | None,
        header: bool,
        time_unit: str,
        items: str | None,
        item_columns: Mapping[str, str | None],
        list_separator: str,
    ) -> None:
        self.path = path
        self.columns = dict(columns)
        self.separator = separator
        self.header = header
        self.time_unit = time_unit
        self.items_path = items
        self.item_columns = dict(item_columns)
        self.list_separator = list_separator
        if self.columns.get(tables.TIMESTAMP) is None and time_unit != ORDER:
            message = (
                "source.columns.timestamp names no column, so the order of rows is all there is: "
                "name one or set source.time_unit=order"
            )
            raise ConfigError(message)

    def interactions(self) -> pl.LazyFrame:
        """The interactions with the columns and types of :mod:`recsys.tables`, in file order.

        Raises:
            InputError: No such file, or a column that is missing or of a wrong type.
        """
        frame = scan(files(self.path), separator=self.separator, header=self.header)
        names = frame.collect_schema().names()
        chosen = {
            name: self._named(column, names=names, option=f"columns.{name}")
            for name, column in self.columns.items()
            if column is not None
        }
        if tables.TIMESTAMP not in chosen:
            frame = frame.with_row_index(tables.TIMESTAMP)
            chosen[tables.TIMESTAMP] = tables.TIMESTAMP
        renamed = frame.select(pl.col(column).alias(name) for name, column in chosen.items())
        return tables.interactions(renamed, time_unit=self.time_unit)

    def items(self) -> pl.DataFrame | None:
        """The items table: ``item_id``, ``title``, ``categories`` where named, and other columns.

        Raises:
            InputError: No such file, or a named column is missing.
        """
        if self.items_path is None:
            return None
        frame = scan(files(self.items_path), separator=self.separator, header=True)
        names = frame.collect_schema().names()
        chosen = {
            self._named(column, names=names, option=f"item_columns.{name}"): name
            for name, column in self.item_columns.items()
            if column is not None
        }
        frame = frame.rename(chosen)
        schema = frame.collect_schema()
        if schema.get(tables.CATEGORIES) == pl.String:
            frame = frame.with_columns(pl.col(tables.CATEGORIES).str.split(self.list_separator))
        return frame.collect()

    def describe(self) -> dict[str, Any]:
        """Path, checksums and options, for the manifest."""
        paths = files(self.path) + (files(self.items_path) if self.items_path else [])
        return {
            "kind": "table",
            "path": self.path,
            "files": {path.name: fingerprint(path) for path in paths},
            "columns": self.columns,
            "time_unit": self.time_unit,
            "time": ORDER if self.time_unit == ORDER else "seconds",
        }

    def _named(self, column: str | int, *, names: list[str], option: str) -> str:
        if isinstance(column, int) and 0 <= column < len(names):
            return names[column]
        if isinstance(column, str) and column in names:
            return column
        given = ", ".join(f"'{name}'" for name in names) or "none"
        message = (
            f"source.{option} is '{column}', but '{self.path}' has columns {given}: "
            f"set source.{option} to one of them"
        )
        raise InputError(message)


def files(path: str) -> list[Path]:
    """The data files that a path, a folder or a glob means, in order of name; hidden ones are not.

    Raises:
        InputError: There is none.
    """
    place = Path(path)
    if has_magic(path):
        anchor = Path(place.anchor)
        found = sorted(anchor.glob(str(place.relative_to(anchor))))
    elif place.is_dir():
        found = sorted(file for file in place.iterdir() if _kind(file) is not None)
    else:
        found = [place] if place.exists() else []
    found = [file for file in found if file.is_file() and not file.name.startswith((".", "_"))]
    if not found:
        message = f"no data file at '{path}': give a CSV, TSV or Parquet file, a folder or a glob"
        raise InputError(message)
    return found


def scan(paths: list[Path], *, separator: str | None, header: bool) -> pl.LazyFrame:
    """Files of one kind as one lazy frame; every column of a text file is text.

    Raises:
        InputError: The files are of several kinds or of none that is known.
    """
    kinds = {_kind(path) for path in paths}
    if kinds == {"parquet"}:
        return pl.scan_parquet(paths)
    if kinds != {"text"}:
        names = ", ".join(f"'{path.name}'" for path in paths[:3])
        known = ", ".join((*PARQUET, *TEXT))
        message = f"files are all Parquet or all text ({known}, .gz), but there are {names}: choose"
        raise InputError(message)
    return pl.scan_csv(
        paths,
        separator=_likely(paths[0]) if separator is None else one_character(separator),
        has_header=header,
        infer_schema=False,
        raise_if_empty=False,
    )


def _kind(path: Path) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in PACKED]
    last = suffixes[-1] if suffixes else ""
    if last in PARQUET:
        return "parquet"
    return "text" if last in TEXT else None


def _likely(path: Path) -> str:
    """The separator that is most frequent in the first line; a comma where there is none."""
    lines = pl.scan_csv(
        path,
        separator=NOWHERE,
        has_header=False,
        infer_schema=False,
        quote_char=None,
        raise_if_empty=False,
    )
    first = lines.head(1).collect()
    text = first.item() if first.height else ""
    return max(SEPARATORS, key=text.count)
