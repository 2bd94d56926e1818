"""From a bundle and histories to a folder of lists: planned, done part by part, checked, published.

A job that is killed goes on where it was when the same command comes again, and ends with the same
bytes. Its shards can be done by processes that know nothing of each other.
"""

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from recsys import tables
from recsys.console import progress
from recsys.errors import ArtifactError, ConfigError, InputError
from recsys.folder import PARTIAL, held, hidden_folder, kept, refuse_existing
from recsys.runtime import Bundle
from recsys.scoring import checks
from recsys.scoring.partition import Engine, Opening, Receipt, Sink, Work
from recsys.scoring.plan import Options, Plan, check_options, make_plan
from recsys.scoring.shard import WHOLE, Shard
from recsys.scoring.spill import found, spill
from recsys.scoring.summary import SUMMARY, TIMING, check_quarantine, summarise, write_json
from recsys.scoring.workspace import Workspace
from recsys.source.contract import Source

SAMPLE_USERS: Final = 3

logger = logging.getLogger(__name__)


class Output(NamedTuple):
    """Where the lists go, as what, and what may be dropped for them."""

    path: Path
    sink: Sink
    overwrite: bool  # earlier lists
    restart: bool  # an unfinished job


class Standard(NamedTuple):
    """What is good enough to be published."""

    limits: checks.Limits
    max_quarantined: float  # share of the rows, and of the users
    yesterday: str | None  # earlier lists, to be compared with


class Result(NamedTuple):
    """What became of a job, or of a shard of it."""

    summary: dict[str, Any] | None  # as published; None for a shard
    sample: pl.DataFrame  # lists of the first users
    parts: int
    done: int  # now, by whomever


def score(
    load: Callable[[], Bundle],
    source: Source,
    output: Output,
    *,
    options: Options,
    standard: Standard,
    engine: Engine,
    shard: Shard,
) -> Result:
    """Publishes the lists of all users; of a shard, leaves its parts for the whole job to publish.

    Memory depends on ``part_rows`` and on the longest history, never on the number of users.

    Raises:
        InputError: The histories or a filter cannot be used.
        ConfigError: An option is out of range, the filters leave no item, or the folder holds
            something else.
        ArtifactError: The bundle gives scores that are no numbers, the disk takes no more, or
            another run holds the folder. Parts that are done stay.
        RejectedError: A limit is passed. All parts stay.
    """
    check_options(options)
    work = Workspace(hidden_folder(output.path))
    if not work.begun:
        _refuse(output, standard)
    with _alone(work, output, shard=shard):
        if shard == WHOLE and (output.restart or not work.begun):
            work.clear()
        opening = Opening(load)
        bundle = opening()
        with _readable():
            plan = make_plan(bundle, source, options=options, sink=output.sink)
        work.check(plan.identity)
        if work.begun and output.sink.holds(output.path, job=plan.job):  # killed at the very end
            work.clear()
            return _published(output, sample=pl.DataFrame(), parts=plan.parts)
        _refuse(output, standard)
        started = time.perf_counter()
        with _readable():
            before = _begin(work, plan, tolerated=standard.max_quarantined, shard=shard)
        to_do = Work(opening, plan.question, work.folder, _spill_of(work, shard), output.sink)
        receipts = before | _answer(to_do, plan, done=before, engine=engine, shard=shard)
        if shard != WHOLE:
            return Result(None, pl.DataFrame(), parts=plan.parts, done=len(receipts))
        _judge(work, plan, receipts, standard=standard)
        timing = {"seconds": time.perf_counter() - started, "parts_taken_over": len(before)}
        write_json(work.lists / TIMING, timing)
        sample = _sample(work, output.sink, receipts)
        output.sink.publish(work.lists, output.path, job=plan.job)
        work.clear()
        return _published(output, sample=sample, parts=plan.parts)


def _refuse(output: Output, standard: Standard) -> None:
    """Refuses before long work what would fail at its end."""
    if standard.yesterday is not None:
        checks.read(Path(standard.yesterday))
    refuse_existing(output.path, overwrite=output.overwrite, marker=output.sink.marker)


