"""The parity gate: ONNX Runtime must answer as PyTorch does, for real users, at untraced sizes."""

from typing import NamedTuple

import numpy as np
import torch

from recsys import runtime
from recsys.data.batches import Events, Question, asked, question
from recsys.data.prepared import Prepared
from recsys.errors import ArtifactError
from recsys.model import MemoryRecommender

TOLERANCE = 1e-4  # of a score, relative to the largest score of the user where that is above one
BATCHES = (1, 5, 33)  # users; none of them is the traced size
K = 10


class Parity(NamedTuple):
    """What was compared and how far apart the two sides were."""

    users: int
    score_error: float  # largest, in units of TOLERANCE's definition
    list_overlap: float  # share of list places whose score PyTorch also gives to that place
    seen_items: int  # listed although the user had them
    write_error: float  # encode of all events against encode of all but the last, then write

    def check(self) -> None:
        """Raises ArtifactError where the graphs must not be published."""
        wrong = {
            "score_error": self.score_error > TOLERANCE,
            "list_overlap": self.list_overlap < 1,
            "seen_items": self.seen_items > 0,
            "write_error": self.write_error > TOLERANCE,
        }
        if any(wrong.values()):
            names = ", ".join(f"{name}={getattr(self, name):g}" for name in wrong if wrong[name])
            message = (
                f"ONNX Runtime does not answer as PyTorch does ({names}; tolerance {TOLERANCE:g}): "
                "nothing was published, report the model's configuration"
            )
            raise ArtifactError(message)


def compare(
    model: MemoryRecommender, bundle: runtime.Bundle, *, prepared: Prepared, history: int
) -> Parity:
    """Compares both on users of the validation part, in batches of sizes never traced."""
    users = asked(prepared, "valid")
    found = []
    first = 0
    for size in BATCHES:
        some = np.resize(users[first:], size) if len(users) > first else np.resize(users, size)
        first += size
        asks = question(prepared, "valid", users=some, history=history)
        found.append(_compare_batch(model, bundle, asks=asks, items=prepared.items))
    return Parity(
        users=sum(BATCHES),
        score_error=max(one.score_error for one in found),
        list_overlap=min(one.list_overlap for one in found),
        seen_items=sum(one.seen_items for one in found),
        write_error=max(one.write_error for one in found),
    )


def _compare_batch(
    model: MemoryRecommender, bundle: runtime.Bundle, *, asks: Question, items: int
) -> Parity:
    with torch.inference_mode():
        expected = model.eval()(asks.events, torch.arange(items + 1)).numpy()
    seen = np.zeros(expected.shape, dtype=bool)
    seen[asks.seen[:, 0], asks.seen[:, 1]] = True
    candidates = np.arange(1, items + 1)
    k = min(K, items)
    state = bundle.encode(_arrays(asks.events))
    excluded = _padded(asks, users=len(expected))
    lists = bundle.recommend(state, candidates=candidates, excluded=excluded, k=k)
    scale = np.maximum(np.abs(expected).max(axis=1, keepdims=True), 1)
    listed = np.take_along_axis(expected, lists.items, axis=1)
    left = lists.items > 0
    wanted = -np.sort(-np.where(seen | (np.arange(items + 1) == 0), -np.inf, expected), axis=1)
    wanted = wanted[:, :k]
    due = np.isfinite(wanted)
    alike = np.abs(np.where(due, listed - wanted, 0)) <= TOLERANCE * scale
    return Parity(
        users=len(expected),
        score_error=float(np.where(left, np.abs(lists.scores - listed) / scale, 0).max()),
        list_overlap=float((alike & (left == due)).mean()),
        seen_items=int((np.take_along_axis(seen, lists.items, axis=1) & left).sum()),
        write_error=_write_error(bundle, asks=asks, whole=state),
    )


def _write_error(bundle: runtime.Bundle, *, asks: Question, whole: runtime.State) -> float:
    """Scores from the state after every event, and from the one to which the last was written."""
    events = asks.events
    last = (events.present.long().sum(dim=1, keepdim=True) - 1).clamp(min=0)
    older = events.present & (torch.arange(events.item.shape[1]) != last)
    before = bundle.encode(_arrays(Events._make(field * older for field in events)))
    event = runtime.Events(*(field.gather(1, last)[:, 0].numpy() for field in events[:3]))
    after = bundle.write(before, event=event)
    asked_items = np.arange(1, min(bundle.items, 50) + 1)[None].repeat(len(last), axis=0)
    one, _ = bundle.score(whole, candidates=asked_items)
    other, _ = bundle.score(after, candidates=asked_items)
    return float((np.abs(one - other) / np.maximum(np.abs(one), 1)).max())


def _arrays(events: Events) -> runtime.Events:
    return runtime.Events(*(field.numpy() for field in events[:3]))


def _padded(asks: Question, *, users: int) -> np.ndarray:
    """Seen pairs as one row a user, filled up with zeros."""
    row, item = asks.seen.unbind(dim=1)
    count = torch.bincount(row, minlength=users)
    place = torch.arange(len(row)) - (count.cumsum(0) - count)[row]
    padded = torch.zeros(users, max(int(count.max()), 1), dtype=torch.long)
    return padded.index_put((row, place), item).numpy()
