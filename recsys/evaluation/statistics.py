"""Is one system better than another on the same users, or was it luck?"""

from typing import NamedTuple

import numpy as np

_DRAWS = 4_000_000  # user draws held at once, 32 MB


class Interval(NamedTuple):
    """Mean difference, the interval it lies in, and how often chance alone would reach it."""

    mean: float
    low: float
    high: float
    p: float


def paired_bootstrap(
    differences: np.ndarray, *, resamples: int, seed: int, level: float = 0.95
) -> list[Interval]:
    """Percentile intervals of mean per-user differences, one a column, from shared resamples.

    Users are drawn with replacement, all columns together. ``p`` is two-sided: the share of
    resamples that lie as far from the mean as the mean lies from zero, the sample itself
    included, so it is never zero (Davison and Hinkley 1997, section 4.2).

    Args:
        differences: [user, comparison], ours minus theirs; not empty.
        resamples: Draws of a whole population; 2,000 or more for a 95 % interval.
        seed: Equal seeds give equal intervals.
        level: Share of resamples inside the interval.
    """
    mean = differences.mean(axis=0)
    means = _resampled(differences, resamples=resamples, seed=seed)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    beyond = (np.abs(means - mean) >= np.abs(mean)).sum(axis=0)
    p = (beyond + 1) / (resamples + 1)
    columns = zip(mean, low, high, p, strict=True)
    return [Interval(*(float(value) for value in column)) for column in columns]


def holm(p: list[float]) -> list[float]:
    """p-values of several comparisons made together, corrected as in Holm 1979.

    The smallest is multiplied by their number, the next by one less and so on, never falling
    below one before it and never above one. The order given is kept.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=float)
    order = values.argsort(kind="stable")
    stepped = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.maximum.accumulate(stepped).clip(max=1.0)
    return corrected.tolist()


def _resampled(differences: np.ndarray, *, resamples: int, seed: int) -> np.ndarray:
    """[resample, comparison]: how often each user is drawn, times the differences."""
    users = len(differences)
    generator = np.random.default_rng(seed)
    step = max(_DRAWS // users, 1)
    means = []
    for first in range(0, resamples, step):
        rows = min(step, resamples - first)
        drawn = generator.integers(0, users, size=(rows, users))
        drawn += np.arange(rows)[:, None] * users
        times = np.bincount(drawn.ravel(), minlength=rows * users).reshape(rows, users)
        means.append(times @ differences / users)
    return np.concatenate(means)
