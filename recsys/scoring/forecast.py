"""What a job will cost: the table is parted, some of its users are answered, nothing is kept."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from recsys.runtime import Bundle
from recsys.scoring.partition import Opening, Sink, Work, Worker
from recsys.scoring.plan import Options, check_options, make_plan
from recsys.scoring.spill import count, found, spill
from recsys.scoring.workspace import Workspace
from recsys.source.contract import Source

SAMPLE_ROWS: Final = 50_000  # about so many interactions are answered


class Forecast(NamedTuple):
    """Measured on the users of a sample, and for all; seconds are of a processor."""

    sampled_users: int
    users: int  # about
    candidates: int
    parting_seconds: float  # of the whole table
    seconds_per_million_users: float  # to answer them
    hours: float  # of one processor for the whole job
    spill_megabytes: float  # on disk until the lists are published
    lists_megabytes: float

    def rows(self) -> list[tuple[str, str]]:
        """As people read it."""
        return [(name.replace("_", " "), f"{value:,.4g}") for name, value in self._asdict().items()]


def forecast(
    load: Callable[[], Bundle], source: Source, sink: Sink, *, options: Options
) -> Forecast:
    """Does what a job does for one hash of users among many, in a folder that is then removed.

    Raises:
        InputError: The histories or a filter cannot be used.
        ConfigError: An option is out of range, or the filters leave no item.
        ArtifactError: The bundle gives scores that are no numbers.
    """
    check_options(options)
    opening = Opening(load)
    plan = make_plan(opening(), source, options=options, sink=sink)
    parts = max(count(plan.frame) // SAMPLE_ROWS, 1)
    with tempfile.TemporaryDirectory() as name:
        work = Workspace(Path(name))
        work.begin(plan.identity)
        path = work.folder / "spill"
        started = time.process_time()
        spill(plan.frame, path, job=plan.job, parts=parts, wanted={0}, tolerated=1)
        parting = time.process_time() - started
        assert found(path) is not None
        worker = Worker(Work(opening, plan.question, work.folder, path, sink))
        started = time.process_time()
        receipt = worker.answer(0)
        seconds = time.process_time() - started
        lists = 0 if receipt.file is None else (work.lists / receipt.file).stat().st_size
        parted = path.stat().st_size
    users = max(receipt.counts["users"], 1)
    return Forecast(
        sampled_users=receipt.counts["users"],
        users=receipt.counts["users"] * parts,
        candidates=len(plan.question.candidates.items),
        parting_seconds=parting,
        seconds_per_million_users=seconds / users * 1e6,
        hours=(parting + seconds * parts) / 3600,
        spill_megabytes=parted * parts / 1e6,
        lists_megabytes=lists * parts / 1e6,
    )
