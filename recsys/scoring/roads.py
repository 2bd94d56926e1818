"""Two roads to the same lists: every candidate read in tiles, or few of them and a proof.

The lists of both come out of ``recommend``; the certified road gives it only the candidates among
which the best are proved to be. Scores of the two may differ in the last digit, as the sums of a
matrix product do at another size.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from recsys.errors import ConfigError
from recsys.runtime import Bundle, Held, Recommendations, State
from recsys.scoring.certified import Catalogue

ROADS: Final = ("full", "certified", "auto")
LONG: Final = 100  # slots from which ``auto`` certifies: there it is quicker (EXPERIMENTS.md)


class Effort(NamedTuple):
    """What was done for some lists; the fields of two add up."""

    batches: int = 0
    event_places: int = 0  # of all batches of histories
    padding_places: int = 0  # of these, without an event
    certified_users: int = 0  # whose lists were proved without reading every candidate
    certified_at_once: int = 0  # of these, by the first reading
    candidates_read: int = 0  # one by one for them, of all of them together

    def facts(self) -> dict[str, float]:
        """As the summary tells it."""
        waste = self.padding_places / max(self.event_places, 1)
        return self._asdict() | {"padding_share": round(waste, 4)}


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
            ConfigError: The name is unknown, or the bundle has nothing to certify with.
        """
        chosen = choose_road(name, bundle=bundle)
        self._catalogue = Catalogue(bundle, items=candidates) if chosen == "certified" else None

    def best(self, bundle: Bundle, asked: Asked, *, k: int, tile: int | None) -> Answer:
        """The best ``k`` for each user."""
        if self._catalogue is None or self._catalogue.items is not asked.candidates:
            return _full(bundle, asked, k=k, tile=tile)
        return _certified(bundle, self._catalogue, asked, k=k)


def choose_road(name: str, *, bundle: Bundle) -> str:
    """``full`` or ``certified``: what ``auto`` means for this bundle.

    The choice depends on nothing that is measured, so a job that goes on ends with the same bytes.

    Raises:
        ConfigError: The name is unknown, or the bundle has nothing to certify with.
    """
    if name not in ROADS:
        message = f"road is one of {', '.join(ROADS)}, but is '{name}': choose one"
        raise ConfigError(message)
    if name == "certified" and not bundle.certifies:
        message = (
            "road is certified, but in this bundle no candidate asks the slots, or an earlier "
            "version exported it: set road=full or export it again"
        )
        raise ConfigError(message)
    if name == "auto":
        slots = bundle.history if bundle.explains else 0  # where slots are events
        return "certified" if bundle.certifies and slots >= LONG else "full"
    return name


def _full(bundle: Bundle, asked: Asked, *, k: int, tile: int | None) -> Answer:
    state, candidates, excluded = asked
    lists = bundle.recommend(state, candidates=candidates, excluded=excluded, k=k, tile=tile)
    return Answer(lists, Effort())


def _certified(bundle: Bundle, catalogue: Catalogue, asked: Asked, *, k: int) -> Answer:
    """The lists of ``recommend`` from the few candidates that may stand in any of them."""
    found = catalogue.contenders(bundle, asked.state, excluded=asked.excluded, k=k)
    few = np.unique(np.concatenate(found.items))
    users = len(found.items)
    work = Effort(
        certified_users=users, certified_at_once=found.at_once, candidates_read=found.read
    )
    return Answer(_at_least(bundle, asked, few, k=k), work)


def _at_least(bundle: Bundle, asked: Asked, few: np.ndarray, *, k: int) -> Recommendations:
    """Lists as long as the full road's, where fewer candidates are left than ``k``."""
    missing = min(k, len(asked.candidates)) - len(few)
    if missing > 0:
        few = np.union1d(few, np.setdiff1d(asked.candidates, few)[:missing])
    return bundle.recommend(asked.state, candidates=few, excluded=asked.excluded, k=k)
