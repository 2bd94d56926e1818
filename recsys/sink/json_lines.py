"""One line of JSON a user, for whatever fills a cache line by line."""

from pathlib import Path

import polars as pl

from recsys.folder import replace
from recsys.scoring.summary import SUMMARY
from recsys.sink.lists import apart, together
from recsys.sink.parquet import is_of


class JsonLines:
    """``part-00000.jsonl``, ... with lines of user_id, item_ids and scores, best first."""

    suffix = ".jsonl"
    marker = SUMMARY
    summary = SUMMARY

    def encode(self, table: pl.DataFrame) -> bytes:
        return together(table).write_ndjson().encode()

    def decode(self, path: Path) -> pl.DataFrame:
        return apart(pl.read_ndjson(path))

    def publish(self, lists: Path, out: Path, *, job: str) -> None:
        replace(out, lists)

    def holds(self, out: Path, *, job: str) -> bool:
        return is_of(out / SUMMARY, job=job)
