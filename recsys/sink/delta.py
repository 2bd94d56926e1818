"""A Delta table whose last version is the last job's lists: last night's, then tonight's.

The parts become files of the table as they are; one commit adds them and removes the earlier ones.
The files of earlier versions stay, for readers that are at them, until the table is vacuumed.
"""

import io
import json
import shutil
from pathlib import Path

import polars as pl

from recsys.errors import ArtifactError, ConfigError
from recsys.folder import write_whole
from recsys.scoring.summary import QUARANTINE, SUMMARY, TIMING
from recsys.sink.parquet import is_of

JOB_DIGITS = 16  # of a job's name, in the names of its files


class Delta:
    """The rows of ``sink=parquet`` as a table that is replaced in one commit.

    Raises:
        ConfigError: The package ``deltalake`` is not installed.
    """

    suffix = ".parquet"
    marker = "_delta_log"
    summary = f"_{SUMMARY}"  # readers and vacuums pass over names with an underscore

    def __init__(self) -> None:
        try:
            import deltalake  # noqa: F401
        except ModuleNotFoundError as error:
            message = "sink=delta needs the package deltalake: pip install 'recsys[delta]'"
            raise ConfigError(message) from error

    def encode(self, table: pl.DataFrame) -> bytes:
        stream = io.BytesIO()
        table.write_parquet(stream)
        return stream.getvalue()

    def decode(self, path: Path) -> pl.DataFrame:
        return pl.read_parquet(path)

    def publish(self, lists: Path, out: Path, *, job: str) -> None:
        """Commits the parts, unless the table's last commit is this job's; then the summary.

        Raises:
            ArtifactError: There is no part, so the columns are not known.
        """
        parts = sorted(lists.glob("part-*"))
        if not parts:
            message = "no user has a list, so there is no table to write: give histories with users"
            raise ArtifactError(message)
        out.mkdir(parents=True, exist_ok=True)
        if _last_job(out) != job:
            _commit(parts, out, job=job)
        shutil.rmtree(out / QUARANTINE.partition("/")[0], ignore_errors=True)
        if (lists / QUARANTINE).is_file():
            (out / QUARANTINE).parent.mkdir()
            write_whole(out / QUARANTINE, (lists / QUARANTINE).read_bytes())
        write_whole(out / f"_{TIMING}", (lists / TIMING).read_bytes())
        write_whole(out / self.summary, (lists / SUMMARY).read_bytes())

    def holds(self, out: Path, *, job: str) -> bool:
        return is_of(out / self.summary, job=job) and _last_job(out) == job


def _last_job(out: Path) -> str | None:
    from deltalake import DeltaTable

    if not DeltaTable.is_deltatable(str(out)):
        return None
    last: str | None = DeltaTable(str(out)).history(1)[0].get("job")
    return last


def _commit(parts: list[Path], out: Path, *, job: str) -> None:
    """Copies the parts into the table, under names of this job, and makes them its only files."""
    from arro3.core import Table
    from deltalake import CommitProperties, DeltaTable, Schema
    from deltalake.transaction import AddAction, create_table_with_add_actions

    files = []
    for part in parts:
        name = f"{part.stem}-{job[:JOB_DIGITS]}{part.suffix}"
        write_whole(out / name, part.read_bytes())
        rows = pl.scan_parquet(part).select(pl.len()).collect().item()
        status = (out / name).stat()
        files.append(
            AddAction(name, status.st_size, {}, int(status.st_mtime * 1000), data_change=True,
                      stats=json.dumps({"numRecords": rows}))
        )  # fmt: skip
    schema = Schema.from_arrow(Table(pl.read_parquet(parts[0], n_rows=0)).schema)
    said = CommitProperties(custom_metadata={"job": job})
    if DeltaTable.is_deltatable(str(out)):
        table = DeltaTable(str(out))
        table.create_write_transaction([*files], "overwrite", schema, commit_properties=said)
    else:
        create_table_with_add_actions(str(out), schema, files, commit_properties=said)
