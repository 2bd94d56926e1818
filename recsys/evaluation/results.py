"""What an evaluation leaves behind for other programs: metrics.json and users.parquet."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import polars as pl

from recsys.data.prepared import Prepared
from recsys.evaluation.comparison import Difference
from recsys.evaluation.report import Report

METRICS: Final = "metrics.json"
USERS: Final = "users.parquet"


def save(
    folder: Path,
    reports: Mapping[str, Report],
    differences: Mapping[str, Difference],
    *,
    prepared: Prepared,
    settings: object,
) -> None:
    """Write every system's means and counts, the comparison, and each user's own numbers.

    Args:
        folder: An existing folder.
        reports: One for each system, by name.
        differences: Of ours to the others; may be empty.
        prepared: What was judged on; its checksum and split are recorded.
        settings: How it was judged, as JSON takes it.
    """
    systems = {
        name: {"metrics": report.summary, "counts": report.counts}
        for name, report in reports.items()
    }
    compared = {
        name: {**difference.interval._asdict(), "p_holm": difference.p_holm}
        for name, difference in differences.items()
    }
    content = {
        "settings": settings,
        "data": prepared.manifest["checksum"],
        "split": prepared.split.protocol,
        "systems": systems,
        "differences": compared,
    }
    text = json.dumps(content, indent=2)
    (folder / METRICS).write_text(f"{text}\n", encoding="utf-8")
    per_user(reports).write_parquet(folder / USERS)


def per_user(reports: Mapping[str, Report]) -> pl.DataFrame:
    """Rows of all systems one below the other; column ``system`` names the system."""
    named = [
        report.users.select(pl.lit(system).alias("system"), pl.all())
        for system, report in reports.items()
    ]
    return pl.concat(named)
