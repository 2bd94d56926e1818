"""The event log as a state: what append-only memories remember, and how it grows.

Keys and values are looked up when a log is read, so new weights never make a stored state stale and
forgetting an event is exact.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from recsys.data.batches import Events


class LogState(NamedTuple):
    """The newest events, oldest first, at the end of their row; item 0 is an empty slot.

    24 bytes a slot. Empty slots in front may be added or taken away without changing any answer,
    so states of different lengths can be put into one batch.
    """

    item: Int[Tensor, "user slot"]
    time: Int[Tensor, "user slot"]
    behaviour: Int[Tensor, "user slot"]


GROWS = LogState._fields


def empty_log(users: int, *, device: torch.device) -> LogState:
    """Logs of users with no event yet: one empty slot."""
    empty = torch.zeros(users, 1, dtype=torch.long, device=device)
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
