"""What a bundle of fewer bits loses: its lists beside those of float32, for real users."""

from typing import Final, NamedTuple

import numpy as np
import torch

from recsys import runtime
from recsys.bundle.parity import arrays, excluded
from recsys.data.batches import Question, asked, question
from recsys.data.prepared import Prepared
from recsys.errors import ArtifactError
from recsys.metrics.lists import hits, truths
from recsys.metrics.ranking import ndcg

USERS: Final = 1000  # with held-out items, spread over all of them
BATCH: Final = 33
K: Final = 10
SCORED: Final = 50  # candidates given to the score graph


class Limits(NamedTuple):
    """What may be lost."""

    score_error: float  # of a score, relative to the largest of the user where that is above one
    list_overlap: float  # at least this share of the first ten is the same, in any order
    ndcg_loss: float  # NDCG@10 of float32 minus ours


LIMITS: Final = {"float16": Limits(0.02, 0.98, 0.002), "int8": Limits(0.1, 0.95, 0.005)}


class Fidelity(NamedTuple):
    """What was compared and how far apart the two bundles were."""

    users: int
    score_error: float  # largest, of lists, of the score graph and after a write
    list_overlap: float
    ndcg: float  # at 10, of the bundle of fewer bits
    ndcg_loss: float
    seen_items: int  # listed although the user had them

    def check(self, precision: str) -> None:
        """Raises ArtifactError where the graphs must not be published."""
        limits = LIMITS[precision]
        wrong = {
            "score_error": not self.score_error <= limits.score_error,  # true of nan too
            "list_overlap": not self.list_overlap >= limits.list_overlap,
            "ndcg_loss": not self.ndcg_loss <= limits.ndcg_loss,
            "seen_items": self.seen_items > 0,
        }
        if any(wrong.values()):
            names = ", ".join(f"{name}={getattr(self, name):.3g}" for name in wrong if wrong[name])
            allowed = ", ".join(f"{name} {value:g}" for name, value in limits._asdict().items())
            message = (
                f"precision={precision} does not answer as float32 does ({names}; limits: "
                f"{allowed}): nothing was published, export with precision=float32"
            )
            raise ArtifactError(message)


class _Lists(NamedTuple):
    """The answers of one bundle for some users."""

    items: np.ndarray
    scores: np.ndarray
    scored: np.ndarray  # by the score graph, the same candidates for all
    written: np.ndarray  # the same after the last event was written, not encoded


def compare(
    whole: runtime.Bundle, reduced: runtime.Bundle, *, prepared: Prepared, history: int
) -> Fidelity:
    """Asks both the same for users of the validation part."""
    users = asked(prepared, "valid")
    users = users[np.unique(np.linspace(0, len(users) - 1, min(USERS, len(users))).astype(int))]
    errors, overlaps, gains, losses, seen = [0.0], [], [], [], 0
    for first in range(0, len(users), BATCH):
        asks = question(prepared, "valid", users=users[first : first + BATCH], history=history)
        ours, theirs = _ask(reduced, asks), _ask(whole, asks)
        errors.append(_error(ours, theirs))
        overlaps.append(_overlap(ours.items, theirs.items))
        gains.append(_ndcg(ours.items, asks))
        losses.append(_ndcg(theirs.items, asks) - gains[-1])
        seen += _listed(ours.items, excluded(asks))
    return Fidelity(
        users=len(users),
        score_error=float(np.max(errors)),  # nan stays nan
        list_overlap=float(np.concatenate(overlaps).mean()),
        ndcg=float(np.concatenate(gains).mean()),
        ndcg_loss=float(np.concatenate(losses).mean()),
        seen_items=seen,
    )


def _ask(bundle: runtime.Bundle, asks: Question) -> _Lists:
    events, out = arrays(asks.events), excluded(asks)
    candidates = np.arange(1, bundle.items + 1)
    state = bundle.encode(events)
    best = bundle.recommend(state, candidates=candidates, excluded=out, k=min(K, bundle.items))
    some = np.repeat(candidates[None, :SCORED], len(out), axis=0)
    scored = bundle.score(state, candidates=some).scores
    written = bundle.score(_written(bundle, events), candidates=some).scores
    return _Lists(best.items, best.scores, scored, written)


def _written(bundle: runtime.Bundle, events: runtime.Events) -> runtime.State:
    """The state of all events but the last, into which that one is then written."""
    row, last = np.arange(len(events.item)), (events.item > 0).sum(axis=1) - 1
    older = np.arange(events.item.shape[1]) < last[:, None]
    before = bundle.encode(runtime.Events(*(field * older for field in events)))
    return bundle.write(before, event=runtime.Events(*(field[row, last] for field in events)))


def _error(ours: _Lists, theirs: _Lists) -> float:
    """Largest difference of a score; in lists place by place, whoever stands there."""
    largest = np.abs(theirs.scored).max(axis=1)
    scale = np.maximum(largest, np.abs(theirs.scores[:, :1])[:, 0]).clip(min=1)[:, None]
    listed = np.where((theirs.items > 0) & (ours.items > 0), ours.scores - theirs.scores, 0)
    apart = (listed, ours.scored - theirs.scored, ours.written - theirs.written)
    return float(np.max([np.abs(part / scale).max() for part in apart]))


def _overlap(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Share of the places of float32 whose item we list too, user by user."""
    same = (theirs[:, :, None] == ours[:, None]).any(axis=2) & (theirs > 0)
    return np.asarray(same.sum(axis=1) / (theirs > 0).sum(axis=1).clip(min=1))


def _listed(items: np.ndarray, out: np.ndarray) -> int:
    return int(((items[:, :, None] == out[:, None]) & (items > 0)[:, :, None]).sum())


def _ndcg(items: np.ndarray, asks: Question) -> np.ndarray:
    held_out = truths(asks.truth, users=len(items))
    return ndcg(hits(torch.from_numpy(items), asks.truth), held_out).numpy()
