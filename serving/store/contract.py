"""What a state store promises: every user's event log, which is the truth, and states, its cache.

    append ──► log of a user: position 1, 2, 3 ...    read ──► a kept state, and later events
                    │  forget, forget_item                          │  encode or write (the bundle)
                    ▼                                               ▼
               a new epoch: no state kept before counts      keep ──► the state, for the next read

A store knows neither the catalogue nor the bundle: ids are text as the caller writes them, a state
is bytes. All calls are for many users at once, block, and may come from several threads and
processes; a process that forks opens a store of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Write(NamedTuple):
    """An event to be remembered."""

    user: str
    item: str
    time: int  # UTC seconds, or an order where the data has only that
    behaviour: str | None
    event_id: str | None  # the client's own; None: not told apart from any other


class Receipt(NamedTuple):
    """What became of a write."""

    position: int  # in the log of its user, from 1, in the order of acknowledgement
    repeated: bool  # the user's log had this event id already: nothing was written


class Logged(NamedTuple):
    """An event as the log holds it."""

    position: int
    item: str
    time: int
    behaviour: str | None


class Kept(NamedTuple):
    """A state that was made from the log."""

    user: str
    model: str  # hash of the model that made it, and alone can read it
    epoch: int  # of the log it was made from
    position: int  # of the last event that is in it
    body: bytes


class Remembered(NamedTuple):
    """What a store has of a user."""

    epoch: int  # rises when something is forgotten; no position of an epoch is given twice
    position: int  # of the last event; 0 where there never was one
    kept: Kept | None  # of the asked model and of this epoch
    after: Sequence[Logged]  # events later than ``kept``, all of them without one; oldest first


class Store(ABC):
    """Durable before it returns, exactly once by event id, in one order a user."""

    @abstractmethod
    def append(self, writes: Sequence[Write]) -> list[Receipt]:
        """Logs these events, in their order, durably and all or none; a receipt for each.

        Raises:
            StoreError: Nothing of it was written, or it cannot be known: writing it again with
                the same event ids is safe.
        """

    @abstractmethod
    def read(self, users: Sequence[str], *, model: str) -> list[Remembered]:
        """What is known of each user, every acknowledged event included.

        An unknown user has epoch 0 and no event. The model ``""`` has no states: all events come.
        """

    @abstractmethod
    def keep(self, states: Sequence[Kept]) -> None:
        """Keeps states for later reads; one of an earlier epoch or position is passed over."""

    @abstractmethod
    def forget(self, users: Sequence[str]) -> list[int]:
        """Removes logs, event ids and states, from the files too; how many events each had.

        Such a user is a new one afterwards, with position 1 next and an epoch never had before.

        Raises:
            StoreError: Nothing was removed, or the files still hold bytes of it: forget again.
        """

    @abstractmethod
    def forget_item(self, user: str, *, item: str) -> int:
        """Removes a user's events with this item, and the states made from them; how many.

        Other events keep their positions. The ids of the removed ones are forgotten with them.
        """

    @abstractmethod
    def users(self) -> Iterator[str]:
        """All users with at least one event, each once."""

    @abstractmethod
    def ready(self) -> None:
        """Returns if reads and writes would work now.

        Raises:
            StoreError: They would not; it says why.
        """

    @abstractmethod
    def close(self) -> None:
        """Lets go of files and connections; nothing acknowledged is lost."""


class StoreError(Exception):
    """The store cannot do what was asked: full, unreachable, or held by something else."""
