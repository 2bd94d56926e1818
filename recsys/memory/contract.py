"""What every memory holds to: G of the four modules, written once and read by any output module.

Parameters live in the module; what a user has done lives in a state that is passed in and
returned. O reads (recsys.output); a memory only writes and shows its slots.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from recsys.data.batches import Events

State = TypeVar("State", bound=tuple[Tensor, ...])
Encode = Callable[[Events], Tensor]  # I: events -> Float[Tensor, "user event width"]
Table = Callable[[int], nn.Module]  # width -> a new table: item index -> vector, zero for item 0


class Slots(NamedTuple):
    """What can be read, and from where it is looked at.

    A view has rows and positions. A state is seen from one position. An append-only memory trained
    at every position is one row a user and one position an event; a rewriting memory has other
    slots after every event, so there each event is a row of its own with one position.
    """

    keys: Float[Tensor, "row slot width"]
    values: Float[Tensor, "row slot width"]
    bias: Float[Tensor, "row position slot"]  # added to every logit: a merged slot's log count
    filled: Bool[Tensor, "row position slot"]  # readable from this position
    age: Int[Tensor, "row position slot"]  # events since the slot's own, 0 for the newest
    gap_seconds: Int[Tensor, "row position slot"]  # from the slot's event to the newest one
    item: Int[Tensor, "row slot"]  # whose event the slot came from; 0 where it is nobody's
    layers: Float[Tensor, "row layer slot width"] | None = (
        None  # tables of hops that have their own
    )
    session: Int[Tensor, "row slot"] | None = None  # equal where slots belong to one session
    written: Float[Tensor, "row slot"] | None = None  # write weights of all events, summed


class Look(NamedTuple):
    """What a memory shows: its slots, and the user's present, which is alike before any event."""

    slots: Slots
    context: Float[Tensor, "row position width"]  # the present: O's first query, R's dot term


class Memory(nn.Module, ABC, Generic[State]):
    """A memory; ``encode`` is I, through which a memory sees events, new ones or remembered ones.

    ``remembers`` says whether slots know the event they came from, which explanations need;
    ``grows`` names the fields of the state whose second axis counts slots that come with the
    events, where empty ones (0) in front may be added or taken away.
    """

    remembers: bool
    grows: tuple[str, ...]

    @abstractmethod
    def initial_state(self, users: int) -> State:
        """The state of users with no event yet."""

    @abstractmethod
    def write(self, state: State, events: Events, encode: Encode) -> State:
        """The state after these events, oldest first. Events that are not present write nothing."""

    @abstractmethod
    def look(self, state: State, encode: Encode) -> Look:
        """What can be read of this state, seen from after its newest event (one position)."""

    @abstractmethod
    def along(self, state: State, events: Events, encode: Encode) -> Look:
        """The same as write one event, look, write the next, look; for training at every position.

        Rows times positions run user by user, oldest first. What is seen at an event that is not
        present is what was seen at the one before.
        """
