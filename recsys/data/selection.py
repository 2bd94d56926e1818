"""Which interactions are kept: rules in a fixed order, each with a count of what it dropped."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys import tables
from recsys.data.events import Events, Mask
from recsys.errors import ConfigError, InputError


class Left(NamedTuple):
    """How many events each user and each item has, by place; 0 for those that are dropped."""

    user: NDArray[np.int64]
    item: NDArray[np.int64]

    def of(self, events: Events) -> Events:
        """The events of users and items that are not dropped."""
        return events.at((self.user[events.user] > 0) & (self.item[events.item] > 0))


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The rules, applied in this order; null, or a core of 1, keeps everything.

    Attributes:
        behaviours: Names of the behaviours to keep.
        min_rating: The least rating; an event without a rating is dropped.
        history_cap: How many of each user's newest events to keep.
        user_core: The least number of events of a user, and
        item_core: of an item; dropping goes on until both hold.

    Rows that repeat user, item, time and behaviour are kept once, before the cap: the first of the
    file.
    """

    behaviours: Sequence[str] | None
    min_rating: float | None
    history_cap: int | None
    user_core: int
    item_core: int

    def __post_init__(self) -> None:
        for name in ("history_cap", "user_core", "item_core"):
            value = getattr(self, name)
            if value is not None and value < 1:
                message = f"{name} is at least 1, but is {value}: set 1 or more"
                raise ConfigError(message)

    def rows(self, piece: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
        """The rows of a piece of a table whose behaviour and rating are wanted, and the losses.

        Raises:
            InputError: A rule needs a column that is not there.
        """
        lost = {}
        for rule, column, wanted in (
            ("behaviours", tables.BEHAVIOUR, self._behaviour),
            ("min_rating", tables.RATING, self._rating),
        ):
            if getattr(self, rule) is not None:
                _require(piece, column, rule=rule)
                kept = piece.filter(wanted())
                piece, lost[rule] = kept, piece.height - kept.height
        return piece, lost

    def check(self, given: pl.Series | None, *, rows: int, lost: dict[str, int]) -> None:
        """Refuses rules of rows that fit no row.

        Args:
            given: Distinct behaviours of the table, or nothing where none are chosen.
            rows: Of the table.
            lost: How many of them each rule dropped.

        Raises:
            InputError: A behaviour that the table has not, or a rule that leaves nothing.
        """
        for name in self.behaviours or ():
            if given is not None and name not in given:
                message = (
                    f"behaviours names '{name}', but the data has "
                    f"{given.drop_nulls().sort().head(20).to_list()}: choose among these"
                )
                raise InputError(message)
        for rule, number in lost.items():
            _refuse_nothing(rows, rows - number, rule=rule)
            rows -= number

    def of_user(self, events: Events) -> tuple[Events, dict[str, int]]:
        """The events of whole, sorted histories without repeats and the oldest, and the losses."""
        lost = {}
        for rule, mask in (("duplicates", _first_of_duplicates), ("history_cap", self._newest)):
            wanted = mask(events)
            kept = events if wanted is None else events.at(wanted)
            events, lost[rule] = kept, events.size - kept.size
        return events, lost

    def core(self, read: Callable[[], Iterator[Events]], *, users: int, items: int) -> Left:
        """The largest set of events in which users and items all have enough of them.

        Args:
            read: Goes through all events, some at a time.
            users: How many users there are, and
            items: how many items.

        Raises:
            InputError: Nothing is left.
        """
        left = Left(np.ones(users, dtype=np.int64), np.ones(items, dtype=np.int64))
        before = None
        while True:
            counts = _counts(read(), left)
            before = int(counts.user.sum()) if before is None else before
            user = np.where(counts.user >= self.user_core, counts.user, 0)
            item = np.where(counts.item >= self.item_core, counts.item, 0)
            _refuse_nothing(before, int(user.sum()) and int(item.sum()), rule="core")
            if user.sum() == item.sum() == counts.user.sum():
                return counts
            left = Left(user, item)

    def _behaviour(self) -> pl.Expr:
        return pl.col(tables.BEHAVIOUR).is_in(list(self.behaviours or ()))

    def _rating(self) -> pl.Expr:
        return pl.col(tables.RATING) >= self.min_rating

    def _newest(self, events: Events) -> Mask | None:
        if self.history_cap is None:
            return None
        ends = np.searchsorted(events.user, events.user, side="right")
        return np.arange(events.size) >= ends - self.history_cap


def _counts(pieces: Iterator[Events], left: Left) -> Left:
    """Events of each user and item among those that are left."""
    user, item = np.zeros_like(left.user), np.zeros_like(left.item)
    for events in pieces:
        kept = left.of(events)
        np.add.at(user, kept.user, 1)
        np.add.at(item, kept.item, 1)
    return Left(user, item)


def _first_of_duplicates(events: Events) -> Mask | None:
    """Only events of one user at one time are compared, so data without ties costs nothing."""
    same = (events.user[1:] == events.user[:-1]) & (events.tick[1:] == events.tick[:-1])
    tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    if not len(tied):
        return None
    wanted = np.ones(events.size, dtype=np.bool_)
    rows = events.at(tied).rows()
    first = rows.select(pl.struct(Events._fields).is_first_distinct())
    wanted[tied] = first.to_series().to_numpy()
    return wanted


def _require(frame: pl.DataFrame, column: str, *, rule: str) -> None:
    if column not in frame.columns:
        message = (
            f"{rule} needs a column '{column}', but the source names none: "
            f"set source.columns.{column} or leave {rule} out"
        )
        raise InputError(message)


def _refuse_nothing(before: int, after: int, *, rule: str) -> None:
    if not after:
        message = (
            f"{rule} drops all of the {before} interactions that came to it: "
            f"set {rule} lower or leave it out"
        )
        raise InputError(message)
