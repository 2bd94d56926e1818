"""Who is trained on what, and what is held out: three protocols over the same histories.

A split is five positions a user; no event is copied. The training events of user ``u`` are
``[offset[u], train_end[u])``; in each part the history is everything of the user before the part's
start and the truth is ``[start, end)``. A user without truth in a part has ``start == end``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.data.histories import STRETCH, Histories
from recsys.errors import ConfigError, InputError
from recsys.timestamps import ORDER

FOLDER: Final = "split"
PROTOCOL: Final = "split.json"

Positions = NDArray[np.int64]


class Split(NamedTuple):
    """One position per user and bound, absolute in the arrays of the histories."""

    protocol: dict[str, Any]  # name, parameters, cut times, counts, and whether it leaks
    train_end: Positions
    valid_start: Positions
    valid_end: Positions
    test_start: Positions
    test_end: Positions


class Splitter(Protocol):
    """One protocol with its parameters."""

    def split(self, histories: Histories, *, clock: str) -> Split:
        """The split of these histories, whose times are ``seconds`` or an ``order``."""
        ...


@dataclass(frozen=True, kw_only=True)
class GlobalTime:
    """Two moments cut everybody's history: the future of no user is trained on.

    ``valid`` and ``test`` are the shares of all interactions that fall into the two windows, which
    end where the data ends. ``valid_from`` and ``test_from`` (ISO 8601, UTC) fix the moments
    instead. Events of one moment fall into one window, so a window may be larger than asked.
    """

    valid: float
    test: float
    valid_from: str | None
    test_from: str | None

    def split(self, histories: Histories, *, clock: str) -> Split:
        """Events before the first moment train; from it validation, from the second test.

        Raises:
            ConfigError: Shares or moments that leave no room, or data that has only an order.
            InputError: A part would be empty.
        """
        _require_shares(self.valid, self.test)
        if clock == ORDER:
            message = (
                "split=global_time needs times, but this data has only an order per user: "
                "set split=leave_one_out or split=user_holdout"
            )
            raise ConfigError(message)
        first, second = self._moments(histories.time)
        start = _events_before(histories, moment=first)
        middle = _events_before(histories, moment=second)
        end = histories.offset[1:].copy()
        parameters = {
            "valid": self.valid,
            "test": self.test,
            "valid_from": datetime.fromtimestamp(first, UTC).isoformat(),
            "test_from": datetime.fromtimestamp(second, UTC).isoformat(),
            "leaks": False,
        }
        bounds = Split(parameters, start, start, middle, middle, end)
        return _described(bounds, histories, name="global_time")

    def _moments(self, time: Positions) -> tuple[int, int]:
        events = len(time)
        held = [events - round(events * share) for share in (self.valid + self.test, self.test)]
        held = [min(place, events - 1) for place in held]
        ordered = [_ranked(time, place) for place in held]
        first = _moment(self.valid_from, name="valid_from", default=ordered[0])
        second = _moment(self.test_from, name="test_from", default=ordered[1])
        if first > second:
            message = (
                f"split.valid_from ({first}) lies after split.test_from ({second}): "
                "give an earlier valid_from"
            )
            raise ConfigError(message)
        return first, second


@dataclass(frozen=True, kw_only=True)
class LeaveOneOut:
    """Each user's last event is the test, the last but one the validation, as in the literature.

    It leaks: the models train on what other users did after a user's test event. Of events with
    equal times the one later in the file is the last. Users with fewer than three events only
    train.
    """

    def split(self, histories: Histories, *, clock: str) -> Split:
        """The split; ``clock`` makes no difference.

        Raises:
            InputError: No user has three events.
        """
        del clock
        end = histories.offset[1:].copy()
        held = np.diff(histories.offset) >= 3
        test, valid = end - held, end - 2 * held
        bounds = Split({"leaks": True}, valid, valid, test, test, end)
        return _described(bounds, histories, name="leave_one_out")


@dataclass(frozen=True, kw_only=True)
class UserHoldout:
    """Some users are kept out of training altogether: how well are strangers served?

    ``valid`` and ``test`` are shares of the users with at least two events, drawn with ``seed``.
    Of a held-out user the last ``holdout`` share of events is the truth, at least one, and at least
    one event remains as history.
    """

    valid: float
    test: float
    holdout: float
    seed: int

    def split(self, histories: Histories, *, clock: str) -> Split:
        """The split; ``clock`` makes no difference.

        Raises:
            ConfigError: A share outside (0, 1), or two shares of users that leave nobody.
            InputError: A part would be empty.
        """
        del clock
        _require_shares(self.valid, self.test)
        _require_shares(self.holdout)
        begin, end = histories.offset[:-1], histories.offset[1:]
        part = self._parts(end - begin)
        truths = np.clip(np.rint((end - begin) * self.holdout).astype(np.int64), 1, None)
        start = np.where(part > 0, end - np.minimum(truths, np.maximum(end - begin - 1, 1)), end)
        bounds = Split(
            {
                "valid": self.valid,
                "test": self.test,
                "holdout": self.holdout,
                "seed": self.seed,
                "leaks": False,
            },
            train_end=np.where(part > 0, begin, end),
            valid_start=np.where(part == 1, start, end),
            valid_end=end.copy(),
            test_start=np.where(part == 2, start, end),
            test_end=end.copy(),
        )
        return _described(bounds, histories, name="user_holdout")

    def _parts(self, events: Positions) -> NDArray[np.int8]:
        """0 for users who train, 1 for validation, 2 for test."""
        able = np.flatnonzero(events >= 2)
        drawn = np.random.default_rng(self.seed).permutation(able)
        tested = round(len(able) * self.test)
        validated = round(len(able) * self.valid)
        part = np.zeros(len(events), dtype=np.int8)
        part[drawn[:tested]] = 2
        part[drawn[tested : tested + validated]] = 1
        return part


def training_events(
    split: Split, histories: Histories, *, users: slice = slice(None)
) -> NDArray[np.bool_]:
    """Which events of these users are trained on, in the order of the histories."""
    begin, end = histories.offset[:-1][users], histories.offset[1:][users]
    place = np.arange(begin[0], end[-1])
    return place < np.repeat(split.train_end[users], end - begin)


def training_counts(split: Split, histories: Histories, *, items: int) -> NDArray[np.int64]:
    """Training events of each item, by index - 1."""
    counts = np.zeros(items + 1, dtype=np.int64)
    for users in histories.stretches():
        begin, end = histories.offset[users.start], histories.offset[users.stop]
        trained = training_events(split, histories, users=users)
        counts += np.bincount(histories.item[begin:end][trained], minlength=items + 1)
    return counts[1:]


def write(split: Split, folder: Path) -> None:
    """``split.json`` and one ``.npy`` file per bound."""
    (folder / FOLDER).mkdir()
    for name in Split._fields[1:]:
        np.save(folder / FOLDER / f"{name}.npy", getattr(split, name))
    text = json.dumps(split.protocol, indent=2)
    (folder / PROTOCOL).write_text(f"{text}\n", encoding="utf-8")


def read(folder: Path) -> Split:
    """The bounds memory-mapped, read-only."""
    bounds = {
        name: np.load(folder / FOLDER / f"{name}.npy", mmap_mode="r") for name in Split._fields[1:]
    }
    protocol = json.loads((folder / PROTOCOL).read_text(encoding="utf-8"))
    return Split(protocol, **bounds)


def _require_shares(*shares: float) -> None:
    if not all(share > 0 for share in shares) or sum(shares) >= 1:
        given = " and ".join(str(share) for share in shares)
        message = (
            f"split shares are above 0 and together below 1, but are {given}: "
            "set split.valid, split.test, split.holdout"
        )
        raise ConfigError(message)


def _moment(text: str | None, *, name: str, default: int) -> int:
    if text is None:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"split.{name} is an ISO 8601 time, but is '{text}': write 2020-01-31T00:00:00"
        raise ConfigError(message) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _ranked(time: Positions, place: int) -> int:
    """The time at this place of the sorted times, found by halving, without a copy of them."""
    low, high = int(time.min()), int(time.max())
    while low < high:
        middle = (low + high) // 2
        starts = range(0, len(time), STRETCH)
        if sum(np.count_nonzero(time[at : at + STRETCH] <= middle) for at in starts) > place:
            high = middle
        else:
            low = middle + 1
    return low


def _events_before(histories: Histories, *, moment: int) -> Positions:
    """Position of each user's first event at or after this moment."""
    position = histories.offset[:-1].copy()
    for users in histories.stretches():
        starts = histories.offset[users]
        before = histories.time[starts[0] : histories.offset[users.stop]] < moment
        position[users] += np.add.reduceat(before, starts - starts[0], dtype=np.int64)
    return position


def _described(split: Split, histories: Histories, *, name: str) -> Split:
    """The same split with its name and counts; refuses one with an empty part."""
    counts = _counts(split, histories)
    for part in ("train", "valid", "test"):
        if not counts[f"{part}_events"]:
            message = (
                f"split={name} leaves no {part} event of {histories.events} interactions of "
                f"{histories.users} users: give more data or choose another split"
            )
            raise InputError(message)
    return split._replace(protocol={"protocol": name, **split.protocol, "counts": dict(counts)})


def _counts(split: Split, histories: Histories) -> Mapping[str, int]:
    train = split.train_end - histories.offset[:-1]
    valid, test = split.valid_end - split.valid_start, split.test_end - split.test_start
    parts = {"train": train, "valid": valid, "test": test}
    users = {f"{part}_users": int(np.count_nonzero(length)) for part, length in parts.items()}
    events = {f"{part}_events": int(length.sum()) for part, length in parts.items()}
    return users | events
