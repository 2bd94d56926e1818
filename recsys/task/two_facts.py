"""Where is the object? Who took it stands in one event, where that person went in another.

The world of the two-supporting-facts task (Weston et al. 2015, task 2) without its grammar. Persons
move from room to room and take objects from anywhere, so no single event tells the answer.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from recsys.data.batches import Events
from recsys.input.table import WordTable
from recsys.task.contract import Episodes, Task

TAKES = 1 / 3  # share of the events in which somebody takes something
MOVED, TOOK, WHERE = 1, 2, 3  # words; persons, rooms and objects follow
EXAM = 2000  # episodes of an exam; half as many of a rehearsal


class Stories(NamedTuple):
    """Stories at the end of their rows; ``thing`` counts rooms of a move, objects of a taking."""

    person: Int[Tensor, "story event"]
    took: Bool[Tensor, "story event"]
    thing: Int[Tensor, "story event"]
    present: Bool[Tensor, "story event"]


class TwoFacts(Task):
    """An item is a sentence: who moved where, who took what, or the question for an object.

    ``support`` is the newest taking of the object, then the newest move of who took it. Training
    draws from a fixed set of ``stories``; rehearsals and exams are new ones.
    """

    behaviours = 0
    parts = 1
    asks = True

    def __init__(
        self, *, persons: int, rooms: int, objects: int, events: int, fewest: int, stories: int
    ) -> None:
        self.persons, self.rooms, self.objects = persons, rooms, objects
        self.events, self.fewest = events, fewest
        self.options = rooms
        self.items = persons * (rooms + objects) + objects
        self.known = self._episodes(stories, torch.Generator().manual_seed(stories))

    def table(self, width: int) -> WordTable:
        """Sentences as the words they are made of."""
        person, room, thing = (
            torch.arange(count) for count in (self.persons, self.rooms, self.objects)
        )
        name, place, object_ = person + 4, room + 4 + self.persons, thing + 4 + self.persons
        object_ = object_ + self.rooms
        moves = [_product(name, MOVED, place), _product(name, TOOK, object_)]
        questions = torch.stack([torch.full_like(object_, WHERE), object_, 0 * object_], dim=1)
        sentences = torch.cat([torch.zeros(1, 3, dtype=torch.long), *moves, questions])
        return WordTable(width, sentences=sentences, words=int(sentences.max()))

    def draw(self, episodes: int, generator: torch.Generator) -> Episodes:
        chosen = torch.randint(len(self.known.target), (episodes,), generator=generator)
        return _rows(self.known, chosen)

    def rehearsals(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"stories": self._episodes(EXAM // 2, generator)}

    def exams(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"stories": self._episodes(EXAM, generator)}

    def _episodes(self, episodes: int, generator: torch.Generator) -> Episodes:
        """Stories with an object that somebody took who had moved or moves later."""
        stories = self._stories(2 * episodes, generator)
        taking, moving = self._facts(stories)
        known = (taking >= 0) & (moving >= 0)
        kept = known.any(1).nonzero()[:episodes, 0]
        assert len(kept) == episodes, "too few stories tell where an object is"
        thing = known[kept].float().multinomial(1, generator=generator)
        support = torch.cat([taking[kept].gather(1, thing), moving[kept].gather(1, thing)], dim=1)
        room = stories.thing[kept].gather(1, support[:, 1:])
        return Episodes(
            events=self._told(Stories(*(field[kept] for field in stories))),
            question=_event(self.persons * (self.rooms + self.objects) + 1 + thing),
            target=room[..., None],
            support=support,
        )

    def _stories(self, stories: int, generator: torch.Generator) -> Stories:
        shape = (stories, self.events)
        took = torch.rand(shape, generator=generator) < TAKES
        room, object_, person = (
            torch.randint(count, shape, generator=generator)
            for count in (self.rooms, self.objects, self.persons)
        )
        length = torch.randint(self.fewest, self.events + 1, (stories, 1), generator=generator)
        present = torch.arange(self.events) >= self.events - length
        return Stories(person, took, torch.where(took, object_, room), present)

    def _facts(self, stories: Stories) -> tuple[Tensor, Tensor]:
        """Where each object's newest taking stands, and the newest move of who took it; or -1."""
        thing = torch.arange(self.objects)[:, None]
        person, took = stories.person[:, None], stories.took[:, None]
        present = stories.present[:, None]
        taking = _newest(took & (stories.thing[:, None] == thing) & present)
        holder = stories.person.gather(1, taking.clamp(min=0))[..., None]
        return taking, _newest(~took & (person == holder) & present)

    def _told(self, stories: Stories) -> Events:
        """Items of moves come first, person by person, then those of takings."""
        moved = 1 + stories.person * self.rooms + stories.thing
        took = 1 + self.persons * self.rooms + stories.person * self.objects + stories.thing
        item = torch.where(stories.took, took, moved) * stories.present
        time = torch.arange(self.events).expand_as(item) * stories.present
        return Events(item, time, behaviour=torch.zeros_like(item), present=stories.present)


def _product(name: Tensor, verb: int, thing: Tensor) -> Int[Tensor, "sentence 3"]:
    """Every person with every thing."""
    pairs = torch.cartesian_prod(name, thing)
    return torch.stack([pairs[:, 0], torch.full_like(pairs[:, 0], verb), pairs[:, 1]], dim=1)


def _newest(there: Bool[Tensor, "story object event"]) -> Int[Tensor, "story object"]:
    place = torch.arange(there.shape[2]).expand_as(there)
    return torch.where(there, place, -1).amax(2)


def _event(item: Int[Tensor, "episode 1"]) -> Events:
    return Events(item, torch.zeros_like(item), torch.zeros_like(item), present=item > 0)


def _rows(episodes: Episodes, rows: Int[Tensor, " row"]) -> Episodes:
    events, question = (
        Events(*(field[rows] for field in part)) for part in (episodes.events, episodes.question)
    )
    return Episodes(events, question, episodes.target[rows], episodes.support[rows])
