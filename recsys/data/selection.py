"""Which interactions are kept: rules in a fixed order, each with a count of what it dropped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys import tables
from recsys.data.events import Events, events
from recsys.errors import ConfigError, InputError

Mask = NDArray[np.bool_]


class Selected(NamedTuple):
    """The events that are left and how many each rule dropped."""

    events: Events
    dropped: dict[str, int]


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

    def select(self, frame: pl.DataFrame) -> Selected:
        """The events of a checked interactions table that the rules leave, sorted.

        Raises:
            InputError: A rule needs a column that is not there, or leaves no event.
        """
        kept, dropped = frame, {}
        if self.behaviours is not None:
            kept = self._of_behaviours(kept)
            dropped["behaviours"] = _lost(frame.height, kept.height, rule="behaviours")
        if self.min_rating is not None:
            before = kept.height
            kept = self._rated(kept)
            dropped["min_rating"] = _lost(before, kept.height, rule="min_rating")
        chosen = events(kept)
        for rule, mask in (
            ("duplicates", _first_of_duplicates),
            ("history_cap", self._newest),
            ("core", self._core),
        ):
            wanted = mask(chosen)
            left = chosen if wanted is None else chosen.at(wanted)
            dropped[rule] = _lost(chosen.size, left.size, rule=rule)
            chosen = left
        return Selected(chosen, dropped)

    def _of_behaviours(self, frame: pl.DataFrame) -> pl.DataFrame:
        _require(frame, tables.BEHAVIOUR, rule="behaviours")
        given = frame[tables.BEHAVIOUR].unique().drop_nulls().sort()
        for name in self.behaviours or ():
            if name not in given:
                message = (
                    f"behaviours names '{name}', but the data has {given.head(20).to_list()}: "
                    "choose among these"
                )
                raise InputError(message)
        return frame.filter(pl.col(tables.BEHAVIOUR).is_in(list(self.behaviours or ())))

    def _rated(self, frame: pl.DataFrame) -> pl.DataFrame:
        _require(frame, tables.RATING, rule="min_rating")
        return frame.filter(pl.col(tables.RATING) >= self.min_rating)

    def _newest(self, chosen: Events) -> Mask | None:
        if self.history_cap is None:
            return None
        ends = np.cumsum(np.bincount(chosen.user, minlength=chosen.user_ids.len()))
        return np.arange(chosen.size) >= ends[chosen.user] - self.history_cap

    def _core(self, chosen: Events) -> Mask | None:
        """The largest set of events in which users and items all have enough of them."""
        if self.user_core == self.item_core == 1:
            return None
        places = np.arange(chosen.size)
        while True:
            user, item = chosen.user[places], chosen.item[places]
            enough = np.bincount(user)[user] >= self.user_core
            enough &= np.bincount(item)[item] >= self.item_core
            if enough.all():
                break
            places = places[enough]
        wanted = np.zeros(chosen.size, dtype=np.bool_)
        wanted[places] = True
        return wanted


def _first_of_duplicates(chosen: Events) -> Mask | None:
    """Only events of one user at one time are compared, so data without ties costs nothing."""
    same = (chosen.user[1:] == chosen.user[:-1]) & (chosen.tick[1:] == chosen.tick[:-1])
    tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    if not len(tied):
        return None
    columns = ("user", "tick", "item", "behaviour")
    rows = pl.DataFrame({name: getattr(chosen, name)[tied] for name in columns})
    wanted = np.ones(chosen.size, dtype=np.bool_)
    wanted[tied] = rows.select(pl.struct(columns).is_first_distinct()).to_series().to_numpy()
    return wanted


def _require(frame: pl.DataFrame, column: str, *, rule: str) -> None:
    if column not in frame.columns:
        message = (
            f"{rule} needs a column '{column}', but the source names none: "
            f"set source.columns.{column} or leave {rule} out"
        )
        raise InputError(message)


def _lost(before: int, after: int, *, rule: str) -> int:
    if not after:
        message = (
            f"{rule} drops all of the {before} interactions that came to it: "
            f"set {rule} lower or leave it out"
        )
        raise InputError(message)
    return before - after
