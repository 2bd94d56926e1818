"""What a person sees of a finished job: its counts, and some lists with titles and reasons."""

from collections.abc import Mapping
from typing import Final

import polars as pl

from recsys import tables

RANKS: Final = 5  # shown of each list
REASONS: Final = 2  # shown of each recommendation


def facts(counts: Mapping[str, object]) -> list[tuple[str, object]]:
    """Counts of the summary in words; examples in one cell, left out where there are none."""
    return [
        (name.replace("_", " "), _cell(value))
        for name, value in counts.items()
        if value or value == 0
    ]


def _cell(value: object) -> object:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {number}" for name, number in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def readable(lists: pl.DataFrame, *, catalogue: pl.DataFrame) -> list[tuple[object, ...]]:
    """Rows of user, rank, title and reasons; ids stand in for titles that are not known.

    Args:
        lists: A few recommendations.
        catalogue: Of the bundle.
    """
    title = pl.col(tables.ITEM_ID).cast(pl.String)
    if tables.TITLE in catalogue.columns:
        title = pl.coalesce(pl.col(tables.TITLE), title)
    titles = dict(catalogue.select(tables.ITEM_ID, title.alias(tables.TITLE)).iter_rows())
    lists = lists.filter(pl.col(tables.RANK) <= RANKS)
    columns = [tables.USER_ID, tables.RANK, tables.ITEM_ID]
    reasons = lists[tables.BECAUSE].to_list() if tables.BECAUSE in lists.columns else []
    rows = lists.select(columns).rows()
    return [
        (str(user), rank, titles[item], _reason(reasons[place] if reasons else [], titles))
        for place, (user, rank, item) in enumerate(rows)
    ]


def _reason(because: list[dict[str, object]], titles: Mapping[object, object]) -> str:
    return "; ".join(
        f"{titles[reason[tables.ITEM_ID]]} ({reason[tables.WEIGHT]:.2f})"
        for reason in because[:REASONS]
    )
