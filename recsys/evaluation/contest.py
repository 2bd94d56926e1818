"""Several systems judged one after the other, with progress for those who wait."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, Protocol

from recsys import console
from recsys.data.batches import Part, asked
from recsys.data.prepared import Prepared
from recsys.evaluation.comparison import facts
from recsys.evaluation.protocol import Scorer, Seen, evaluate
from recsys.evaluation.report import Report

logger = logging.getLogger(__name__)


class Baseline(Protocol):
    """What is fitted to the training part before it can be judged."""

    def fit(self, prepared: Prepared) -> Scorer:
        """The fitted scorer."""


class Contest(NamedTuple):
    """How every system is judged; see ``recsys.evaluation.protocol.evaluate``."""

    prepared: Prepared
    part: Part
    ks: tuple[int, ...]
    seen: Seen
    batch_size: int

    def judge(self, name: str, judge: Callable[..., Report]) -> Report:
        """A report, with progress while it is made and its counts when it is done."""
        users = len(asked(self.prepared, self.part))
        with console.progress(f"evaluating {name}", total=users, unit="users") as advance:
            report = judge(
                self.prepared,
                part=self.part,
                ks=self.ks,
                batch_size=self.batch_size,
                advance=advance,
            )
        logger.info("%s: %s", name, facts(report))
        return report

    def judge_scorer(self, name: str, scorer: Scorer) -> Report:
        """A model or a fitted baseline, ranking the whole catalogue."""
        return self.judge(name, partial(evaluate, scorer, seen=self.seen))

    def judge_baselines(self, baselines: Mapping[str, Baseline]) -> dict[str, Report]:
        """Each fitted, judged and forgotten before the next."""
        return {
            name: self.judge_scorer(name, baseline.fit(self.prepared))
            for name, baseline in baselines.items()
        }
