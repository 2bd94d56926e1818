"""A memory as people look at it: what a user did, and how much each slot counts for an item.

Where the slots of a memory are events, the read weights stand beside them, hop by hop. Where they
are not (a GRU's vector, the rows of a Turing machine), the events are shown without weights.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from recsys.runtime import State
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
    candidates = model.indices(item_ids) or [1]
    wanted = np.tile(np.array(candidates, dtype=np.int64), (len(users), 1))
    scored = model.bundle.run("score", recalled.state | {"candidates": wanted})
    slot_item = _slot_items(recalled.state, scored)
    found = []
    for row, (user, log) in enumerate(zip(users, logs, strict=True)):
        if slot_item is None:
            filled, slots = None, _events(log, model)
        else:
            filled = np.flatnonzero(slot_item[row])
            slots = _slots(log, slot_item[row][filled], model)
        reads = _reads(model, candidates, scored, row=row, filled=filled) if item_ids else []
        found.append(
            {
                "user_id": model.user(user),
                "events": len(log),
                "model": model.version,
                "slots": slots,
                "reads": reads if model.indices(item_ids) else [],
            }
        )
    return found


def _slot_items(state: State, scored: dict[str, np.ndarray]) -> np.ndarray | None:
    """Whose event each slot came from, 0 for an empty one; None where slots are no events."""
    if "weights" not in scored:
        return None
    slots = scored["weights"].shape[2]
    found = scored.get("slot_item", state.get("item"))
    return found if found is not None and found.shape[1:] == (slots,) else None


def _slots(log: Sequence[Logged], items: np.ndarray, model: Model) -> list[dict[str, Any]]:
    """The event of each slot: of several with one item, later slots are later events."""
    left: dict[int, list[Logged]] = defaultdict(list)
    for event in sorted(log, key=lambda event: event.time):
        left[model.index.get(event.item, 0)].append(event)
    return [
        _shown(left[item].pop() if left[item] else None, item, model)
        for item in reversed(items.tolist())
    ][::-1]


def _events(log: Sequence[Logged], model: Model) -> list[dict[str, Any]]:
    """The newest events that the model reads, oldest first."""
    known = [event for event in log if event.item in model.index]
    newest = sorted(known, key=lambda event: event.time)[-model.bundle.history :]
    return [_shown(event, model.index[event.item], model) for event in newest]


def _shown(event: Logged | None, item: int, model: Model) -> dict[str, Any]:
    return {
        "position": None if event is None else event.position,
        **model.item(item)._asdict(),
        "timestamp": None if event is None else event.time,
        "at": None if event is None else _date(event.time, model),
        "behaviour": None if event is None else event.behaviour,
    }


def _date(time: int, model: Model) -> str | None:
    return datetime.fromtimestamp(time, UTC).isoformat() if model.clock == "seconds" else None


def _reads(
    model: Model,
    candidates: list[int],
    scored: dict[str, np.ndarray],
    *,
    row: int,
    filled: np.ndarray | None,
) -> list[dict[str, Any]]:
    """Of each item its score and hops; the context hops are alike for all items."""
    before = []
    if filled is not None and "hop_weights" in scored:
        hops = scored["hop_weights"][row]
        before = [_hop(f"context {n}", hop[filled]) for n, hop in enumerate(hops, 1)]
    return [
        {
            **model.item(item)._asdict(),
            "score": scored["scores"][row, place],
            "hops": []
            if filled is None
            else [*before, _hop("candidate", scored["weights"][row, place][filled])],
        }
        for place, item in enumerate(candidates)
    ]


def _hop(name: str, weights: np.ndarray) -> dict[str, Any]:
    """Weights of the slots and what was left for none of them."""
    nothing = max(0.0, 1.0 - float(weights.sum()))
    return {"name": name, "weights": np.ascontiguousarray(weights), "nothing": nothing}
