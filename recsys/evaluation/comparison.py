"""A system beside the baselines: the difference, its interval, and whether luck explains it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from recsys.data.prepared import Prepared
from recsys.evaluation.report import Report
from recsys.evaluation.statistics import Interval, holm, paired_bootstrap


class Difference(NamedTuple):
    """How much better ours is than one baseline, on the same users."""

    interval: Interval
    p_holm: float  # Interval.p corrected for the number of baselines


def compare(
    reports: Mapping[str, Report], *, ours: str | None, metric: str, resamples: int, seed: int
) -> dict[str, Difference]:
    """How much better ours is than each other system, by its name; empty without ours or others.

    Args:
        reports: All systems, judged on the same users.
        ours: Name of the system in question.
        metric: A per-user metric such as ``ndcg@10``.
        resamples: Bootstrap draws of all users.
        seed: Seed of the draws.
    """
    others = [name for name in reports if name != ours]
    if ours is None or not others:
        return {}
    mine, *theirs = (_values(reports[name], metric=metric) for name in (ours, *others))
    differences = mine[:, None] - np.stack(theirs, axis=1)
    intervals = paired_bootstrap(differences, resamples=resamples, seed=seed)
    corrected = holm([interval.p for interval in intervals])
    rows = zip(others, intervals, corrected, strict=True)
    return {name: Difference(interval, p_holm) for name, interval, p_holm in rows}


class Board(NamedTuple):
    """A table for people."""

    columns: list[str]
    rows: list[list[object]]


def scoreboard(
    reports: Mapping[str, Report], differences: Mapping[str, Difference], *, metric: str
) -> Board:
    """One row a system at the k of ``metric``, and by how much ours, the first, is ahead of it."""
    k = metric.partition("@")[2]
    names = [f"{name}@{k}" for name in ("hit_rate", "ndcg")]
    if metric not in names:
        names.insert(0, metric)
    rows: list[list[object]] = [
        [system, *(report.summary[name] for name in names)] for system, report in reports.items()
    ]
    if not differences:
        return Board(columns=["system", *names], rows=rows)
    rows = [row + _shown(differences.get(str(row[0]))) for row in rows]
    return Board(columns=["system", *names, f"ours ahead in {metric}, 95 %", "p (Holm)"], rows=rows)


def by_k(report: Report) -> Board:
    """Every metric of one system in a row, every k in a column."""
    ks = list(dict.fromkeys(name.partition("@")[2] for name in report.summary))
    metrics = dict.fromkeys(name.partition("@")[0] for name in report.summary)
    rows: list[list[object]] = [
        [metric, *(report.summary[f"{metric}@{k}"] for k in ks)] for metric in metrics
    ]
    return Board(columns=["metric", *(f"@{k}" for k in ks)], rows=rows)


def heading(prepared: Prepared, *, part: str, seen: str) -> str:
    """What was judged on, in one line for people; says where a split leaks."""
    protocol = prepared.split.protocol
    leaks = " (leaks: trained on the future of others)" if protocol["leaks"] else ""
    return f"{part} part, {protocol['protocol']}{leaks}, seen items: {seen}"


def facts(report: Report) -> str:
    """What the metrics were counted over, in one line for people; what is zero is left out."""
    named = {name.replace("_", " "): count for name, count in report.counts.items() if count}
    return ", ".join(f"{count:,} {name}" for name, count in named.items())


def _values(report: Report, *, metric: str) -> np.ndarray:
    return report.users[metric].to_numpy().astype(np.float64)


def _shown(difference: Difference | None) -> list[object]:
    if difference is None:
        return ["", ""]
    _, low, high, _ = difference.interval
    return [f"{low:+.4f} to {high:+.4f}", f"{difference.p_holm:.4f}"]
