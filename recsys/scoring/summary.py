"""What a finished job says of itself, from the receipts of its parts, in their order."""

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from recsys.errors import ArtifactError
from recsys.folder import fingerprint, write_whole
from recsys.scoring.partition import Receipt, aside_name
from recsys.scoring.plan import Plan
from recsys.scoring.roads import Effort
from recsys.scoring.rows import EXAMPLES, WHY
from recsys.scoring.workspace import Workspace

SUMMARY: Final = "summary.json"
TIMING: Final = "timing.json"
QUARANTINE: Final = "_quarantine/quarantine.parquet"  # readers of folders pass over an underscore


def summarise(plan: Plan, work: Workspace, receipts: Mapping[int, Receipt]) -> dict[str, Any]:
    """Everything about a job but how long it took; writes what was set aside into one file."""
    ordered = [receipts[part] for part in sorted(receipts)]
    files = {receipt.file: receipt.sha256 for receipt in ordered if receipt.file is not None}
    quarantined = _quarantine(work, ordered)
    if quarantined:
        files[QUARANTINE] = fingerprint(work.lists / QUARANTINE)
    counts = {"quarantined": quarantined} | _add(ordered)
    done = Effort(*(counts.pop(name) for name in Effort._fields))
    chosen = plan.question.candidates
    return {
        "job": plan.job,
        **plan.identity,
        "counts": counts | {"candidates": len(chosen.items), "unknown_in_filters": chosen.unknown},
        "work": done.facts() | {"road": plan.road},
        "scores": _moments(ordered),
        "files": files,
    }


def check_quarantine(summary: Mapping[str, Any], *, tolerated: float) -> None:
    """Refuses a bundle that gives too many users scores that are no numbers.

    Raises:
        ArtifactError: More than this share of the users.
    """
    users, bad = summary["counts"]["users"], summary["counts"]["quarantined_users"]
    if bad > tolerated * users:
        message = (
            f"the bundle gives {bad} of {users} users scores that are no numbers, "
            f"max_quarantined={tolerated}: train again and export that run"
        )
        raise ArtifactError(message)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    write_whole(path, (json.dumps(content, indent=2, default=str) + "\n").encode())


def _add(receipts: list[Receipt]) -> dict[str, Any]:
    """Counts of all parts; examples are the first of the first parts."""
    total: dict[str, Any] = {}
    examples: dict[object, None] = {}
    for receipt in receipts:
        for name, value in receipt.counts.items():
            if isinstance(value, int):
                total[name] = total.get(name, 0) + value
            else:
                examples |= dict.fromkeys(value)
    return total | {"unknown_items": tuple(examples)[:EXAMPLES]}


def _moments(receipts: list[Receipt]) -> dict[str, float]:
    """Mean and standard deviation of all scores; both 0 where there is none."""
    number = sum(receipt.scores[0] for receipt in receipts)
    if not number:
        return {"mean": 0.0, "deviation": 0.0}
    mean = sum(receipt.scores[1] for receipt in receipts) / number
    square = sum(receipt.scores[2] for receipt in receipts) / number
    return {"mean": mean, "deviation": math.sqrt(max(square - mean**2, 0.0))}


def _quarantine(work: Workspace, receipts: list[Receipt]) -> dict[str, int]:
    """Rows set aside by all parts in one file; how many for each reason."""
    paths = [work.folder / aside_name(receipt.part) for receipt in receipts if receipt.aside]
    if not paths:
        return {}
    aside = pl.concat([pl.read_parquet(path) for path in paths])
    stream = io.BytesIO()
    aside.write_parquet(stream)
    target = work.lists / QUARANTINE
    target.parent.mkdir(exist_ok=True)
    write_whole(target, stream.getvalue())
    return dict(aside[WHY].value_counts().sort(WHY).iter_rows())
