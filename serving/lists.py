"""Lists for a batch of questions: states recalled at once, asked at once, written out as JSON."""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import orjson

from recsys.errors import ArtifactError
from recsys.runtime import Recommendations, State
from serving.metrics import Metrics
from serving.model import Model
from serving.states import Recalled, States
from serving.store.contract import Logged

NUMBERS: Final = orjson.OPT_SERIALIZE_NUMPY


class Question(NamedTuple):
    """What somebody wants to be recommended; of ``user`` and ``history`` one is given."""

    user: str | None
    history: tuple[Logged, ...] | None
    k: int
    exclude: tuple[str, ...] = ()
    candidates: tuple[str, ...] | None = None  # None: the whole catalogue
    any_of: tuple[str, ...] = ()  # categories; empty: every item
    none_of: tuple[str, ...] = ()
    keep_seen: bool = False


class Served(NamedTuple):
    """A model and the states it makes of the store's logs; they are exchanged together."""

    model: Model
    states: States


class Some(NamedTuple):
    """Questions of one batch that the bundle is asked at once."""

    places: list[int]  # in the batch
    questions: list[Question]
    state: State
    seen: np.ndarray
    events: list[int]


def answer(
    served: Served, questions: Sequence[Question], *, tile: int | None, metrics: Metrics
) -> list[bytes]:
    """A JSON object for each question."""
    started = time.perf_counter()
    found: list[bytes] = [b""] * len(questions)
    groups = _recalled(served.states, questions)
    recalled = time.perf_counter()
    spent = [recalled - started, 0.0, 0.0]
    for group in groups:
        begun = time.perf_counter()
        lists = _asked(served.model, group, tile=tile)
        asked = time.perf_counter()
        _observe(metrics, group, lists)
        for place, text in zip(group.places, _written(served.model, group, lists), strict=True):
            found[place] = text
        spent[1] += asked - begun
        spent[2] += time.perf_counter() - asked
    for stage, seconds in zip(("recall", "model", "render"), spent, strict=True):
        metrics.observe("recsys_stage_seconds", stage, value=seconds)
    return found


def _recalled(states: States, questions: Sequence[Question]) -> list[Some]:
    """The questions in groups that differ in nothing that the bundle takes once a call."""
    parted: dict[tuple, list[int]] = defaultdict(list)
    for place, asked in enumerate(questions):
        kind = (asked.history is None, asked.k, asked.candidates, asked.any_of, asked.none_of)
        parted[kind].append(place)
    groups = []
    for kind, places in parted.items():
        some = [questions[place] for place in places]
        recalled = _users(states, some) if kind[0] else _histories(states, some)
        groups.append(Some(places, some, recalled.state, recalled.seen, recalled.events.tolist()))
    return groups


def _users(states: States, questions: list[Question]) -> Recalled:
    return states.recall([asked.user for asked in questions if asked.user is not None])


def _histories(states: States, questions: list[Question]) -> Recalled:
    return states.fresh([asked.history for asked in questions if asked.history is not None])


def _asked(model: Model, group: Some, *, tile: int | None) -> Recommendations:
    """The bundle's answer; of no candidates, no items."""
    first = group.questions[0]
    candidates = model.open(first.candidates, any_of=first.any_of, none_of=first.none_of)
    if not len(candidates):
        nothing = np.zeros((len(group.questions), 0))
        return Recommendations(nothing.astype(np.int64), nothing.astype(np.float32), None, None)
    excluded = _excluded(model, group)
    return model.bundle.recommend(
        group.state, candidates=candidates, excluded=excluded, k=first.k, tile=tile
    )


def _excluded(model: Model, group: Some) -> np.ndarray:
    """Items that may not come: seen ones unless they may, and those that the question names."""
    kept = [place for place, asked in enumerate(group.questions) if asked.keep_seen]
    seen = group.seen
    if kept:
        seen = seen.copy()
        seen[kept] = 0
    named = [model.indices(asked.exclude) if asked.exclude else [] for asked in group.questions]
    width = max(map(len, named))
    if width:
        more = [[*row, *[0] * (width - len(row))] for row in named]
        seen = np.concatenate([seen, np.array(more, dtype=np.int64)], axis=1)
    return seen


def _observe(metrics: Metrics, group: Some, lists: Recommendations) -> None:
    """Shares of unknown users, and what scores look like, once a batch."""
    unknown = group.events.count(0)
    metrics.add("recsys_lists", "unknown", amount=unknown)
    metrics.add("recsys_lists", "known", amount=len(group.events) - unknown)
    if lists.items.shape[1]:
        best = lists.scores[lists.items[:, 0] > 0, 0]
        if not np.isfinite(best).all():
            message = "the bundle gives scores that are no numbers: train again and export that run"
            raise ArtifactError(message)
        metrics.observe_all("recsys_best_score", values=best)


def _written(model: Model, group: Some, lists: Recommendations) -> list[bytes]:
    """Each list as JSON, joined from pieces that are ready."""
    scores = _numbers(lists.scores)
    items = lists.items.tolist()
    if lists.because_items is None or lists.because_weights is None:
        reasons: list[list[bytes]] = [[b""] * len(row) for row in items]
    else:
        reasons = _reasons(model, lists.because_items, lists.because_weights)
    version = b',"model":"' + model.version.encode() + b'","events":'
    found = []
    for asked, events, row, numbers, because in zip(
        group.questions, group.events, items, scores, reasons, strict=True
    ):
        user = b"null" if asked.user is None else orjson.dumps(model.user(asked.user))
        head = b'{"user_id":' + user + version + b"%d" % events + b',"items":['
        found.append(head + _items(model, row, numbers, because) + b"]}")
    return found


def _items(model: Model, row: list[int], scores: list[bytes], because: list[bytes]) -> bytes:
    return b",".join(
        b'{"rank":%d,%b,"score":%b,"because":[%b]}' % (rank, model.head(item), score, reasons)
        for rank, (item, score, reasons) in enumerate(zip(row, scores, because, strict=True), 1)
        if item
    )


def _reasons(model: Model, items: np.ndarray, weights: np.ndarray) -> list[list[bytes]]:
    """Of every place in every list, its reasons without the brackets."""
    users, k, count = items.shape
    numbers = _numbers(weights.reshape(users * k, count))
    texts = [
        b",".join(
            b'{%b,"weight":%b}' % (model.head(item), weight)
            for item, weight in zip(row, some, strict=True)
            if item
        )
        for row, some in zip(items.reshape(users * k, count).tolist(), numbers, strict=True)
    ]
    return [texts[start : start + k] for start in range(0, users * k, k)]


def _numbers(rows: np.ndarray) -> list[list[bytes]]:
    """Each number as the shortest decimal that is read back the same."""
    if not rows.size:
        return [[] for _ in rows]
    text = orjson.dumps(np.ascontiguousarray(rows), option=NUMBERS)
    return [row.split(b",") for row in text[2:-2].split(b"],[")]
