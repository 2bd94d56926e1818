"""A memory as people look at it: what a user did, and how much each slot counts for an item.

Where the slots of a memory are events, the read weights stand beside them, hop by hop. Where they
are not (a GRU's vector, the rows of a Turing machine), the events are shown without weights.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from recsys.runtime import Scored
from serving.lists import Served
from serving.model import Model
from serving.store.contract import Logged, Store


def memories(
    served: Served, store: Store, users: Sequence[str], *, item_ids: tuple[str, ...]
) -> list[dict[str, Any]]:
    """What is remembered of each user, and how these items read it.

    Items that the catalogue does not know have no score and are left out.
    """
    model = served.model
    recalled = served.states.recall(users)
    logs = [remembered.after for remembered in store.read(users, model="")]
    candidates = model.indices(item_ids)
    asked = np.tile(np.array(candidates or [1], dtype=np.int64), (len(users), 1))
    scored = model.bundle.score(recalled.state, candidates=asked)
    found = []
    for row, (user, log) in enumerate(zip(users, logs, strict=True)):
        filled, events = _slots(_read(log, model), scored, row=row, model=model)
        found.append(
            {
                "user_id": model.user(user),
                "events": len(log),
                "model": model.version,
                "slots": [_shown(event, model) for event in events],
                "reads": _reads(model, candidates, scored, row=row, filled=filled),
            }
        )
    return found


def _read(log: Sequence[Logged], model: Model) -> list[Logged]:
    """The events that a state is made from: oldest first, of equal ones the first."""
    known = [event for event in log if event.item in model.index and _behaves(event, model)]
    by_time = sorted(known, key=lambda event: event.time)
    distinct = {(event.item, event.time, event.behaviour): event for event in reversed(by_time)}
    return [event for event in by_time if distinct[event[1:]] is event]


def _behaves(event: Logged, model: Model) -> bool:
    return event.behaviour is None or not model.behaviours or event.behaviour in model.behaviours


def _slots(
    events: list[Logged], scored: Scored, *, row: int, model: Model
) -> tuple[np.ndarray | None, list[Logged]]:
    """Which slots hold an event and which events these are; all events where slots are none."""
    newest = events[-model.bundle.history :]
    if scored.slot_age is None or scored.slot_item is None or not scored.slot_item[row].any():
        return None, newest  # rewritten slots have weights too, but are nobody's
    age = scored.slot_age[row]
    filled = np.flatnonzero((scored.slot_item[row] > 0) & (age >= 0) & (age < len(newest)))
    return filled, [newest[-1 - place] for place in age[filled].tolist()]


def _shown(event: Logged, model: Model) -> dict[str, Any]:
    seconds = model.clock == "seconds"
    return {
        "position": event.position,
        **model.item(model.index[event.item])._asdict(),
        "timestamp": event.time,
        "at": datetime.fromtimestamp(event.time, UTC).isoformat() if seconds else None,
        "behaviour": event.behaviour,
    }


def _reads(
    model: Model, candidates: list[int], scored: Scored, *, row: int, filled: np.ndarray | None
) -> list[dict[str, Any]]:
    """Of each item its score and hops; the context hops are alike for all items."""
    hops = [] if scored.hop_weights is None else list(scored.hop_weights[row])
    before = [_hop(f"context {n}", hop, filled) for n, hop in enumerate(hops, 1)]
    found = []
    for place, item in enumerate(candidates):
        score, after = float(scored.scores[row, place]), []
        if scored.weights is not None:
            after = [_hop("candidate", scored.weights[row, place], filled)]
        read = model.item(item)._asdict()
        found.append(read | {"score": score, "hops": [] if filled is None else before + after})
    return found


def _hop(name: str, weights: np.ndarray, filled: np.ndarray | None) -> dict[str, Any]:
    """Weights of the slots and what was left for none of them."""
    shown = weights if filled is None else weights[filled]
    nothing = max(0.0, 1.0 - float(shown.sum()))
    return {"name": name, "weights": np.ascontiguousarray(shown), "nothing": nothing}
