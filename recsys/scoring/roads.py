"""Roads to lists: every candidate read in tiles, or few of them and a proof, or few and no proof.

``full`` reads every candidate. ``certified`` reads few and proves that none was missed; ``codes``
reads every candidate too, but the slots only once a code. Their lists are those of ``full``; scores
may differ in the last digit, as the sums of a matrix product do at another size. ``approximate``
proves nothing, and says of a sample of the job's users how much it missed.
"""

import threading
import zlib
from collections.abc import Iterable
from functools import cached_property
from typing import Final, NamedTuple, Protocol

import numpy as np

from recsys.errors import ConfigError
from recsys.runtime import Bundle, Held, Recommendations, State
from recsys.scoring.anchors import anchored
from recsys.scoring.approximate import Approximate
from recsys.scoring.certified import Certified
from recsys.scoring.coded import Coded
from recsys.scoring.convex import Convex
from recsys.scoring.last_hop import Brought, Contenders, Slots, joined, spoken

ROADS: Final = ("full", "certified", "codes", "approximate", "auto")
LONG: Final = 50  # slots from which ``auto`` certifies: there it is quicker (EXPERIMENTS.md)
TRIED: Final = 2  # users of a batch whose proofs tell what those of the others cost
WORTH: Final = 0.25  # of the candidates: where a proof must read more, all are read instead
MANY: Final = 4096  # contenders of a user from which everything is read in tiles instead
SAMPLED: Final = 16  # of so many users one is also read in full by an approximate road
LARGE: Final = 2000  # candidates from which that is of more users one, in proportion


class Effort(NamedTuple):
    """What was done for some lists; the fields of two add up."""

    batches: int = 0
    event_places: int = 0  # of all batches of histories
    padding_places: int = 0  # of these, without an event
    certified_users: int = 0  # whose lists were proved without reading every candidate
    certified_at_once: int = 0  # of these, by the first reading
    candidates_read: int = 0  # one by one for them, of all of them together
    approximate_users: int = 0  # whose lists may miss something
    sampled_users: int = 0  # of these, whose lists were compared with the full road's
    sampled_places: int = 0  # of their full lists
    sampled_found: int = 0  # of these places, whose item the approximate list holds

    def facts(self) -> dict[str, float | None]:
        """As the summary tells it; ``recall`` of an approximate road, where users were sampled."""
        waste = self.padding_places / max(self.event_places, 1)
        facts: dict[str, float | None] = self._asdict() | {"padding_share": round(waste, 4)}
        if self.approximate_users:
            places = self.sampled_places
            facts["recall"] = round(self.sampled_found / places, 4) if places else None
        return facts


class Answer(NamedTuple):
    """The lists of some users, and what they took."""

    lists: Recommendations
    work: Effort


def sum_of(work: Iterable[Effort]) -> Effort:
    """All of it together."""
    return Effort(*(int(sum(field)) for field in zip(Effort(), *work, strict=True)))


class Asked(NamedTuple):
    """What is asked for some users."""

    state: State | Held
    candidates: np.ndarray  # int64, rising catalogue indices
    excluded: np.ndarray  # int64 [user, exclusion], 0 where a user has fewer


class Shortcut(Protocol):
    """A way to few candidates among which the best are, or are likely to be."""

    def contenders(self, slots: Slots, *, excluded: np.ndarray, k: int) -> Contenders | None:
        """Those of some users; None where it is quicker to read everything.

        Args:
            slots: Of some users.
            excluded: int64 ``[user, exclusion]``, 0 where a user has fewer.
            k: Length of the lists.
        """
        ...


class Proved:
    """Two kinds of bounds, and of them the one with which few candidates are read.

    Whichever the first users of a batch would rather have: first the kind that suits addresses as
    sharp as theirs, then the other, then none. The choice depends on the batch alone.
    """

    def __init__(self, bundle: Bundle, brought: Brought) -> None:
        self._bundle, self._brought = bundle, brought
        self._sharp = Convex(brought)
        self._making = threading.Lock()

    @property
    def _flat(self) -> Certified:
        """Made once, when it is needed: that takes memory and time, and batches run in threads."""
        with self._making:
            return self._certified

    @cached_property
    def _certified(self) -> Certified:
        return Certified(self._brought, anchors=anchored(self._bundle, self._brought))

    def contenders(self, slots: Slots, *, excluded: np.ndarray, k: int) -> Contenders | None:
        """Those of the users, proved; None where that takes reading too many."""
        sharp = slots.sharp
        some, rest = slice(None, TRIED), slice(TRIED, None)
        for answers in (sharp, not sharp):
            way = self._sharp if answers else self._flat
            found = way.contenders(slots.of(some), excluded=excluded[some], k=k)
            if found.read > WORTH * len(found.items) * len(self._brought.items):
                continue
            if len(slots.user) <= TRIED:
                return found
            return joined(found, way.contenders(slots.of(rest), excluded=excluded[rest], k=k))
        return None


