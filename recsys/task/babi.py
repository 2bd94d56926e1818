"""The twenty bAbI question-answering tasks (Weston et al. 2015), read from their files.

A line is a number and a sentence, or a number, a question, its answer and the lines that support
it, separated by tabs; number 1 begins a new story.
"""

import gzip
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from recsys.data.batches import Events
from recsys.errors import ConfigError
from recsys.input.table import WordTable
from recsys.task.contract import Episodes, Task

HELD_OUT = 10  # one of so many stories of the training files, the last ones, is for rehearsals


class Line(NamedTuple):
    """One question as it is asked."""

    story: tuple[str, ...]  # statements so far, oldest first; questions are none
    question: str
    answer: str
    support: tuple[int, ...]  # places among the statements


class OnceEach(nn.Module):
    """Looks up each distinct item of a batch once, for stories that repeat their sentences."""

    def __init__(self, table: nn.Module) -> None:
        super().__init__()
        self.table = table

    def forward(self, item: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape width"]:
        """The vectors of these items."""
        distinct, place = item.unique(return_inverse=True)
        return functional.embedding(place, self.table(distinct))


class Babi(Task):
    """A slot is a sentence, the question is one too, and each distinct answer is an option.

    An answer of several words is one option. It is an item too (``answers`` says which), so that it
    may be looked up among the sentences. With several numbers one examinee learns all of them
    together; there is an exam for each. One of ten training stories is kept for rehearsals.
    """

    behaviours = 0
    parts = 1
    asks = True

    def __init__(self, *, path: str, number: int | Sequence[int]) -> None:
        numbers = [number] if isinstance(number, int) else list(number)
        train: list[Line] = []
        held: list[Line] = []
        tests: dict[int, list[Line]] = {}
        for task in numbers:
            stories = read(_file(Path(path), task, "train"))
            kept = len(stories) - len(stories) // HELD_OUT
            train += chain.from_iterable(stories[:kept])
            held += chain.from_iterable(stories[kept:])
            tests[task] = [*chain.from_iterable(read(_file(Path(path), task, "test")))]
        self._index([*train, *held, *chain.from_iterable(tests.values())])
        self.train, self.held = self._episodes(train), self._episodes(held)
        self.tests = {f"task_{task}": self._episodes(test) for task, test in tests.items()}

    def table(self, width: int) -> nn.Module:
        """Sentences as their words, in their order.

        A word's place weighs the same in all sentences, as if each were as long as the longest,
        and the weights of a word are one on average; so does the authors' own program.
        """
        table = WordTable(width, sentences=self.sentences, words=self.words)
        table.place = 2 * table.place[-1:].expand_as(table.place)
        return OnceEach(table)

    def draw(self, episodes: int, generator: torch.Generator) -> Episodes:
        chosen = torch.randint(len(self.train.target), (episodes,), generator=generator)
        events, question = (Events(*(field[chosen] for field in part)) for part in self.train[:2])
        return Episodes(events, question, self.train.target[chosen], self.train.support[chosen])

    def rehearsals(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"held_out": self.held}

    def exams(self, generator: torch.Generator) -> dict[str, Episodes]:
        return self.tests

    def _index(self, lines: Sequence[Line]) -> None:
        """Gives each sentence, word and answer its index."""
        said = chain.from_iterable((*line.story, line.question) for line in lines)
        answers = sorted({line.answer for line in lines})
        self.item = _counted(dict.fromkeys([*said, *answers]), start=1)
        spoken = [words(sentence) for sentence in self.item]
        word = _counted(sorted(set(chain.from_iterable(spoken))), start=1)
        self.option = _counted(answers, start=0)
        self.answers = torch.tensor([self.item[answer] for answer in answers])
        self.items, self.words, self.options = len(self.item), len(word), len(self.option)
        self.sentences = torch.zeros(self.items + 1, max(map(len, spoken)), dtype=torch.long)
        for item, sentence in enumerate(spoken, 1):
            self.sentences[item, : len(sentence)] = torch.tensor([word[one] for one in sentence])

    def _episodes(self, lines: Sequence[Line]) -> Episodes:
        """Stories stand at the end of their rows."""
        width = max(len(line.story) for line in lines)
        item = torch.zeros(len(lines), width, dtype=torch.long)
        hops = max(len(line.support) for line in lines)
        support = torch.full((len(lines), hops), -1)
        for row, line in enumerate(lines):
            begin = width - len(line.story)
            item[row, begin:] = torch.tensor([self.item[one] for one in line.story])
            support[row, : len(line.support)] = begin + torch.tensor(line.support)
        target = torch.tensor([self.option[line.answer] for line in lines])
        question = torch.tensor([self.item[line.question] for line in lines])
        return Episodes(_said(item), _said(question[:, None]), target[:, None, None], support)


def read(path: Path) -> list[list[Line]]:
    """The questions of each story in a file, plain or gzip."""
    open_text = gzip.open if path.suffix == ".gz" else open
    stories: list[list[Line]] = []
    said: list[str] = []
    places: dict[int, int] = {}
    with open_text(path, "rt", encoding="utf-8") as file:
        for number, text in (line.split(maxsplit=1) for line in file):
            if number == "1":
                stories.append([])
                said, places = [], {}
            sentence, *asked = (part.strip() for part in text.split("\t"))
            if asked:
                answer, support = asked
                found = tuple(places[int(line)] for line in support.split())
                stories[-1].append(Line(tuple(said), sentence, answer.lower(), found))
            else:
                places[int(number)] = len(said)
                said.append(sentence)
    return stories


def words(sentence: str) -> list[str]:
    """Small letters, without full stops and question marks."""
    return re.findall(r"[a-z]+", sentence.lower())


def _file(folder: Path, number: int, part: str) -> Path:
    found = sorted(folder.glob(f"qa{number}_*_{part}.txt*"))
    if not found:
        message = f"'{folder}' has no file qa{number}_*_{part}.txt: set task.path to one that has"
        raise ConfigError(message)
    return found[0]


def _counted(names: Iterable[str], *, start: int) -> dict[str, int]:
    return {name: place for place, name in enumerate(names, start)}


def _said(item: Int[Tensor, "episode event"]) -> Events:
    """Sentences one second apart."""
    time = torch.arange(item.shape[1]) * (item > 0)
    return Events(item, time, behaviour=torch.zeros_like(item), present=item > 0)
