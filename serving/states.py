"""Users' states, brought up to the last acknowledged event.

    store.read ──► kept state, window ──► no new event: as it is
                   and new events     ──► few of them, in order: a write each
                                      ──► else: encode the newest events
               ──► store.keep, so that the next recall begins there

A state is always that of the newest ``history`` events by time, which is what `recsys score` makes
of the same log. The window of these events is kept beside it.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from recsys.runtime import Bundle, State
from serving.layout import Body, Layout, bundle_hash, seen_by
from serving.store.contract import Kept, Logged, Remembered, Store
from serving.writing import Writing


class Recalled(NamedTuple):
    """States of some users, as the bundle takes them; rows as the users were asked for."""

    state: State
    seen: np.ndarray  # int64 [user, exclusion]: every item a user has had, 0 at the end
    position: list[int]  # of the last event in the log; 0 for none
    events: np.ndarray  # int64 [user]: events that the state is made of, at most ``history``
    unknown: np.ndarray  # int64 [user]: events whose item or behaviour the bundle does not know


class States:
    """What joins a store and a bundle; calls from several threads at once are safe."""

    def __init__(self, store: Store, bundle: Bundle) -> None:
        self.store, self.model = store, bundle_hash(bundle.manifest)
        self._layout = Layout(bundle.manifest)
        self._writing = Writing(bundle, self._layout)

    def recall(self, users: Sequence[str]) -> Recalled:
        """The states of these users after every acknowledged event.

        A user without events has the state of nobody in particular.
        """
        remembered, bodies = self._read(users)
        behind = [row for row, found in enumerate(remembered) if found.after]
        if behind:
            came = [remembered[row].after for row in behind]
            newer = self._writing.advance([bodies[row] for row in behind], came)
            for row, body in zip(behind, newer, strict=True):
                bodies[row] = body
            self.store.keep([self._to_keep(users[r], remembered[r], bodies[r]) for r in behind])
        return self._recalled(bodies, position=[found.position for found in remembered])

    def fresh(self, histories: Sequence[Sequence[Logged]]) -> Recalled:
        """The states after these events of nobody who is known; nothing is kept."""
        bodies = self._writing.advance([self._writing.nothing] * len(histories), histories)
        return self._recalled(bodies, position=[len(history) for history in histories])

    def rebuild(self, *, size: int) -> Iterator[int]:
        """Brings every user's state up to date; yields how many are, after each ``size`` users."""
        users, done = self.store.users(), 0
        while some := list(islice(users, size)):
            self.recall(some)
            done += len(some)
            yield done

    def _read(self, users: Sequence[str]) -> tuple[list[Remembered], list[Body]]:
        """What is known of these users; the whole log of those whose body is not enough."""
        remembered = self.store.read(users, model=self.model)
        bodies = [self._body(found) for found in remembered]
        again = [row for row, body in enumerate(bodies) if body is None]
        if again:
            whole = self.store.read([users[row] for row in again], model="")
            for row, found in zip(again, whole, strict=True):
                remembered[row] = found
        return remembered, [self._writing.nothing if body is None else body for body in bodies]

    def _body(self, found: Remembered) -> Body | None:
        """The kept body; none if it cannot be read, or cannot tell whether an event is repeated.

        That is so for an event of the very time at which the window begins to forget: an equal one
        may have been forgotten.
        """
        if found.kept is None:
            return self._writing.nothing
        if not self._layout.readable(found.kept.body):
            return None
        body = self._layout.unpack(found.kept.body)
        tied = found.after and any(event.time == body.dropped for event in found.after)
        return None if tied else body

    def _to_keep(self, user: str, found: Remembered, body: Body) -> Kept:
        return Kept(user, self.model, found.epoch, found.position, self._layout.pack(body))

    def _recalled(self, bodies: Sequence[Body], *, position: list[int]) -> Recalled:
        return Recalled(
            state=self._layout.stacked(bodies),
            seen=seen_by(bodies),
            position=position,
            events=np.array([body.events for body in bodies]),
            unknown=np.array([body.unknown for body in bodies]),
        )
