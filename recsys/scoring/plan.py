"""What a job is, before its first part: checked settings, the parts, and what makes it this job."""

from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from recsys import tables
from recsys.errors import ConfigError
from recsys.folder import fingerprint
from recsys.scoring.candidates import Candidates, Tables
from recsys.scoring.partition import Opened, Sink
from recsys.scoring.question import Options
from recsys.scoring.spill import PROBE, count
from recsys.scoring.workspace import name_of
from recsys.source.contract import Source
from recsys.source.table import files
from recsys.timestamps import ORDER

FILTERS: Final = ("allow", "deny", "rerank", "category")
UNCHANGING: Final = ("threads",)  # options that change no byte


class Plan(NamedTuple):
    """A job that can begin, or go on."""

    frame: pl.LazyFrame
    chosen: Candidates
    parts: int
    identity: dict[str, Any]  # equal for jobs that end with the same bytes
    job: str  # its name


def make_plan(opened: Opened, source: Source, *, options: Options, sink: Sink) -> Plan:
    """Counts the rows and names the job; writes nothing.

    Raises:
        InputError: The histories cannot be used.
        ConfigError: The clock is not that of training.
    """
    bundle, question = opened
    frame = source.interactions()
    _check_clock(frame, trained_on=bundle.manifest["time"])
    parts = -(-count(frame) // options.part_rows)
    settings = {name: value for name, value in options._asdict().items() if name not in UNCHANGING}
    identity = {
        "bundle": {key: bundle.manifest.get(key) for key in ("name", "model_hash")},
        "histories": source.describe(),
        "options": settings | {"device": bundle.device},
        "filters": {name: _tables(getattr(options, name)) for name in FILTERS},
        "sink": type(sink).__name__,
        "parts": parts,
        "hash": PROBE,
    }
    return Plan(frame, question.candidates, parts, identity, job=name_of(identity))


def check_options(options: Options) -> None:
    """Raises ConfigError for a value out of range; before any work is done."""
    if options.seen not in ("exclude", "keep"):
        message = f"seen is exclude or keep, but is '{options.seen}': choose one"
        raise ConfigError(message)
    for name in ("k", "batch_size", "tile", "threads", "part_rows"):
        value = getattr(options, name)
        if value is not None and (not isinstance(value, int) or value < 1):
            message = (
                f"{name} is a whole number of at least 1, but is {value}: set {name}=1 or more"
            )
            raise ConfigError(message)


def _tables(given: Tables) -> list[str]:
    """Checksums of the tables that an option names; the name of a column has none."""
    paths = [given] if isinstance(given, str) else given or []
    return [fingerprint(file) for path in paths if Path(path).exists() for file in files(path)]


def _check_clock(frame: pl.LazyFrame, *, trained_on: str) -> None:
    clock = tables.clock(frame.collect_schema())
    if clock != trained_on:
        message = (
            f"the bundle was trained on times as {trained_on}, but the histories hold {clock}: "
            f"set source.time_unit={'order' if trained_on == ORDER else 's'}"
        )
        raise ConfigError(message)