@contextmanager
def _alone(work: Workspace, output: Output, *, shard: Shard) -> Iterator[None]:
    """Holds the folder, and the shard; leaves no folder behind in which nothing was begun.

    Raises:
        ConfigError: A shard was told to drop what other shards do.
        ArtifactError: Another run holds it, or the disk failed; parts that are done stay.
    """
    if output.restart and shard != WHOLE:
        message = "restart=true drops the parts of all shards: remove the hidden folder instead"
        raise ConfigError(message)
    try:
        with ExitStack() as stack:
            stack.enter_context(kept(output.path, shared=shard != WHOLE))
            if shard != WHOLE:
                lock = work.folder / f"shard{shard.name}.lock"
                stack.enter_context(held(lock, what=f"shard {shard.number}/{shard.of}"))
            try:
                yield
            finally:
                if shard == WHOLE and not work.begun:
                    shutil.rmtree(work.folder, ignore_errors=True)
    except OSError as error:
        message = (
            f"'{error.filename or work.folder}' cannot be written ({error.strerror}): make room or "
            "mend it and run the same command again, which goes on with the parts that are missing"
        )
        raise ArtifactError(message) from error


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        message = f"histories cannot be read ({reason}): correct the file or source.* settings"
        raise InputError(message) from error


def _begin(work: Workspace, plan: Plan, *, tolerated: float, shard: Shard) -> dict[int, Receipt]:
    """Parts the histories where that is still to be done; returns the parts that are there."""
    done = work.done(plan.parts) if work.begun else {}
    missing = set(shard.of_parts(plan.parts)) - done.keys()
    path = _spill_of(work, shard)
    here = found(path)
    if missing and (here is None or here.job != plan.job or not missing <= set(here.parts)):
        spill(plan.frame, path, job=plan.job, parts=plan.parts, wanted=missing, tolerated=tolerated)
    work.begin(plan.identity)
    if done:
        logger.info("going on with an unfinished job: %d of %d parts done", len(done), plan.parts)
    return done


def _spill_of(work: Workspace, shard: Shard) -> Path:
    return work.folder / f"spill{shard.name}"


def _answer(
    work: Work, plan: Plan, *, done: Mapping[int, Receipt], engine: Engine, shard: Shard
) -> dict[int, Receipt]:
    """The receipts of the parts that are missing."""
    missing = [part for part in shard.of_parts(plan.parts) if part not in done]
    receipts: dict[int, Receipt] = {}
    if not missing:
        return receipts
    with progress("scoring", _users(work, missing), "users") as advance:
        for receipt in engine.run(work, missing):
            receipts[receipt.part] = receipt
            advance(receipt.counts["users"])
    return receipts


def _users(work: Work, parts: list[int]) -> int:
    """About how many users there are: parts are alike, so the first times their number."""
    here = found(work.spill)
    first = next((part for part in parts if here is not None and here.parted.holds(part)), None)
    if here is None or first is None:
        return 0
    return here.parted.read(first)[tables.USER_ID].n_unique() * len(parts)


def _judge(
    work: Workspace, plan: Plan, receipts: Mapping[int, Receipt], *, standard: Standard
) -> None:
    """Writes the summary, and refuses lists that are not good enough."""
    for leftover in work.lists.rglob(f".*{PARTIAL}"):  # of a run that was killed in a write
        leftover.unlink()
    summary = summarise(plan, work, receipts)
    found = checks.shares(summary["counts"], summary["scores"], yesterday=standard.yesterday)
    write_json(work.lists / SUMMARY, summary | {"checks": found})
    check_quarantine(summary, tolerated=standard.max_quarantined)
    checks.check(found, limits=standard.limits)


def _sample(work: Workspace, sink: Sink, receipts: Mapping[int, Receipt]) -> pl.DataFrame:
    for part in sorted(receipts):
        name = receipts[part].file
        if name is not None:
            lists = sink.decode(work.lists / name)
            users = lists[tables.USER_ID].unique(maintain_order=True).head(SAMPLE_USERS)
            return lists.filter(pl.col(tables.USER_ID).is_in(users.implode()))
    return pl.DataFrame()


def _published(output: Output, *, sample: pl.DataFrame, parts: int) -> Result:
    summary = json.loads((output.path / output.sink.summary).read_bytes())
    return Result(summary, sample, parts=parts, done=parts)
