"""Whether finished lists are good enough to be published: shares that a shop can put a limit on."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from recsys.errors import ConfigError, RejectedError

SUMMARIES: Final = ("summary.json", "_summary.json")  # the second beside a table of another format
SMALLEST: Final = 1e-12  # spread of scores that are all equal


class Limits(NamedTuple):
    """Largest shares that pass, or None; ``conf/score.yaml`` says what each means."""

    short: float | None
    uncovered: float | None
    repeated: float | None
    seen: float | None
    drift: float | None  # in standard deviations of yesterday's scores
    users_lost: float | None  # of yesterday's


def shares(
    counts: Mapping[str, Any], scores: Mapping[str, float], *, yesterday: str | None
) -> dict[str, float]:
    """What is measured, by the names of :class:`Limits`; the last two only with a ``yesterday``.

    ``drift`` is how far the mean score has moved, in standard deviations of yesterday's scores.

    Raises:
        ConfigError: ``yesterday`` holds no summary of lists.
    """
    users = max(counts["users"], 1)
    found = {
        "short": counts["users_with_short_list"] / users,
        "uncovered": counts["users_without_list"] / users,
        "repeated": counts["lists_with_repeats"] / users,
        "seen": counts["lists_with_seen_items"] / users,
    }
    if yesterday is not None:
        before = read(Path(yesterday))
        moved = abs(scores["mean"] - before["scores"]["mean"])
        spread = before["scores"]["deviation"]
        lost = 1 - counts["users"] / max(before["counts"]["users"], 1)
        found |= {
            "drift": moved / max(spread, SMALLEST),
            "users_lost": max(lost, 0.0),
        }
    return found


def check(found: Mapping[str, float], *, limits: Limits) -> None:
    """Refuses lists that pass a limit.

    Raises:
        RejectedError: Names every share that is too large.
    """
    if failed := list(_failed(found, limits=limits)):
        message = (
            f"the lists are not published, {' and '.join(failed)}: look at the summary in the "
            "hidden folder beside out; run again with other checks.* to publish them as they are"
        )
        raise RejectedError(message)


def read(folder: Path) -> dict[str, Any]:
    """The summary of earlier lists.

    Raises:
        ConfigError: There is none that holds scores.
    """
    for name in SUMMARIES:
        if (folder / name).is_file():
            summary: dict[str, Any] = json.loads((folder / name).read_bytes())
            if {"scores", "counts"} <= summary.keys():
                return summary
    message = f"yesterday='{folder}' holds no summary of lists: give what an earlier score wrote"
    raise ConfigError(message)


def _failed(found: Mapping[str, float], *, limits: Limits) -> Iterator[str]:
    for name, limit in limits._asdict().items():
        if limit is not None and found.get(name, 0.0) > limit:
            yield f"{name} is {found[name]:.4g} and checks.{name} {limit}"
