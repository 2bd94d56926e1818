"""What every source offers, and how its interactions are read and checked."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import polars as pl

from recsys import parted, tables
from recsys.errors import ConfigError, InputError


class Source(Protocol):
    """Where interactions come from."""

    def interactions(self) -> pl.LazyFrame:
        """One row an event in file order, as :func:`recsys.tables.interactions` leaves it."""
        ...

    def items(self) -> pl.DataFrame | None:
        """One row an item: ``item_id``, ``title``, ``categories``, other columns; or nothing."""
        ...

    def describe(self) -> dict[str, Any]:
        """Kind, path, checksums and options: what it takes to read the same data again."""
        ...


def read(source: Source) -> Iterator[pl.DataFrame]:
    """All interactions of a source, piece by piece in file order, without those refused at the end.

    Raises:
        InputError: A file that cannot be read, no row at all, or, once all were looked at, a value
            that cannot be used.
    """
    rows = 0
    bad: list[pl.DataFrame] = []
    with readable():
        for piece in parted.pieces(source.interactions()):
            unusable = tables.unusable(piece)
            rows += piece.height
            bad.append(piece.filter(unusable))
            yield piece.filter(~unusable)
    if not rows:
        message = "the source has no interactions: give a table with at least one row"
        raise InputError(message)
    tables.check(pl.concat(bad), of=rows)


def read_items(source: Source) -> pl.DataFrame | None:
    """What a source knows about its items.

    Raises:
        InputError: A file that cannot be read.
    """
    with readable():
        return source.items()


@contextmanager
def readable() -> Iterator[None]:
    """Turns the errors of reading files into one line; for every place where files are read."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        message = f"the source cannot be read ({reason}): correct the file or source.* settings"
        raise InputError(message) from error


def one_character(separator: str) -> str:
    r"""The separator of a text file; ``\t`` as a shell passes it is a tab.

    Raises:
        ConfigError: It is not one ASCII character.
    """
    separator = separator.replace("\\t", "\t")
    if len(separator.encode()) != 1:
        message = (
            f"source.separator is one character, but is '{separator}': set one, as ',' or '\\t'"
        )
        raise ConfigError(message)
    return separator
