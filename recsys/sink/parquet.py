"""A folder of Parquet files, a row for each recommendation."""

import io
import json
from pathlib import Path

import polars as pl

from recsys.folder import replace
from recsys.scoring.summary import SUMMARY


class Parquet:
    """``part-00000.parquet``, ... with user_id, rank from 1, item_id, score and because."""

    suffix = ".parquet"
    marker = SUMMARY
    summary = SUMMARY

    def encode(self, table: pl.DataFrame) -> bytes:
        stream = io.BytesIO()
        table.write_parquet(stream)
        return stream.getvalue()

    def decode(self, path: Path) -> pl.DataFrame:
        return pl.read_parquet(path)

    def publish(self, lists: Path, out: Path, *, job: str) -> None:
        replace(out, lists)

    def holds(self, out: Path, *, job: str) -> bool:
        return is_of(out / SUMMARY, job=job)


def is_of(summary: Path, *, job: str) -> bool:
    """Whether this is the summary of that job."""
    return summary.is_file() and json.loads(summary.read_bytes()).get("job") == job
