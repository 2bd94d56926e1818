"""What came of a training: its best model beside the baselines, and its curves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from recsys import console, curves
from recsys.data.prepared import Prepared
from recsys.evaluation.comparison import compare, heading, scoreboard
from recsys.evaluation.contest import Baseline, Contest
from recsys.run import CONFIG, CURVES, HISTORY, METRICS, Run, best_model, write_json

_PART: Final = "valid"
_SEEN: Final = "exclude"


def conclude(
    run: Run, *, prepared: Prepared, baselines: Mapping[str, Baseline], k: int, seed: int
) -> list[Path]:
    """Judges the best model and the baselines on the validation part and draws the curves.

    Returns:
        The files a tracker should keep.
    """
    metric = f"ndcg@{k}"
    contest = Contest(prepared, part=_PART, ks=(k,), seen=_SEEN, batch_size=32)
    reports = {"model": contest.judge_scorer("model", best_model(run, prepared=prepared))}
    reports |= contest.judge_baselines(baselines)
    differences = compare(reports, ours="model", metric=metric, resamples=2000, seed=seed)
    systems = {name: report.summary for name, report in reports.items()}
    write_json(run.folder / METRICS, {"part": _PART, "systems": systems})
    curves.draw(curves.read(run.folder / HISTORY), picture=run.folder / CURVES)
    columns, rows = scoreboard(reports, differences, metric=metric)
    console.table(heading(prepared, part=_PART, seen=_SEEN), columns, rows)
    return [run.folder / name for name in (CONFIG, METRICS, HISTORY, CURVES)]
