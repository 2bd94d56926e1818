"""What every source offers, and how its interactions are read and checked."""

from typing import Any, Protocol

import polars as pl

from recsys import tables
from recsys.errors import InputError


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


def read(source: Source) -> pl.DataFrame:
    """All interactions of a source, checked.

    Raises:
        InputError: A file that cannot be read, no row at all, or a value that cannot be used.
    """
    try:
        frame = source.interactions().collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        message = f"the source cannot be read ({reason}): correct the file or source.* settings"
        raise InputError(message) from error
    if not frame.height:
        message = "the source has no interactions: give a table with at least one row"
        raise InputError(message)
    tables.check(frame)
    return frame
