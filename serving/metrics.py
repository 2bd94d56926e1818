"""What is counted and timed, over all worker processes, for Prometheus.

Workers share one file of numbers, a row each. Whoever is asked for the metrics adds the rows up, so
the answer does not depend on the worker that gives it, and a worker that was started again counts
on. Timings of a batch are entered at once: the hot path pays for a batch, not for a request.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

KIND: Final = b"text/plain; version=1.0.0; charset=utf-8"
Labels = tuple[str, ...]


class Family(NamedTuple):
    """Numbers of one name, for every combination of the values of its labels."""

    kind: str  # counter, gauge or histogram
    name: str
    told: str
    labels: Labels = ()
    values: tuple[Sequence[str], ...] = ()
    edges: Sequence[float] = ()  # upper ends of a histogram's buckets, the last is infinity

    @property
    def cells(self) -> int:
        """Of each combination: one, or the buckets and their sum."""
        return len(self.edges) + 2 if self.kind == "histogram" else 1


class Metrics:
    """The numbers of this worker, and the sum of all workers'.

    A number is entered by one thread only: the loop's or that of a batcher.
    """

    def __init__(
        self, families: Sequence[Family], path: Path, *, worker: int, workers: int
    ) -> None:
        """Opens, or makes, the file that the workers share."""
        self._families = families
        self._start: dict[tuple[str, Labels], int] = {}
        self._edges = {family.name: family.edges for family in families}
        cells = 0
        for family in families:
            for labels in product(*family.values):
                self._start[family.name, labels] = cells
                cells += family.cells
        if not path.exists() or path.stat().st_size == 0:
            path.write_bytes(bytes(8 * cells * workers))
        shared = np.memmap(path, np.float64, mode="r+", shape=(workers, cells))
        self._rows = np.asarray(shared)  # the same numbers; what a memmap costs a slice is left out
        self._row = self._rows[worker]
        self._registry = CollectorRegistry()
        self._registry.register(_Sums(self))
        for family in families:  # what a dead worker had waiting waits no more
            if family.kind == "gauge":
                for labels in product(*family.values):
                    self.set(family.name, *labels, to=0)

    def add(self, name: str, *labels: str, amount: float = 1) -> None:
        """Counts."""
        self._row[self._start[name, labels]] += amount

    def set(self, name: str, *labels: str, to: float) -> None:
        """Sets this worker's share of a gauge."""
        self._row[self._start[name, labels]] = to

    def observe(self, name: str, *labels: str, value: float) -> None:
        """Enters one number into a histogram."""
        start, edges = self._start[name, labels], self._edges[name]
        self._row[start + bisect_left(edges, value)] += 1
        self._row[start + len(edges) + 1] += value

    def observe_all(self, name: str, *labels: str, values: np.ndarray) -> None:
        """Enters the numbers of a whole batch."""
        start, edges = self._start[name, labels], self._edges[name]
        places = np.searchsorted(edges, values.ravel())
        self._row[start : start + len(edges) + 1] += np.bincount(places, minlength=len(edges) + 1)
        self._row[start + len(edges) + 1] += float(values.sum())

    def text(self) -> bytes:
        """All numbers of all workers as Prometheus reads them."""
        return generate_latest(self._registry)

    def collected(self) -> Iterator[Metric]:
        """The families with their sums."""
        sums = self._rows.sum(axis=0)
        for family in self._families:
            metric = _empty(family)
            for labels in product(*family.values):
                start = self._start[family.name, labels]
                _enter(metric, labels, sums[start : start + family.cells], edges=family.edges)
            yield metric


class _Sums(Collector):
    """What the library asks for the numbers."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return self._metrics.collected()


def _empty(family: Family) -> Metric:
    kinds = {
        "counter": CounterMetricFamily,
        "gauge": GaugeMetricFamily,
        "histogram": HistogramMetricFamily,
    }
    return kinds[family.kind](family.name, family.told, labels=family.labels)


def _enter(metric: Metric, labels: Labels, cells: np.ndarray, *, edges: Sequence[float]) -> None:
    """One combination; of counters and histograms that never counted, nothing."""
    if isinstance(metric, HistogramMetricFamily):
        if not cells[:-1].any():
            return
        names = [*(f"{edge:g}" for edge in edges), "+Inf"]
        buckets = list(zip(names, np.cumsum(cells[:-1]).tolist(), strict=True))
        metric.add_metric(labels, buckets, float(cells[-1]))
    elif isinstance(metric, CounterMetricFamily):
        if cells[0] or not labels:
            metric.add_metric(labels, float(cells[0]))
    else:
        assert isinstance(metric, GaugeMetricFamily)
        metric.add_metric(labels, float(cells[0]))
