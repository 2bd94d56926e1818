"""What may be asked of an evaluation; refused before any work is done."""

from collections.abc import Collection, Sequence

from recsys.errors import ConfigError
from recsys.metrics.ranking import METRICS


def check_systems(
    *, run: str | None, lists: str | None, data: str | None, baselines: Collection[str]
) -> None:
    """What is judged: a run, or lists with data, or the baselines alone with data.

    Raises:
        ConfigError: Two of them, or too little for one.
    """
    if run and (lists or data):
        given = f"lists={lists}" if lists else f"data={data}"
        msg = f"run={run} brings its model and its data but {given} is given too: leave one out"
        raise ConfigError(msg)
    if not run and not (data and (lists or baselines)):
        msg = "nothing to judge: give run=RUN, lists=FILE data=PREPARED, or data and baselines"
        raise ConfigError(msg)


def check_options(*, part: str, seen: str, ks: Sequence[int], metric: str) -> None:
    """How it is judged.

    Raises:
        ConfigError: An option has another value than those there are.
    """
    if min(ks, default=0) < 1:
        msg = f"ks are list lengths of 1 or more but are {list(ks)}: [1, 5, 10, 20] is usual"
        raise ConfigError(msg)
    for name, value, known in (
        ("part", part, ("valid", "test")),
        ("seen", seen, ("exclude", "keep")),
        ("metric", metric, [f"{name}@{k}" for k in ks for name in METRICS]),
    ):
        if value not in known:
            msg = f"{name} is one of {', '.join(known)} but is '{value}': choose one"
            raise ConfigError(msg)
