"""One row a user, as a cache keeps it: Parquet files whose rows hold a whole list."""

import io
from pathlib import Path

import polars as pl

from recsys import tables
from recsys.folder import replace
from recsys.scoring.summary import SUMMARY
from recsys.sink.parquet import is_of


class Lists:
    """``part-00000.parquet``, ... with user_id, item_ids and scores, best first; no reasons."""

    suffix = ".parquet"
    marker = SUMMARY
    summary = SUMMARY

    def encode(self, table: pl.DataFrame) -> bytes:
        stream = io.BytesIO()
        together(table).write_parquet(stream)
        return stream.getvalue()

    def decode(self, path: Path) -> pl.DataFrame:
        return apart(pl.read_parquet(path))

    def publish(self, lists: Path, out: Path, *, job: str) -> None:
        replace(out, lists)

    def holds(self, out: Path, *, job: str) -> bool:
        return is_of(out / SUMMARY, job=job)


def together(table: pl.DataFrame) -> pl.DataFrame:
    """A row for each user, in their order; the lists of a user stand together, by rank."""
    return table.group_by(tables.USER_ID, maintain_order=True).agg(
        pl.col(tables.ITEM_ID).alias(tables.ITEM_IDS), pl.col(tables.SCORE).alias(tables.SCORES)
    )


def apart(lists: pl.DataFrame) -> pl.DataFrame:
    """The rows that :func:`together` was given, without reasons."""
    return (
        lists.with_columns(
            pl.int_ranges(1, pl.col(tables.ITEM_IDS).list.len() + 1, dtype=pl.Int32).alias(
                tables.RANK
            )
        )
        .explode(tables.RANK, tables.ITEM_IDS, tables.SCORES)
        .select(
            tables.USER_ID,
            tables.RANK,
            pl.col(tables.ITEM_IDS).alias(tables.ITEM_ID),
            pl.col(tables.SCORES).alias(tables.SCORE),
        )
    )
