"""One part of the users answered: the unit of a job, whichever process or machine it runs in.

The same rows, bundle and question give the same bytes. A part is done when its receipt is there;
its lists and the rows set aside reach the disk before that.
"""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import polars as pl

from recsys import tables
from recsys.errors import ArtifactError
from recsys.folder import fingerprint, write_whole
from recsys.runtime import Bundle, Recommendations
from recsys.scoring import roads, spill
from recsys.scoring.histories import Histories, arrange
from recsys.scoring.lists import Question, as_table, recommend
from recsys.scoring.rows import WHY, Codes, Counts, code
from recsys.scoring.tally import Tally, count

NO_NUMBERS: Final = "scores are no numbers"


class Sink(Protocol):
    """What the lists are written as, and how a finished folder of them takes its place."""

    suffix: str  # of a part's file
    marker: str  # what ``out`` holds when this sink has written it, and may replace it
    summary: str  # the name that the summary has there

    def encode(self, table: pl.DataFrame) -> bytes:
        """The file of a part; ``table`` as :func:`recsys.scoring.lists.as_table` returns it."""
        ...

    def decode(self, path: Path) -> pl.DataFrame:
        """User, rank, item_id and score of a part's file."""
        ...

    def publish(self, lists: Path, out: Path, *, job: str) -> None:
        """Replaces ``out`` by this folder of parts and summary, at once or not at all."""
        ...

    def holds(self, out: Path, *, job: str) -> bool:
        """Whether ``out`` is what :meth:`publish` made of this job."""
        ...


class Opening:
    """A bundle that is opened when first asked for; a copy in another process opens its own."""

    def __init__(self, load: Callable[[], Bundle]) -> None:
        self.load = load
        self._bundle: Bundle | None = None

    def __call__(self) -> Bundle:
        if self._bundle is None:
            self._bundle = self.load()
        return self._bundle

    def __reduce__(self) -> tuple[type["Opening"], tuple[Callable[[], Bundle]]]:
        return Opening, (self.load,)


class Work(NamedTuple):
    """What it takes to answer parts; can be sent to another process."""

    opening: Opening
    question: Question
    folder: Path  # of the job, seen by every worker
    spill: Path
    sink: Sink


class Receipt(NamedTuple):
    """That a part is done, and what is in it."""

    part: int
    file: str | None  # name and SHA-256 of its lists; none where no user hashed to the part
    sha256: str | None
    aside: str | None  # SHA-256 of the rows set aside, where there are any
    counts: dict[str, Any]
    scores: Sequence[float]  # how many, their sum, the sum of their squares


class Engine(Protocol):
    """Where parts are answered: here, or on many machines."""

    def run(self, work: Work, parts: Sequence[int]) -> Iterator[Receipt]:
        """The receipts of these parts, as they are done."""
        ...


class Worker:
    """Answers parts, one at a time."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.bundle = work.opening()
        question = work.question
        self.road = roads.Road(
            question.road, bundle=self.bundle, candidates=question.candidates.items
        )
        found = spill.found(work.spill)
        assert found is not None
        self.spill = found

    def ready(self) -> bool:
        """True as soon as the bundle is open."""
        return True

    def answer(self, part: int) -> Receipt:
        """Writes the lists of a part, the rows set aside and the receipt.

        Raises:
            ArtifactError: The bundle gives no user scores that are numbers, or the rows of the part
                are damaged.
        """
        receipt = Receipt(
            part, None, None, None, _counts(Counts(), Tally(), roads.Effort()), (0, 0, 0)
        )
        if self.spill.parted.holds(part):
            receipt = self._answer(part)
        text = json.dumps(receipt._asdict())
        write_whole(self.work.folder / receipt_name(part), text.encode())
        return receipt

    def _answer(self, part: int) -> Receipt:
        bundle, question, manifest = self.bundle, self.work.question, self.bundle.manifest
        codes = Codes(
            catalogue=bundle.catalogue,
            behaviours=tuple(manifest["behaviours"]),
            text_users=self.spill.text_users or manifest["ids"][tables.USER_ID] == "String",
        )
        coded = code(self.spill.parted.read(part), codes=codes)
        if not coded.rows.height:
            return self._write(
                part, aside=coded.aside, counts=_counts(coded.counts, Tally(), roads.Effort())
            )
        histories = arrange(coded.rows, items=bundle.items)
        lists, spent = recommend(bundle, histories, question=question, road=self.road)
        lists, spoilt = _without(lists, spoilt=_spoilt(lists))
        ids = bundle.catalogue[tables.ITEM_ID]
        return self._write(
            part,
            table=as_table(histories.users, lists, item_ids=pl.concat([ids.clear(1), ids])),
            aside=pl.concat([coded.aside, _users_aside(histories, spoilt)], how="diagonal"),
            counts=_counts(
                coded.counts,
                count(histories, lists, k=question.k, seen_is_wrong=question.exclude_seen),
                spent,
            ),
            spoilt=int(spoilt.sum()),
        )

    def _write(
        self,
        part: int,
        *,
        aside: pl.DataFrame,
        counts: dict[str, Any],
        table: pl.DataFrame | None = None,
        spoilt: int = 0,
    ) -> Receipt:
        folder, sink = self.work.folder, self.work.sink
        file = None if table is None else f"part-{part:05}{sink.suffix}"
        if table is not None and file is not None:
            write_whole(folder / "lists" / file, sink.encode(table))
        if aside.height:
            stream = io.BytesIO()
            aside.write_parquet(stream)
            write_whole(folder / aside_name(part), stream.getvalue())
        scores = pl.Series([], dtype=pl.Float32) if table is None else table[tables.SCORE]
        exact = scores.cast(pl.Float64).to_numpy()
        return Receipt(
            part=part,
            file=file,
            sha256=file and fingerprint(folder / "lists" / file),
            aside=fingerprint(folder / aside_name(part)) if aside.height else None,
            counts=counts | {"quarantined_users": spoilt},
            scores=(len(exact), float(exact.sum()), float((exact**2).sum())),
        )


def receipt_name(part: int) -> str:
    """Of a job's folder."""
    return f"receipts/{part:05}.json"


def aside_name(part: int) -> str:
    """Of a job's folder."""
    return f"aside/{part:05}.parquet"


def _counts(rows: Counts, lists: Tally, effort: roads.Effort) -> dict[str, Any]:
    return rows._asdict() | lists._asdict() | effort._asdict()


def _spoilt(lists: Recommendations) -> np.ndarray:
    """Which lists hold a score that is no number; a graph may take NaN for an empty place."""
    bad = np.isnan(lists.scores) | ((lists.items > 0) & ~np.isfinite(lists.scores))
    return np.asarray(bad.any(axis=1))


def _without(lists: Recommendations, *, spoilt: np.ndarray) -> tuple[Recommendations, np.ndarray]:
    """The lists with nothing in the spoilt ones, and which these are."""
    if spoilt.all():
        message = "the bundle gives scores that are no numbers: train again and export that run"
        raise ArtifactError(message)
    if not spoilt.any():
        return lists, spoilt
    return lists._replace(items=np.where(spoilt[:, None], 0, lists.items)), spoilt


def _users_aside(histories: Histories, spoilt: np.ndarray) -> pl.DataFrame:
    users = histories.users.filter(pl.Series(spoilt)).cast(pl.String)
    return pl.DataFrame(
        {tables.USER_ID: users, WHY: pl.Series([NO_NUMBERS] * len(users))},
        schema={tables.USER_ID: pl.String, WHY: pl.String},
    )
