"""From a bundle and histories to a folder of lists, one part of the users after the other."""

import json
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from recsys import tables
from recsys.console import progress
from recsys.errors import ConfigError, InputError
from recsys.folder import fingerprint
from recsys.runtime import Bundle, Recommendations
from recsys.scoring.candidates import Tables, choose
from recsys.scoring.histories import Histories, arrange
from recsys.scoring.lists import Question, as_table, recommend
from recsys.scoring.quotas import read_quotas
from recsys.scoring.roads import Road, Work, sum_of
from recsys.scoring.spill import Codes, Spill, spill
from recsys.source.contract import Source
from recsys.timestamps import ORDER

SUMMARY: Final = "summary.json"
SPILL: Final = "spill"
SAMPLE_USERS: Final = 3


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


class Tally(NamedTuple):
    """What the lists of some users hold."""

    users: int = 0
    recommendations: int = 0
    users_without_known_item: int = 0
    users_with_short_list: int = 0  # fewer than k, none at all included
    users_without_list: int = 0
    duplicate_rows: int = 0


class Written(NamedTuple):
    """What is in the folder once every part is there."""

    tally: Tally
    files: dict[str, str]  # name to SHA-256
    sample: pl.DataFrame  # the lists of the first users
    work: Work


class Result(NamedTuple):
    """What ``summary.json`` says, and the lists of the first users."""

    summary: dict[str, Any]
    sample: pl.DataFrame


def score(bundle: Bundle, source: Source, folder: Path, *, options: Options) -> Result:
    """Writes ``part-00000.parquet``, ... and ``summary.json`` into an empty folder.

    Memory depends on ``part_rows`` and on the longest history, never on the number of users.

    Raises:
        InputError: The histories or a filter cannot be used.
        ConfigError: An option is out of range, or the filters leave no item.
        ArtifactError: The bundle gives scores that are no numbers.
    """
    started = time.perf_counter()
    _check(options)
    question = _question(bundle, options=options)
    chosen = question.candidates
    parted = _parted(bundle, source, folder / SPILL, part_rows=options.part_rows)
    written = _write(bundle, parted, folder, question=question)
    parted.path.unlink()
    counts = parted.counts._asdict() | written.tally._asdict()
    seconds = time.perf_counter() - started
    summary = {
        "bundle": {key: bundle.manifest.get(key) for key in ("name", "model_hash")},
        "histories": source.describe(),
        "options": options._asdict() | {"device": bundle.device},
        "counts": counts | {"candidates": len(chosen.items), "unknown_in_filters": chosen.unknown},
        "work": written.work.facts() | {"road": question.road.chosen},
        "seconds": round(seconds, 3),
        "users_per_second": round(written.tally.users / seconds, 1),
        "files": written.files,
    }
    text = json.dumps(summary, indent=2, default=str) + "\n"
    (folder / SUMMARY).write_text(text, encoding="utf-8")
    return Result(summary=summary, sample=written.sample)


def _check(options: Options) -> None:
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
    chosen = choose(bundle.catalogue, allow=options.allow, deny=options.deny, rerank=options.rerank)
    return Question(
        candidates=chosen,
        quotas=read_quotas(bundle.catalogue, quota=options.quota, category=options.category),
        k=options.k,
        exclude_seen=options.seen == "exclude",
        batch_size=options.batch_size,
        tile=options.tile,
        threads=options.threads,
        road=Road(options.road, bundle=bundle, candidates=chosen.items),
    )


def _parted(bundle: Bundle, source: Source, path: Path, *, part_rows: int) -> Spill:
    """The histories on disk, parted by user, in the numbers of the bundle."""
    codes = Codes(
        catalogue=bundle.catalogue,
        behaviours=tuple(bundle.manifest["behaviours"]),
        text_users=bundle.manifest["ids"][tables.USER_ID] == "String",
    )
    try:
        frame = source.interactions()
        _check_clock(frame, trained_on=bundle.manifest["time"])
        return spill(frame, path, codes=codes, part_rows=part_rows)
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        message = f"histories cannot be read ({reason}): correct the file or source.* settings"
        raise InputError(message) from error


def _check_clock(frame: pl.LazyFrame, *, trained_on: str) -> None:
    clock = tables.clock(frame.collect_schema())
    if clock != trained_on:
        message = (
            f"the bundle was trained on times as {trained_on}, but the histories hold {clock}: "
            f"set source.time_unit={'order' if trained_on == ORDER else 's'}"
        )
        raise ConfigError(message)


def _write(bundle: Bundle, parted: Spill, folder: Path, *, question: Question) -> Written:
    """One file for each part, one part at a time in memory."""
    tally, work, files, sample = Tally(), Work(), {}, pl.DataFrame()
    with progress("scoring", parted.users(), "users") as advance:
        for number, part in enumerate(parted.parts):
            table, here, done = _answer(bundle, parted.read(part), question=question)
            name = f"part-{number:05}.parquet"
            table.write_parquet(folder / name)
            files[name] = fingerprint(folder / name)
            sample = sample if number else table.head(SAMPLE_USERS * question.k)
            tally = Tally(*(np.add(tally, here).tolist()))
            work = sum_of((work, done))
            del table  # before the next part is read
            advance(here.users)
    return Written(tally=tally, files=files, sample=sample, work=work)


def _answer(
    bundle: Bundle, rows: pl.DataFrame, *, question: Question
) -> tuple[pl.DataFrame, Tally, Work]:
    """The lists of all users of a part, what they hold and what was done for them."""
    ids = bundle.catalogue[tables.ITEM_ID]
    histories = arrange(rows, items=bundle.items)
    lists, work = recommend(bundle, histories, question=question)
    table = as_table(histories.users, lists, item_ids=pl.concat([ids.clear(1), ids]))
    return table, _tally(histories, lists, k=question.k), work


def _tally(histories: Histories, lists: Recommendations, *, k: int) -> Tally:
    lengths = np.count_nonzero(lists.items, axis=1)
    return Tally(
        users=len(histories.users),
        recommendations=int(lengths.sum()),
        users_without_known_item=int((np.diff(histories.offset) == 0).sum()),
        users_with_short_list=int((lengths < k).sum()),
        users_without_list=int((lengths == 0).sum()),
        duplicate_rows=histories.duplicates,
    )
