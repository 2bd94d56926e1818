"""The event log as a state: what append-only memories remember, and how it grows.

Keys and values are looked up when a log is read, so new weights never make a stored state stale and
forgetting an event is exact.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recsys.data.batches import Events
from recsys.memory.contract import Slots


class LogState(NamedTuple):
    """The newest events, oldest first, at the end of their row; item 0 is an empty slot.

    24 bytes a slot. Empty slots in front may be added or taken away without changing any answer,
    so states of different lengths can be put into one batch.
    """

    item: Int[Tensor, "user slot"]
    time: Int[Tensor, "user slot"]
    behaviour: Int[Tensor, "user slot"]


GROWS = LogState._fields


def empty_log(users: int, *, device: torch.device, slots: int = 1) -> LogState:
    """Logs of users with no event yet: empty slots."""
    empty = torch.zeros(users, slots, dtype=torch.long, device=device)
    return LogState(item=empty, time=empty, behaviour=empty)


def grown(state: LogState, events: Events, *, slots: int) -> LogState:
    """The log after these events; of more than ``slots`` the oldest are forgotten."""
    log = append(state, events)
    return LogState(*(pack(field, log.present)[:, -slots:] for field in log[:3]))


def events_of(state: LogState) -> Events:
    """The log as a history; empty slots are not present."""
    return Events(*state, present=state.item != 0)


def append(state: LogState, events: Events) -> Events:
    """The log and these events behind it, as one history; nothing is forgotten yet."""
    item, time, behaviour = (torch.where(events.present, field, 0) for field in events[:3])
    kept = Events(item, time, behaviour, events.present)
    return Events(*(torch.cat(pair, dim=1) for pair in zip(events_of(state), kept, strict=True)))


def without(state: LogState, gone: Bool[Tensor, "user slot"]) -> LogState:
    """The log as if these slots' events had never happened."""
    kept = (state.item != 0) & ~gone
    return LogState(*(pack(field, kept) for field in state))


class Past(NamedTuple):
    """A log, and the positions from which it is looked at."""

    log: Events
    newest: Int[Tensor, "user position"]  # where the newest event stands, seen from each position


def now(state: LogState) -> Past:
    """The log seen from after its newest event."""
    last = torch.full_like(state.item[:, :1], state.item.shape[1] - 1)
    return Past(events_of(state), newest=last)


def after_events(state: LogState, events: Events) -> Past:
    """The log and these events behind it, seen from after each of them."""
    log = append(state, events)
    return Past(log, newest=newest(log.present)[:, state.item.shape[1] :])


def at_newest(
    vectors: Float[Tensor, "user event width"], past: Past
) -> Float[Tensor, "user position width"]:
    """The vector of the newest event, seen from each position."""
    return vectors.gather(1, past.newest[..., None].expand(-1, -1, vectors.shape[2]))


def as_slots(
    past: Past,
    *,
    keys: Float[Tensor, "user event width"],
    values: Float[Tensor, "user event width"],
    slots: int,
) -> Slots:
    """Every event is a slot, as long as it is among the newest ``slots``."""
    there = seen(past.log, newest=past.newest, slots=slots)
    return Slots(
        keys=keys,
        values=values,
        bias=torch.zeros_like(there.age, dtype=keys.dtype),
        filled=there.filled,
        age=there.age,
        gap_seconds=there.gap_seconds,
        item=past.log.item,
    )


class Seen(NamedTuple):
    """Where the slots of a log stand, seen from some positions."""

    filled: Bool[Tensor, "user position slot"]  # among the newest events there
    age: Int[Tensor, "user position slot"]  # events since the slot's own, 0 for the newest
    gap_seconds: Int[Tensor, "user position slot"]  # from the slot's event to the newest one


def seen(log: Events, *, newest: Int[Tensor, "user position"], slots: int) -> Seen:
    """The log from positions whose newest event stands at these places."""
    rank = log.present.long().cumsum(dim=1)
    age = rank.gather(1, newest)[..., None] - rank[:, None, :]
    now = log.time.gather(1, newest)[..., None]
    return Seen(
        filled=log.present[:, None, :] & (age >= 0) & (age < slots),
        age=age.clamp(min=0),
        gap_seconds=(now - log.time[:, None, :]).clamp(min=0),
    )


def newest(present: Bool[Tensor, "user event"]) -> Int[Tensor, "user event"]:
    """The place of the newest present event at or before each place; 0 where there is none."""
    place = torch.arange(present.shape[1], device=present.device).expand_as(present)
    return torch.where(present, place, 0).cummax(dim=1).values


def pack(
    field: Int[Tensor, "user event"], present: Bool[Tensor, "user event"]
) -> Int[Tensor, "user event"]:
    """Moves what is present to the end of its row, in order; the front is filled with zeros."""
    later = present.long().flip(1).cumsum(dim=1).flip(1)  # present ones from here on, this included
    place = torch.where(present, field.shape[1] - later + 1, 0)  # 0 is thrown away below
    target = torch.zeros(field.shape[0], field.shape[1] + 1, dtype=field.dtype, device=field.device)
    return target.scatter(1, place, field)[:, 1:]
