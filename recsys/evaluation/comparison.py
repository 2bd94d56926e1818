"""A system beside the baselines: the difference, its interval, and whether luck explains it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from recsys.data.prepared import Prepared
from recsys.evaluation.report import Report
from recsys.evaluation.statistics import Interval, holm, paired_bootstrap

_SHOWN = ("hit_rate", "recall", "ndcg", "mrr", "map", "coverage")


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


class Scoreboard(NamedTuple):
    """A table for people: one row a system."""

    columns: list[str]
    rows: list[list[object]]


def scoreboard(
    reports: Mapping[str, Report], differences: Mapping[str, Difference], *, metric: str
) -> Scoreboard:
    """All metrics at the k of ``metric``; where there are differences, ours minus theirs."""
    k = metric.partition("@")[2]
    columns = ["system", *(f"{name}@{k}" for name in _SHOWN)]
    rows: list[list[object]] = [
        [system, *(report.summary[name] for name in columns[1:])]
        for system, report in reports.items()
    ]
    if differences:
        columns += [f"{next(iter(reports))} - system in {metric} [95 %]", "p (Holm)"]
        for row in rows:
            row += _shown(differences.get(str(row[0])))
    return Scoreboard(columns=columns, rows=rows)


def heading(prepared: Prepared, *, part: str, seen: str) -> str:
    """What was judged on, in one line for people; says where a split leaks."""
    protocol = prepared.split.protocol
    leaks = " (leaks: trained on the future of other users)" if protocol["leaks"] else ""
    return f"{part} part, {protocol['protocol']} split{leaks}, seen items: {seen}"


def facts(report: Report) -> str:
    """What the metrics were counted over, in one line for people."""
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in report.counts.items())


def _values(report: Report, *, metric: str) -> np.ndarray:
    return report.users[metric].to_numpy().astype(np.float64)


def _shown(difference: Difference | None) -> list[object]:
    if difference is None:
        return ["", ""]
    mean, low, high, _ = difference.interval
    return [f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]", f"{difference.p_holm:.4f}"]