class Road:
    """How the lists of a job are found; may be asked from several threads at once.

    Users to whom other candidates are open than to the rest take the full road: theirs are few.
    """

    def __init__(self, name: str, *, bundle: Bundle, candidates: np.ndarray) -> None:
        """The road of this name, as :func:`choose_road` reads it.

        Args:
            name: One of ``ROADS``.
            bundle: Loaded with the graphs of ``APART``.
            candidates: Rising catalogue indices that are open to most users.

        Raises:
            ConfigError: The name is unknown, or the bundle has not what the road needs.
        """
        self.name = choose_road(name, bundle=bundle)
        self._candidates = candidates
        self._shortcut = _shortcut(self.name, bundle=bundle, candidates=candidates)

    def best(self, bundle: Bundle, asked: Asked, *, k: int, tile: int | None) -> Answer:
        """The best ``k`` for each user."""
        if self._shortcut is None or self._candidates is not asked.candidates:
            return _full(bundle, asked, k=k, tile=tile)
        looked = bundle.look(asked.state)
        found = self._shortcut.contenders(spoken(looked), excluded=asked.excluded, k=k)
        if found is None or found.items.shape[1] > MANY:
            return _full(bundle, asked, k=k, tile=tile)
        few = _wide_enough(found.items, least=min(k, len(asked.candidates)))
        lists = bundle.choose(looked, candidates=few, k=k)
        if self.name == "approximate":
            return Answer(lists, _sampled(bundle, asked, lists, k=k, tile=tile))
        return Answer(
            lists,
            Effort(
                certified_users=len(few),
                certified_at_once=found.at_once,
                candidates_read=found.read,
            ),
        )


def choose_road(name: str, *, bundle: Bundle) -> str:
    """One of ``ROADS`` but ``auto``: what ``auto`` means for this bundle.

    The choice depends on nothing that is measured, so a job that goes on ends with the same bytes.

    Raises:
        ConfigError: The name is unknown, or the bundle has not what the road needs.
    """
    if name not in ROADS:
        message = f"road is one of {', '.join(ROADS)}, but is '{name}': choose one"
        raise ConfigError(message)
    if name not in ("full", "auto") and not bundle.certifies:
        message = (
            f"road is {name}, but in this bundle no candidate asks the slots, or an earlier "
            "version exported it: set road=full or export it again"
        )
        raise ConfigError(message)
    if name == "codes" and not bundle.coded:
        message = (
            "road is codes, but every candidate of this bundle asks for itself: set road=full or "
            "certified, or train with input=coded"
        )
        raise ConfigError(message)
    if name == "auto":
        return _quickest(bundle)
    return name


def _quickest(bundle: Bundle) -> str:
    if bundle.coded:
        return "codes"
    slots = bundle.history if bundle.explains else 0  # where slots are events
    return "certified" if bundle.certifies and slots >= LONG else "full"


def _shortcut(name: str, *, bundle: Bundle, candidates: np.ndarray) -> Shortcut | None:
    """What the road of this name needs to know of the candidates."""
    if name == "full":
        return None
    brought = Brought(bundle, items=candidates)
    if name == "approximate":
        return _approximate(brought)
    if name == "codes":
        return Coded(brought)
    return Proved(bundle, brought)


def _approximate(brought: Brought) -> Shortcut:
    try:
        return Approximate(brought)
    except ImportError as error:
        message = "road=approximate needs an index: pip install 'recsys[approximate]'"
        raise ConfigError(message) from error


def _full(bundle: Bundle, asked: Asked, *, k: int, tile: int | None) -> Answer:
    state, candidates, excluded = asked
    lists = bundle.recommend(state, candidates=candidates, excluded=excluded, k=k, tile=tile)
    return Answer(lists, Effort())


def _wide_enough(few: np.ndarray, *, least: int) -> np.ndarray:
    """With enough columns for lists as long as the full road's."""
    return np.pad(few, [(0, 0), (max(least - few.shape[1], 0), 0)])


def _sampled(
    bundle: Bundle, asked: Asked, lists: Recommendations, *, k: int, tile: int | None
) -> Effort:
    """What was approximate, and how much of it the lists of a few users miss.

    A user is drawn by what the state holds, so it is always the same users.
    """
    state = {
        name: values if isinstance(values, np.ndarray) else values.numpy()  # held elsewhere
        for name, values in asked.state.items()
    }
    apart = max(SAMPLED * len(asked.candidates) // LARGE, SAMPLED)
    rows = [np.ascontiguousarray(row).tobytes() for row in next(iter(state.values()))]
    drawn = [place for place, row in enumerate(rows) if zlib.crc32(row.lstrip(b"\0")) % apart == 0]
    places = found = 0
    if drawn:
        few: State = {name: values[drawn] for name, values in state.items()}
        some = asked._replace(state=few, excluded=asked.excluded[drawn])
        whole = _full(bundle, some, k=k, tile=tile).lists.items
        hits = (whole[:, :, None] == lists.items[drawn][:, None]).any(axis=2) & (whole > 0)
        places, found = int((whole > 0).sum()), int(hits.sum())
    return Effort(
        approximate_users=len(rows),
        sampled_users=len(drawn),
        sampled_places=places,
        sampled_found=found,
    )
