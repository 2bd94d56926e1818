"""The simulated catalogue: singles in narrow topics, series in parts, all in categories."""

from typing import NamedTuple

import numpy as np

PARTS = 5  # of every series
TOPIC = 16  # items of a narrow topic
_SERIES_SHARE = 0.4  # of the items
_OPENING = 3.0  # how much more popular the first part of a series is than a single item
_SKEW = 0.7  # Zipf exponent of popularity


class World(NamedTuple):
    """What each item is; an index says nothing about it, because the order is random."""

    category: np.ndarray  # [item]
    topic: np.ndarray  # [item], -1 for parts of a series
    series: np.ndarray  # [item], -1 for singles
    part: np.ndarray  # [item], 1 to PARTS; 0 for singles
    items: np.ndarray  # [series, part], the item that is this part
    weight: np.ndarray  # [item], popularity


class Shelf(NamedTuple):
    """Items in groups with cumulative popularity, so that one uniform number draws one item."""

    item: np.ndarray  # [place], ordered by group
    cumulative: np.ndarray  # [place + 1]
    low: np.ndarray  # [group + 1], cumulative popularity where a group begins; the last is whole
    high: np.ndarray  # [group + 1], and where it ends

    @property
    def groups(self) -> int:
        """How many groups there are; the number itself, as a group, is the whole shelf."""
        return len(self.low) - 1

    def draw(self, group: np.ndarray, *, random: np.random.Generator) -> np.ndarray:
        """One item for each group asked for, by popularity."""
        span = self.high[group] - self.low[group]
        point = self.low[group] + span * random.random(len(group))
        place = np.searchsorted(self.cumulative, point, side="right") - 1
        return self.item[np.clip(place, 0, len(self.item) - 1)]


def build(items: int, *, categories: int, random: np.random.Generator) -> World:
    """Two in five items are parts of a series, the others fill topics of sixteen."""
    series = max(int(items * _SERIES_SHARE) // PARTS, 1)
    singles = items - series * PARTS
    topics = max(singles // TOPIC, 1)
    order = random.permutation(items)
    single, parts = order[:singles], order[singles:].reshape(series, PARTS)
    kinds = min(categories, topics)
    category, topic, serial, part = np.full((4, items), -1)
    topic[single] = np.minimum(np.arange(singles) // TOPIC, topics - 1)
    category[single] = topic[single] % kinds
    serial[parts] = np.arange(series)[:, None]
    category[parts] = serial[parts] % kinds
    part[single], part[parts] = 0, np.arange(1, PARTS + 1)
    weight = (random.permutation(items) + 1.0) ** -_SKEW * np.where(part == 1, _OPENING, 1.0)
    return World(category, topic, series=serial, part=part, items=parts, weight=weight)


def shelve(world: World, *, group: np.ndarray) -> Shelf:
    """Singles and first parts that have a group; later parts are reached by returning only."""
    item = np.flatnonzero((world.part <= 1) & (group >= 0))
    item = item[np.argsort(group[item], kind="stable")]
    cumulative = np.append(0.0, np.cumsum(world.weight[item]))
    edge = cumulative[np.searchsorted(group[item], np.arange(group.max() + 2))]
    return Shelf(
        item, cumulative, low=np.append(edge[:-1], 0.0), high=np.append(edge[1:], edge[-1])
    )
