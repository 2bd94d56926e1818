"""What a job is, before its first part: checked settings, the parts, and what makes it this job."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from recsys import tables
from recsys.errors import ConfigError
from recsys.folder import fingerprint
from recsys.runtime import Bundle
from recsys.scoring.candidates import Tables, choose
from recsys.scoring.lists import Question
from recsys.scoring.partition import Sink
from recsys.scoring.quotas import read_quotas
from recsys.scoring.roads import choose_road
from recsys.scoring.spill import PROBE, count
from recsys.scoring.workspace import name_of
from recsys.source.contract import Source
from recsys.source.table import files
from recsys.timestamps import ORDER

UNCHANGING: Final = ("threads",)  # options that change no byte


class Options(NamedTuple):
    """What a job may be told; ``conf/score.yaml`` says what each means."""

    k: int
    seen: str
    allow: Tables
    deny: Tables
    rerank: str | None
    quota: int | None
    category: str
    batch_size: int
    tile: int | None
    threads: int
    road: str
    part_rows: int


class Plan(NamedTuple):
    """A job that can begin, or go on."""

    frame: pl.LazyFrame
    question: Question
    road: str  # that was chosen
    parts: int
    identity: dict[str, Any]  # equal for jobs that end with the same bytes
    job: str  # its name


def make_plan(bundle: Bundle, source: Source, *, options: Options, sink: Sink) -> Plan:
    """Counts the rows and reads the filters; writes nothing.

    Raises:
        InputError: The histories or a filter cannot be used.
        ConfigError: The filters leave no item, or the clock is not that of training.
    """
    question = _question(bundle, options=options)
    road = choose_road(options.road, bundle=bundle)
    frame = source.interactions()
    _check_clock(frame, trained_on=bundle.manifest["time"])
    parts = -(-count(frame) // options.part_rows)
    settings = {name: value for name, value in options._asdict().items() if name not in UNCHANGING}
    identity = {
        "bundle": {key: bundle.manifest.get(key) for key in ("name", "model_hash", "precision")},
        "histories": source.describe(),
        "options": settings | {"device": bundle.device},
        "filters": {
            name: [fingerprint(file) for file in found] for name, found in _filters(bundle, options)
        },
        "sink": type(sink).__name__,
        "parts": parts,
        "hash": PROBE,
    }
    return Plan(frame, question, road, parts, identity, job=name_of(identity))


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


def _question(bundle: Bundle, *, options: Options) -> Question:
    """What the options ask of every user; tables are read and checked here, before long work."""
    return Question(
        candidates=choose(
            bundle.catalogue, allow=options.allow, deny=options.deny, rerank=options.rerank
        ),
        quotas=read_quotas(bundle.catalogue, quota=options.quota, category=options.category),
        k=options.k,
        exclude_seen=options.seen == "exclude",
        batch_size=options.batch_size,
        tile=options.tile,
        threads=options.threads,
        road=options.road,
    )


def _filters(bundle: Bundle, options: Options) -> Iterator[tuple[str, list[Path]]]:
    """The files of each table that narrows the lists."""
    for name in ("allow", "deny", "rerank"):
        given: Tables = getattr(options, name)
        paths = [given] if isinstance(given, str) else given or ()
        yield name, [file for path in paths for file in files(path)]
    table = options.quota is not None and options.category not in bundle.catalogue.columns
    yield "category", files(options.category) if table else []


def _check_clock(frame: pl.LazyFrame, *, trained_on: str) -> None:
    clock = tables.clock(frame.collect_schema())
    if clock != trained_on:
        message = (
            f"the bundle was trained on times as {trained_on}, but the histories hold {clock}: "
            f"set source.time_unit={'order' if trained_on == ORDER else 's'}"
        )
        raise ConfigError(message)
