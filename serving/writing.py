"""G of the four modules behind a window: brings users' bodies forward by the events that came in.

A write is cheaper than an encode and is taken wherever both lead to the same state: for a memory
that is the log of events always, for one that rewrites its slots as long as the window has not
begun to forget; and only where no event is earlier than one that was there.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Final

import numpy as np
import polars as pl

from recsys import tables
from recsys.runtime import Bundle, Events, State
from recsys.scoring.ragged import offsets, padded, places
from serving.layout import EVENT, SEEN, Body, Layout
from serving.store.contract import Logged
from serving.window import NEVER, Flat, Window, advanced

FEW: Final = 4  # events that are written one by one; more at once are encoded
AT_ONCE: Final = 64  # users of one encode

Part = tuple[bytes, bytes]  # what is fixed and the slots of a user's state


class Writing:
    """What one bundle makes of events; it holds no user."""

    def __init__(self, bundle: Bundle, layout: Layout) -> None:
        self.bundle, self.layout = bundle, layout
        ids = bundle.catalogue[tables.ITEM_ID].cast(pl.String)
        self._items = dict(zip(ids, bundle.catalogue[tables.ITEM], strict=True))
        names = bundle.manifest["behaviours"]
        self._behaviours = {name: place for place, name in enumerate(names, start=1)}
        none = np.zeros(0, dtype=np.int64)
        nobody = Flat(none, none, none, none)
        ((fixed, slots),) = self._encoded(nobody, users=1)
        self.nothing = Body(fixed, slots, b"", b"", dropped=NEVER, unknown=0)

    def advance(self, bodies: Sequence[Body], came: Sequence[Sequence[Logged]]) -> list[Body]:
        """The bodies after these events of each user, which stand by position."""
        new = self._coded(came)
        unknown = np.array([len(events) for events in came]) - np.bincount(
            new.user, minlength=len(came)
        )
        events, is_new = _joined(bodies, new)
        window = advanced(
            events,
            new=is_new,
            dropped=np.array([body.dropped for body in bodies], dtype=np.int64),
            history=self.bundle.history,
        )
        states = self._states(bodies, window)
        parts = zip(states, _seen(bodies, new), _windows(window, users=len(bodies)), strict=True)
        return [
            Body(
                *state,
                seen=seen,
                window=events,
                dropped=int(window.dropped[user]),
                unknown=bodies[user].unknown + int(unknown[user]),
            )
            for user, (state, seen, events) in enumerate(parts)
        ]

    def _coded(self, came: Sequence[Sequence[Logged]]) -> Flat:
        """The events that the bundle knows, in numbers."""
        every = list(chain.from_iterable(came))
        item = np.array([self._items.get(event.item, 0) for event in every], dtype=np.int64)
        if self._behaviours:
            codes = [self._behaviour(event.behaviour) for event in every]
            behaviour = np.array(codes, dtype=np.int64)
        else:
            behaviour = np.zeros_like(item)
        time = np.array([event.time for event in every], dtype=np.int64)
        user = np.repeat(np.arange(len(came)), [len(events) for events in came])
        return Flat(user, item, time, behaviour).at((item > 0) & (behaviour >= 0))

    def _behaviour(self, name: str | None) -> int:
        """Its place, 0 for none, -1 for one that training did not know."""
        return 0 if name is None else self._behaviours.get(name, -1)

    def _states(self, bodies: Sequence[Body], window: Window) -> list[Part]:
        """The state of each user: as it was, written to, or encoded."""
        states: list[Part] = [body[:2] for body in bodies]
        count = np.bincount(window.added.user, minlength=len(bodies))
        had = np.array([body.events > 0 for body in bodies])
        same = self.layout.is_log | (window.dropped == NEVER)
        write = window.changed & window.in_order & same & (count <= FEW) & had
        encode = window.changed & ~write
        for chosen in _portions(np.flatnonzero(write)):
            some = [bodies[user] for user in chosen]
            _put(states, chosen, self._written(some, _of(window.added, chosen)))
        for chosen in _portions(np.flatnonzero(encode)):
            _put(states, chosen, self._encoded(_of(window.events, chosen), users=len(chosen)))
        return states

    def _written(self, bodies: Sequence[Body], added: Flat) -> list[Part]:
        """States of these users after one write for each event."""
        state = self.layout.stacked(bodies)
        events = _rectangle(added, users=len(bodies))
        for place in range(events.item.shape[1]):
            event = Events(*(field[:, place] for field in events))
            state = self._newest(self.bundle.write(state, event=event))
        return self.layout.apart(state)

    def _newest(self, state: State) -> State:
        """A log may hold more than ``history`` events; no more than these are read."""
        if not self.layout.is_log:
            return state
        return {name: field[:, -self.bundle.history :] for name, field in state.items()}

    def _encoded(self, events: Flat, *, users: int) -> list[Part]:
        return self.layout.apart(self.bundle.encode(_rectangle(events, users=users)))


def _joined(bodies: Sequence[Body], new: Flat) -> tuple[Flat, np.ndarray]:
    """Of each user the window there was and then what came in, and which events those are."""
    old = np.frombuffer(b"".join([body.window for body in bodies]), EVENT)
    user = np.repeat(np.arange(len(bodies)), [body.events for body in bodies])
    both = Flat(
        user=np.concatenate([user, new.user]),
        item=np.concatenate([old["item"], new.item]),
        time=np.concatenate([old["time"], new.time]),
        behaviour=np.concatenate([old["behaviour"], new.behaviour]),
    )
    came = np.arange(len(both.user)) >= len(old)
    order = np.argsort(both.user, kind="stable")
    return both.at(order), came[order]


def _of(events: Flat, chosen: np.ndarray) -> Flat:
    """The events of these users, who are counted from 0."""
    place = np.searchsorted(chosen, events.user).clip(max=len(chosen) - 1)
    found = chosen[place] == events.user
    return events._replace(user=place).at(found)


def _rectangle(events: Flat, *, users: int) -> Events:
    """A row for each user, padding at the end."""
    edge = offsets(events.user, users=users)
    place, present = places(edge[:-1], edge[1:])
    item, time, behaviour = (padded(f, place=place, present=present) for f in events[1:])
    return Events(item=item, time=time, behaviour=behaviour)


def _portions(chosen: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(chosen), AT_ONCE):
        yield chosen[start : start + AT_ONCE]


def _put(states: list[Part], chosen: np.ndarray, made: Iterable[Part]) -> None:
    for user, state in zip(chosen, made, strict=True):
        states[user] = state


def _seen(bodies: Sequence[Body], new: Flat) -> list[bytes]:
    """The distinct items of each user, rising."""
    old = np.frombuffer(b"".join([body.seen for body in bodies]), SEEN)
    had = [len(body.seen) // SEEN.itemsize for body in bodies]
    user = np.concatenate([np.repeat(np.arange(len(bodies)), had), new.user])
    item = np.concatenate([old, new.item])
    order = np.lexsort((item, user))
    user, item = user[order], item[order]
    first = np.ones(len(user), dtype=bool)
    first[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
    return _stretches(item[first].astype(SEEN), user[first], users=len(bodies))


def _windows(window: Window, *, users: int) -> list[bytes]:
    events = np.empty(len(window.events.user), EVENT)
    for name in EVENT.names or ():
        events[name] = getattr(window.events, name)
    return _stretches(events, window.events.user, users=users)


def _stretches(values: np.ndarray, user: np.ndarray, *, users: int) -> list[bytes]:
    """The bytes of each user's stretch."""
    raw, edge = values.tobytes(), offsets(user, users=users) * values.itemsize
    return [raw[start:end] for start, end in pairwise(edge)]
