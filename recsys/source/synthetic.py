"""A simulator of people for whom memory matters: interactions and items without any data."""

import numpy as np
import polars as pl

from recsys import tables
from recsys.errors import ConfigError
from recsys.source.simulator.crowd import MECHANISMS, Crowd, Shares
from recsys.source.simulator.titles import CATEGORIES, SUBJECTS, titles
from recsys.source.simulator.world import build

_BLOCK = 10_000  # users simulated together; their own seed makes memory flat
_START = 1_735_689_600  # 1 January 2025, UTC, in seconds
_YEAR = 365 * 86_400
_ITEMS_PER_EVENT = 10  # so that nobody runs out of new items
_SITTING = 0.75  # chance that the next event belongs to the same sitting
_PAUSE_SECONDS = 900  # mean gap inside a sitting
_LONGEST_PAUSE = 3_600


class Synthetic:
    """Users with lasting tastes, passing interests and long-lag returns.

    With the settings of ``conf/source/synthetic.yaml`` an event comes from

    - taste, about 41 %: a new item of a category that the user likes for good (a Dirichlet over
      categories), popular ones first;
    - passing, about 22 %: bursts of about five events inside one narrow topic, then never again;
    - return, about 26 %: the next part of a series, 5 to 40 events after the part before. Nothing
      recent announces it; a memory that is asked for "part 3" and finds part 2 knows it;
    - noise, about 11 %: anything new, by popularity.

    A mechanism that has nothing to offer gives way to taste, taste to noise, so the shares found
    differ a little from the ones asked for. The same settings give the same table.

    Args:
        users: How many people.
        items: How many items; at least 10 times ``events``, because nobody takes one twice.
        events: Mean events of a user; single users have a tenth to four times as many.
        seed: Of all randomness.
        passing: Share of events inside a passing interest.
        returns: Share of events that look for the next part of a series.
        noise: Share of events that follow popularity alone.
        repeats: Share of events that take an earlier item of the user again.

    Raises:
        ConfigError: A count is too small or the shares leave nothing for taste.
    """

    def __init__(
        self,
        users: int,
        items: int,
        events: int,
        seed: int,
        passing: float,
        returns: float,
        noise: float,
        repeats: float,
    ) -> None:
        self._shares = Shares(passing=passing, returns=returns, noise=noise, repeats=repeats)
        self._users, self._items, self._events, self._seed = users, items, events, seed
        self._check()
        random = np.random.default_rng(seed)
        self._world = build(items, categories=len(CATEGORIES), random=random)

    def interactions(self) -> pl.LazyFrame:
        """One row an event: users one after the other, each oldest first; times are seconds."""
        return tables.interactions(self.mechanisms().lazy(), time_unit="s")

    def mechanisms(self) -> pl.DataFrame:
        """The same rows with the cause of each event, which no recommender is given."""
        return pl.concat([self._block(first) for first in range(0, self._users, _BLOCK)])

    def items(self) -> pl.DataFrame:
        """Titles such as "The Copper Harbour, part 3" and two categories, the narrow one last."""
        world = self._world
        single = world.part == 0
        number = np.where(single, len(world.items) + np.cumsum(single) - 1, world.series)
        names = titles(int(number.max()) + 1)
        kinds = int(world.category.max()) + 1
        rows = zip(number, world.part, world.category, world.topic // kinds, strict=True)
        named = [_named(names[name], part=part, category=c, subject=t) for name, part, c, t in rows]
        return pl.DataFrame(
            {
                tables.ITEM_ID: np.arange(1, self._items + 1),
                tables.TITLE: [title for title, _ in named],
                tables.CATEGORIES: [categories for _, categories in named],
            }
        )

    def describe(self) -> dict[str, object]:
        """Kind and options: all that is needed to make the same table again."""
        return {
            "kind": "synthetic",
            "users": self._users,
            "items": self._items,
            "events": self._events,
            "seed": self._seed,
            **self._shares._asdict(),
            "time": "seconds",
        }

    def _block(self, first: int) -> pl.DataFrame:
        users = min(_BLOCK, self._users - first)
        random = np.random.default_rng([self._seed, first // _BLOCK])
        length = lengths(users, mean=self._events, random=random)
        time = times(length, random=random)
        lives = Crowd(self._world, users=users, random=random).live(length, shares=self._shares)
        user = np.broadcast_to(np.arange(first + 1, first + users + 1)[:, None], time.shape)
        lived = lives.item >= 0
        return pl.DataFrame(
            {
                tables.USER_ID: user[lived],
                tables.ITEM_ID: lives.item[lived] + 1,
                tables.TIMESTAMP: time[lived],
                "mechanism": np.array(MECHANISMS)[lives.mechanism[lived]],
            }
        )

    def _check(self) -> None:
        counts = {"users": (self._users, 1), "events": (self._events, 2), "items": (self._items, 2)}
        for name, (count, least) in counts.items():
            if not isinstance(count, int) or count < least:
                message = f"source.{name} is {count!r}: set a whole number of at least {least}"
                raise ConfigError(message)
        least = _ITEMS_PER_EVENT * self._events
        if self._items < least:
            message = (
                f"source.items is {self._items}, too few for source.events={self._events}, "
                f"because nobody takes an item twice: set at least {least}"
            )
            raise ConfigError(message)
        if min(self._shares) < 0 or sum(self._shares) >= 1:
            shares = ", ".join(f"{key}={value}" for key, value in self._shares._asdict().items())
            message = (
                f"the shares of source=synthetic are 0 or more and sum to less than 1, "
                f"but are {shares}: correct them"
            )
            raise ConfigError(message)


def lengths(users: int, *, mean: int, random: np.random.Generator) -> np.ndarray:
    """Events of each user: gamma with this mean, from a tenth of it (at least 2) to four times."""
    drawn = random.gamma(4.0, mean / 4, size=users).round()
    return np.clip(drawn, max(2, mean // 10), 4 * mean).astype(np.int64)


def times(length: np.ndarray, *, random: np.random.Generator) -> np.ndarray:
    """Seconds since 1970 [user, event], strictly increasing: sittings between a joining and now.

    People join through the first four fifths of the year 2025 and stay until its end.
    """
    shape = (len(length), int(length.max()))
    join = _START + random.random((len(length), 1)) * 0.8 * _YEAR
    gap = 1 + np.minimum(random.exponential(_PAUSE_SECONDS, size=shape), _LONGEST_PAUSE)
    leaves = random.random(shape) >= _SITTING
    away = np.where(leaves, random.exponential(1.0, size=shape), 0.0)
    lived = np.arange(shape[1]) < length[:, None]
    away[~lived] = 0
    # The time that is left until the end of the year is divided over the absences.
    room = np.maximum(_START + _YEAR - join - (gap * lived).sum(axis=1, keepdims=True), 0)
    rest = away.sum(axis=1, keepdims=True) + random.exponential(1.0, size=join.shape)
    return (join + np.cumsum(gap + away / rest * room, axis=1)).astype(np.int64)


def _named(name: str, *, part: int, category: int, subject: int) -> tuple[str, list[str]]:
    """Title and categories of one item; what is no part of a series has a subject."""
    broad = CATEGORIES[category]
    if part:
        return f"{name}, part {part}", [broad, "Series"]
    return name, [broad, f"{broad}: {SUBJECTS[subject % len(SUBJECTS)]}"]
