"""What is known of every memory, and README's table made of it.

The record ``memories.json`` is committed: floors, memories (a control is ``NAME@context``) by data
set, and speeds. New runs are merged into it; what was not run again stays.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recsys.evaluation.statistics import paired_bootstrap

RECORD = Path(__file__).with_suffix(".json").with_stem("memories")
CONTROL = "@context"
DATA_SETS = ("ml-100k", "beauty")
METRICS = ("hit_rate@10", "ndcg@10")
BEGIN, END = "<!-- memories: begin -->", "<!-- memories: end -->"

Known = dict[str, dict[str, dict[str, Any]]]


def read(path: Path = RECORD) -> Known:
    empty: Known = {"floors": {}, "memories": {}, "speed": {}}
    return json.loads(path.read_text()) if path.exists() else empty


def write(known: Known, path: Path = RECORD) -> None:
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def merged(known: Known, work: Path) -> Known:
    """The record with what the runs in this folder say, which counts where both speak."""
    new = json.loads(json.dumps(known))
    for data in DATA_SETS:
        for name, system in _systems(work / data / "floors").items():
            new["floors"].setdefault(name, {})[data] = _figures(system)
        for file in sorted((work / data).glob("*/cost.json")):
            name = file.parent.name
            entry = _figures(_systems(file.parent / "evaluate" / "test")["model"])
            entry |= json.loads(file.read_text()) | _verdict(work / data, name)
            new["memories"].setdefault(name, {})[data] = entry
    for file in sorted((work / "speed").glob("*.json")):
        new["speed"][file.stem] = json.loads(file.read_text())
    return new


def _systems(folder: Path) -> dict[str, Any]:
    file = folder / "metrics.json"
    return json.loads(file.read_text())["systems"] if file.exists() else {}


def _figures(system: dict[str, Any]) -> dict[str, float]:
    return {name: round(system["metrics"][name], 5) for name in METRICS}


def _verdict(folder: Path, name: str) -> dict[str, str]:
    """Whether NDCG@10 differs from the control's (paired bootstrap, p < .05), where both ran."""
    ours, control = (_users(folder / run) for run in (name, name + CONTROL))
    if ours is None or control is None:
        return {}
    (found,) = paired_bootstrap((ours - control)[:, None], resamples=2000, seed=0)
    return {"against_control": "+" if found.low > 0 else "-" if found.high < 0 else "="}


def _users(run: Path) -> np.ndarray | None:
    file = run / "evaluate" / "test" / "users.parquet"
    return pl.read_parquet(file).sort("user_id")["ndcg@10"].to_numpy() if file.exists() else None


def lines(known: Known) -> list[str]:
    """The table in Markdown: floors first, then memories, the best on ML-100K first."""
    head = ["system", "ML-100K HR@10", "NDCG@10", "Beauty HR@10", "NDCG@10"]
    head += ["CPU min", "positions /CPU-s", "state bytes", "us /write", "scores /CPU-s"]
    rows = [head, ["---"] * len(head)]
    floors = known["floors"].items()
    rows += [[f"*{name}*", *_both(found), "", "", "", "", ""] for name, found in floors]
    best = sorted(known["memories"], key=lambda name: _rank(known["memories"][name]))
    rows += [_row(name, known) for name in best]
    return [f"| {' | '.join(row)} |" for row in rows]


def _rank(found: dict[str, dict[str, float]]) -> tuple[float, ...]:
    return tuple(-found[data]["ndcg@10"] if data in found else 0 for data in DATA_SETS)


def _row(name: str, known: Known) -> list[str]:
    plain, _, control = name.partition("@")
    found = known["memories"][name]
    speed = {} if control else known["speed"].get(plain, {})
    keys = ("positions", "bytes", "write_us", "scores")
    spent = [
        f"{found[data]['cpu_seconds'] / 60:.1f}" if data in found else "" for data in DATA_SETS
    ]
    return [
        f"`{plain}`, address={control}" if control else f"`{plain}`",
        *_both(found),
        " + ".join(filter(None, spent)),
        *(f"{speed[key]:,.0f}" if key in speed else "" for key in keys),
    ]


def _both(found: dict[str, dict[str, Any]]) -> list[str]:
    return [text for data in DATA_SETS for text in _two(found.get(data))]


def _two(figures: dict[str, Any] | None) -> list[str]:
    if figures is None:
        return ["", ""]
    hit_rate, ndcg = (f"{figures[name]:.4f}" for name in METRICS)
    return [hit_rate, f"{ndcg} {figures.get('against_control', '')}".strip()]


def put(table: str, readme: Path) -> None:
    """The table between its marks."""
    text = readme.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}")
