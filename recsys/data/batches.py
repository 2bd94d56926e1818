"""From memory-mapped histories to batches: index arithmetic on whole batches, never on one user.

Padding (item 0) stands at the end of a row; a training window of a user's first events also has an
absent position before them, where the memory is still empty.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recsys.data.histories import Histories
from recsys.data.prepared import Prepared

Part = Literal["valid", "test"]


class Events(NamedTuple):
    """Histories as arrays, oldest event first; ``item`` 0 is padding and ``present`` says so."""

    item: Int[Tensor, "user event"]
    time: Int[Tensor, "user event"]
    behaviour: Int[Tensor, "user event"]
    present: Bool[Tensor, "user event"]


class Window(NamedTuple):
    """A stretch of training histories and, at each present event, the item that came next."""

    events: Events
    target: Int[Tensor, "user event"]
    weight: Float[Tensor, "user event"]  # how much each target counts; 0 where there is none
    targets: float  # sum of the weights of the step over all devices


class Recency(NamedTuple):
    """How much a target counts: 1 at time ``newest``, half as much for every ``half_life`` before.

    Times and half-life in seconds, or in places where time is a mere order.
    """

    newest: float
    half_life: float

    def weight(self, time: Int[Tensor, "user event"]) -> Float[Tensor, "user event"]:
        """Weights of events at these times; infinitely long a half-life lets all count alike."""
        return 0.5 ** ((self.newest - time).double() / self.half_life).float()


ALIKE = Recency(newest=0, half_life=float("inf"))


class Question(NamedTuple):
    """What was known about some users before the cut, and what they took after it."""

    user: Int[Tensor, " user"]
    events: Events
    seen: Int[Tensor, "pair 2"]  # (row, item) of the whole history before the cut
    truth: Int[Tensor, "pair 2"]  # (row, item), distinct


def gather(
    histories: Histories, *, begin: np.ndarray, start: np.ndarray, end: np.ndarray
) -> Events:
    """Events ``[start, end)`` of each row as one padded array; a row may be empty.

    Places before ``begin``, where the user's history starts, are absent.
    """
    width = max(int((end - start).max(initial=0)), 1)
    place = start[:, None] + np.arange(width)
    present = (place >= begin[:, None]) & (place < end[:, None])
    place = np.where(present, place, 0)
    return Events(
        item=_masked(histories.item, place=place, present=present),
        time=_masked(histories.time, place=place, present=present),
        behaviour=_masked(histories.behaviour, place=place, present=present),
        present=torch.from_numpy(present),
    )


def window(
    histories: Histories,
    *,
    begin: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    targets: float,
    recency: Recency = ALIKE,
) -> Window:
    """Events ``[start, end)`` as targets, each beside the event before it.

    Before a user's first event (``start`` equal to ``begin``) there is none: that position is
    absent and its target is what a newcomer takes. ``targets`` sums up over all devices of a step.
    """
    events = gather(histories, begin=begin, start=start - 1, end=end - 1)
    following = gather(histories, begin=begin, start=start, end=end)
    weight = recency.weight(following.time) * following.present
    return Window(events=events, target=following.item, weight=weight, targets=targets)


def weighed(
    histories: Histories, *, begin: np.ndarray, start: np.ndarray, end: np.ndarray, recency: Recency
) -> float:
    """Sum of the weights of all targets in these stretches."""
    following = gather(histories, begin=begin, start=start, end=end)
    weight = recency.weight(following.time).double() * following.present
    return float(weight.sum())


def questions(
    prepared: Prepared, part: Part, *, batch_size: int, history: int | None
) -> Iterator[Question]:
    """Evaluation batches in user order; users without truth in this part are left out.

    Args:
        prepared: The data set with its split.
        part: ``valid`` or ``test``.
        batch_size: Users in a batch.
        history: The newest events given to the scorer; ``None`` gives all. ``seen`` always holds
            the whole history.
    """
    users = asked(prepared, part)
    for first in range(0, len(users), batch_size):
        yield question(prepared, part, users=users[first : first + batch_size], history=history)


def asked(prepared: Prepared, part: Part) -> np.ndarray:
    """Indices of the users that have held-out items in this part, ascending."""
    start, end = _cut(prepared, part)
    return np.flatnonzero(end > start)


def by_length(prepared: Prepared, part: Part, *, users: np.ndarray) -> np.ndarray:
    """The same users, shortest history first, so that batches are hardly padded."""
    cut, _ = _cut(prepared, part)
    known = cut[users] - np.asarray(prepared.histories.offset)[users]
    return users[np.argsort(known, kind="stable")]


def question(prepared: Prepared, part: Part, *, users: np.ndarray, history: int | None) -> Question:
    """One evaluation batch for these user indices."""
    cut, end = (bound[users] for bound in _cut(prepared, part))
    begin = prepared.histories.offset[users]
    newest = begin if history is None else np.maximum(begin, cut - history)
    return Question(
        user=torch.from_numpy(users.astype(np.int64)),
        events=gather(prepared.histories, begin=begin, start=newest, end=cut),
        seen=_pairs(prepared.histories.item, start=begin, end=cut),
        truth=torch.unique(_pairs(prepared.histories.item, start=cut, end=end), dim=0),
    )


def _cut(prepared: Prepared, part: Part) -> tuple[np.ndarray, np.ndarray]:
    split = prepared.split
    if part == "valid":
        return np.asarray(split.valid_start), np.asarray(split.valid_end)
    return np.asarray(split.test_start), np.asarray(split.test_end)


def _masked(values: np.ndarray, *, place: np.ndarray, present: np.ndarray) -> Tensor:
    return torch.from_numpy(np.where(present, values[place], 0).astype(np.int64))


def _pairs(items: np.ndarray, *, start: np.ndarray, end: np.ndarray) -> Tensor:
    """(row, item) of every event in the ranges, row by row."""
    length = end - start
    row = np.repeat(np.arange(len(start)), length)
    skipped = np.cumsum(length) - length
    place = np.arange(length.sum()) + np.repeat(start - skipped, length)
    return torch.from_numpy(np.stack([row, items[place].astype(np.int64)], axis=1))
