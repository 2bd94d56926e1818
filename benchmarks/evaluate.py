"""CPU seconds of judging every user on the whole catalogue, and how much of them is the scorer's.

    recsys prepare source=sequences source.path=DATASETS/ml-1m/ml-1m_sas.txt.gz \
        source.layout=pairs split=leave_one_out out=PREPARED
    OMP_NUM_THREADS=1 python benchmarks/evaluate.py data=PREPARED [run=RUN ...]

The first line is a dot product of random factors, 64 wide: what any model must pay. The last
column divides by it. Medians of three; imports and fitting are not part of the evaluation.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from recsys.config import CONF
from recsys.data.batches import Question
from recsys.data.prepared import Prepared, load
from recsys.evaluation.protocol import Scorer, evaluate

REPEATS = 3
COLUMNS = f"{'system':<20} {'fit':>6} {'evaluate':>8} {'scorer':>6} {'besides':>7} {'ratio':>6}"


class Dot:
    """Random factors; reads the newest event only."""

    history = 1

    def __init__(self, prepared: Prepared) -> None:
        self.users = torch.randn(prepared.users.len(), 64)
        self.items = torch.randn(64, prepared.items + 1)

    def scores(self, question: Question) -> torch.Tensor:
        return self.users[question.user] @ self.items


class Timed:
    """A scorer that adds up its own CPU seconds."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.history, self.seconds = scorer, scorer.history, 0.0

    def scores(self, question: Question) -> torch.Tensor:
        start = time.process_time()
        scores = self.scorer.scores(question)
        self.seconds += time.process_time() - start
        return scores


def main() -> None:
    words = [word.partition("=") for word in sys.argv[1:]]
    (data,) = (value for name, _, value in words if name == "data")
    prepared = load(Path(data))
    print(
        f"{prepared.users.len():,} users, {prepared.items:,} items, {torch.__version__} torch,",
        end=" ",
    )
    print(f"{torch.get_num_threads()} threads; CPU seconds")
    print(COLUMNS)
    scorers: dict[str, Callable[[], Scorer]] = {"dot product": lambda: Dot(prepared)}
    for path in sorted((Path(CONF) / "baselines").glob("*.yaml")):
        scorers[path.stem] = lambda path=path: instantiate(OmegaConf.load(path)).fit(prepared)
    for run in (value for name, _, value in words if name == "run"):
        scorers[run] = lambda run=run: trained(run)
    unit = None
    for name, make in scorers.items():
        unit = measure(name, make, prepared, unit=unit)


def trained(run: str) -> Scorer:
    from recsys.run import load_model

    return load_model(Path(run))


def measure(
    name: str, make: Callable[[], Scorer], prepared: Prepared, *, unit: float | None
) -> float:
    """Print one line; gives back the seconds of the first."""
    start = time.process_time()
    scorer = make()
    fit = time.process_time() - start
    totals, besides = [], []
    for _ in range(REPEATS):
        timed, start = Timed(scorer), time.process_time()
        evaluate(timed, prepared, part="test", ks=(1, 5, 10, 20), seen="exclude", batch_size=256)
        totals.append(time.process_time() - start)
        besides.append(totals[-1] - timed.seconds)
    total, beside = statistics.median(totals), statistics.median(besides)
    unit = unit or total
    print(f"{name:<20} {fit:>6.2f} {total:>8.2f} {total - beside:>6.2f} {beside:>7.2f}", end=" ")
    print(f"{total / unit:>6.1f}", flush=True)
    return unit


if __name__ == "__main__":
    main()
