"""The parity gate: ONNX Runtime must answer as PyTorch does, for real users, at untraced sizes."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recsys import runtime
from recsys.data.batches import Events, Question, asked, question
from recsys.data.prepared import Prepared
from recsys.errors import ArtifactError
from recsys.model import MemoryRecommender
from recsys.scoring.last_hop import Brought, spoken

TOLERANCE = 1e-4  # of a score, relative to the largest score of the user where that is above one
BATCHES = (1, 5, 33)  # users; none of them is the traced size
K = 10
SCORED = 50  # candidates given to the score graph


class Parity(NamedTuple):
    """What was compared and how far apart the two sides were."""

    users: int
    score_error: float  # largest, of all graphs that score, in units of TOLERANCE's definition
    list_overlap: float  # share of list places whose score PyTorch also gives to that place
    seen_items: int  # listed although the user had them
    write_error: float  # the same where the last event was not encoded but written
    read_error: float  # largest of a read weight, of candidates and of context hops

    def check(self) -> None:
        """Raises ArtifactError where the graphs must not be published."""
        wrong = {
            "score_error": not self.score_error <= TOLERANCE,  # true of nan too
            "list_overlap": self.list_overlap < 1,
            "seen_items": self.seen_items > 0,
            "write_error": not self.write_error <= TOLERANCE,
            "read_error": not self.read_error <= TOLERANCE,
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
        score_error=float(np.max([one.score_error for one in found])),
        list_overlap=min(one.list_overlap for one in found),
        seen_items=sum(one.seen_items for one in found),
        write_error=float(np.max([one.write_error for one in found])),
        read_error=float(np.max([one.read_error for one in found])),
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
    state = bundle.encode(arrays(asks.events))
    lists = bundle.recommend(state, candidates=candidates, excluded=excluded(asks), k=k)
    scale = np.maximum(np.abs(expected).max(axis=1, keepdims=True), 1)
    listed = np.take_along_axis(expected, lists.items, axis=1)
    left = lists.items > 0
    wanted = -np.sort(-np.where(seen | (np.arange(items + 1) == 0), -np.inf, expected), axis=1)
    wanted = wanted[:, :k]
    due = np.isfinite(wanted)
    alike = np.abs(np.where(due, listed - wanted, 0)) <= TOLERANCE * scale
    some = candidates[:SCORED]
    listed_error = np.where(left, np.abs(lists.scores - listed) / scale, 0).max()
    error = _error(bundle, state, candidates=some, expected=expected, scale=scale)
    apart = _apart(bundle, state, candidates=some)
    apart_error = 0.0 if apart is None else (np.abs(apart - expected[:, some]) / scale).max()
    written = _written(bundle, events=asks.events)
    return Parity(
        users=len(expected),
        score_error=float(np.max([listed_error, error, apart_error])),
        list_overlap=float((alike & (left == due)).mean()),
        seen_items=int((np.take_along_axis(seen, lists.items, axis=1) & left).sum()),
        write_error=_error(bundle, written, candidates=some, expected=expected, scale=scale),
        read_error=_read_error(model, bundle, state=state, events=asks.events, candidates=some),
    )


def _error(
    bundle: runtime.Bundle,
    state: runtime.State,
    *,
    candidates: np.ndarray,
    expected: np.ndarray,
    scale: np.ndarray,
) -> float:
    """How far the score graph is from PyTorch."""
    asked_items = candidates[None].repeat(len(expected), axis=0)
    scores = bundle.score(state, candidates=asked_items).scores
    return float((np.abs(scores - expected[:, candidates]) / scale).max())


def _read_error(
    model: MemoryRecommender,
    bundle: runtime.Bundle,
    *,
    state: runtime.State,
    events: Events,
    candidates: np.ndarray,
) -> float:
    """How far the read weights of the score graph are from PyTorch."""
    own = candidates[None].repeat(len(events.item), axis=0)
    found = bundle.score(state, candidates=own)
    with torch.inference_mode():
        view = model.look(model.write(model.memory.initial_state(len(own)), events))
        wanted = [(found.hop_weights, view.hops[:, :, 0])] if view.hops.shape[1] else []
        if model.explains:
            wanted.append((found.weights, model.effect(view, torch.from_numpy(own)).weights))
    return max((_apart_by(*pair) for pair in wanted), default=0.0)


def _apart_by(found: np.ndarray | None, wanted: Tensor) -> float:
    """The largest difference; infinite where nothing was told."""
    if found is None or found.shape != wanted.shape:
        return float("inf")
    return float(np.abs(found - wanted.numpy()).max(initial=0))


def _apart(
    bundle: runtime.Bundle, state: runtime.State, *, candidates: np.ndarray
) -> np.ndarray | None:
    """Scores read in numpy, and those of the choose graph; none where nothing is taken apart."""
    if not bundle.certifies:
        return None
    looked = bundle.look(state)
    every = np.repeat(candidates[None], len(looked["user_vector"]), axis=0)
    read = Brought(bundle, items=candidates).read(spoken(looked), every - candidates[0])
    chosen = bundle.choose(looked, candidates=every, k=len(candidates))
    in_order = np.argsort(chosen.items, axis=1)
    return np.stack([read, np.take_along_axis(chosen.scores, in_order, axis=1)])


def _written(bundle: runtime.Bundle, *, events: Events) -> runtime.State:
    """The state of encoding all events but the last, and then writing that one."""
    last = (events.present.long().sum(dim=1, keepdim=True) - 1).clamp(min=0)
    older = events.present & (torch.arange(events.item.shape[1]) != last)
    before = bundle.encode(arrays(Events._make(field * older for field in events)))
    event = runtime.Events(*(field.gather(1, last)[:, 0].numpy() for field in events[:3]))
    return bundle.write(before, event=event)


def arrays(events: Events) -> runtime.Events:
    """Events as a bundle takes them."""
    return runtime.Events(*(field.numpy() for field in events[:3]))


def excluded(asks: Question) -> np.ndarray:
    """What each user has seen as one row, filled up with zeros."""
    users = len(asks.user)
    row, item = asks.seen.unbind(dim=1)
    count = torch.bincount(row, minlength=users)
    place = torch.arange(len(row)) - (count.cumsum(0) - count)[row]
    padded = torch.zeros(users, max(int(count.max()), 1), dtype=torch.long)
    return padded.index_put((row, place), item).numpy()
