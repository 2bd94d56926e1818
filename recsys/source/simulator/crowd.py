"""Simulated users living through their events together: one step of all of them at a time."""

from typing import NamedTuple

import numpy as np

from recsys.source.simulator.world import PARTS, Shelf, World, shelve

MECHANISMS = ("taste", "passing", "return", "noise", "repeat")
TASTE, PASSING, RETURN, NOISE, REPEAT = range(len(MECHANISMS))
LAGS = (5, 40)  # events from a part to the next one; after more the series is forgotten
BURST = 5  # mean events of a passing interest
_CONCENTRATION = 0.25  # of the Dirichlet over categories: two or three matter to a user
_TRIES = 8  # draws that may hit an item seen before


class Shares(NamedTuple):
    """Share of the events in which each mechanism is tried first; taste has the rest."""

    passing: float
    returns: float
    noise: float
    repeats: float


class Lives(NamedTuple):
    """What happened, oldest first; -1 after the last event of a user."""

    item: np.ndarray  # [user, event]
    mechanism: np.ndarray  # [user, event], an index of MECHANISMS


class Crowd:
    """The mutable state of some users: what they saw, what they began, what occupies them."""

    def __init__(self, world: World, *, users: int, random: np.random.Generator) -> None:
        self._world, self._random = world, random
        self._by_category = shelve(world, group=world.category)
        self._by_topic = shelve(world, group=world.topic)
        taste = np.full(self._by_category.groups, _CONCENTRATION)
        self._tastes = np.cumsum(random.dirichlet(taste, size=users), axis=1)
        self._seen = np.zeros((users, len(world.category)), dtype=bool)
        self._parts = np.zeros((users, len(world.items)), dtype=np.int8)
        self._touched = np.zeros((users, len(world.items)), dtype=np.int32)
        self._interest = np.full(users, -1)
        self._step = 0

    def live(self, length: np.ndarray, *, shares: Shares) -> Lives:
        """Let every user have as many events as ``length`` says."""
        lives = Lives(*np.full((2, len(length), int(length.max())), -1))
        for self._step in range(int(length.max())):
            users = np.flatnonzero(length > self._step)
            mechanism = self._wish(users, shares=shares)
            item = self._take(users, mechanism=mechanism, earlier=lives.item)
            self._remember(users, item=item)
            lives.item[users, self._step] = item
            lives.mechanism[users, self._step] = mechanism
        return lives

    def _wish(self, users: np.ndarray, *, shares: Shares) -> np.ndarray:
        """The mechanism to try first; passing interests come and go, the others are drawn."""
        random, interest = self._random, self._interest[users]
        leaving = 1 / BURST
        flow = shares.passing * leaving
        entering = flow / (1 - shares.passing + flow)  # keeps the share of passing stationary
        interest[random.random(len(users)) < leaving] = -1
        enters = (interest < 0) & (random.random(len(users)) < entering)
        interest[enters] = random.integers(self._by_topic.groups, size=enters.sum())
        self._interest[users] = interest
        bounds = np.cumsum([shares.returns, shares.noise, shares.repeats]) / (1 - shares.passing)
        place = np.searchsorted(bounds, random.random(len(users)), side="right")
        return np.where(interest >= 0, PASSING, np.array([RETURN, NOISE, REPEAT, TASTE])[place])

    def _take(self, users: np.ndarray, *, mechanism: np.ndarray, earlier: np.ndarray) -> np.ndarray:
        """An item for each user; ``mechanism`` is changed where the wish had nothing to offer."""
        item = np.full(len(users), -1)
        offers = {
            REPEAT: lambda some: self._again(some, earlier=earlier),
            RETURN: self._next_part,
            PASSING: lambda some: self._unseen(some, self._by_topic, group=self._interest[some]),
            TASTE: self._liked,
            NOISE: self._anything,
        }
        for kind, offer in offers.items():
            asked = np.flatnonzero((mechanism == kind) & (item < 0))
            item[asked] = offer(users[asked])
            mechanism[asked[item[asked] < 0]] = NOISE if kind == TASTE else TASTE
        return item

    def _again(self, users: np.ndarray, *, earlier: np.ndarray) -> np.ndarray:
        if self._step == 0:
            return np.full(len(users), -1)
        return earlier[users, self._random.integers(self._step, size=len(users))]

    def _next_part(self, users: np.ndarray) -> np.ndarray:
        """The next part of one of the series whose last part was long enough ago."""
        parts = self._parts[users]
        lag = self._step - self._touched[users]
        due = (parts > 0) & (parts < PARTS) & (lag >= LAGS[0]) & (lag <= LAGS[1])
        chosen = np.argmax(self._random.random(due.shape) * due, axis=1)
        row = np.arange(len(users))
        item = self._world.items[chosen, np.minimum(parts[row, chosen], PARTS - 1)]
        return np.where(due[row, chosen], item, -1)

    def _liked(self, users: np.ndarray) -> np.ndarray:
        point = self._random.random((len(users), 1))
        category = (self._tastes[users, :-1] < point).sum(axis=1)
        return self._unseen(users, self._by_category, group=category)

    def _anything(self, users: np.ndarray) -> np.ndarray:
        """By popularity alone; any item left where the popular ones are used up."""
        whole = np.full(len(users), self._by_category.groups)
        item = self._unseen(users, self._by_category, group=whole)
        lost = np.flatnonzero(item < 0)
        left = ~self._seen[users[lost]] & (self._world.part <= 1)
        item[lost] = np.argmax(self._random.random(left.shape) * left, axis=1)
        return item

    def _unseen(self, users: np.ndarray, shelf: Shelf, *, group: np.ndarray) -> np.ndarray:
        """An item of the group that is new to the user; -1 where several draws found none."""
        item = np.full(len(users), -1)
        for _ in range(_TRIES):
            open_ = np.flatnonzero(item < 0)
            drawn = shelf.draw(group[open_], random=self._random)
            item[open_] = np.where(self._seen[users[open_], drawn], -1, drawn)
        return item

    def _remember(self, users: np.ndarray, *, item: np.ndarray) -> None:
        new = ~self._seen[users, item]
        self._seen[users, item] = True
        told = new & (self._world.part[item] > 0)
        series = self._world.series[item[told]]
        self._parts[users[told], series] = self._world.part[item[told]]
        self._touched[users[told], series] = self._step
