"""Delayed recall: pairs of a key and a value, then one of the keys is asked for its value.

Proves content addressing. A slot memory that is asked reads one slot; a memory that must say in a
vector of fixed width what it keeps, before it knows the question, has to keep every pair.
"""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.errors import ConfigError
from recsys.input.table import own_rows
from recsys.task.contract import Episodes, Task

LONGER = 4  # times as many pairs in the second exam as were ever trained on
EXAM = 500  # episodes


class Recall(Task):
    """``length`` events of distinct items (keys), each with a behaviour (its value).

    The question is the item ``keys`` places further on, so that it has a row of its own and must
    learn which key it asks for. A story of four times the length still has distinct keys.
    ``questions``, each for another key, are asked of a story: telling is the dear part of a memory
    that rewrites its state.
    """

    parts = 1
    asks = True

    def __init__(self, *, length: int, keys: int, values: int, questions: int) -> None:
        if keys < LONGER * length:
            message = (
                f"keys is {keys} but the longer exam tells {LONGER} x {length} distinct ones: "
                f"set task.keys to {LONGER * length} or more, or task.length lower"
            )
            raise ConfigError(message)
        if not 1 <= questions <= length:
            message = (
                f"questions is {questions} but a story of {length} pairs can be asked 1 to "
                f"{length}: set task.questions to one of these"
            )
            raise ConfigError(message)
        self.length, self.keys, self.questions = length, keys, questions
        self.items, self.behaviours, self.options = 2 * keys, values, values

    def table(self, width: int) -> nn.Module:
        return own_rows(width, items=self.items)

    def draw(self, episodes: int, generator: torch.Generator) -> Episodes:
        return self._told(episodes, length=self.length, generator=generator)

    def rehearsals(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"as_trained": self.draw(EXAM, generator)}

    def exams(self, generator: torch.Generator) -> dict[str, Episodes]:
        longer = self._told(EXAM, length=LONGER * self.length, generator=generator)
        return {"as_trained": self.draw(EXAM, generator), "longer": longer}

    def _told(self, episodes: int, *, length: int, generator: torch.Generator) -> Episodes:
        shuffled = torch.rand(episodes, self.keys, generator=generator).argsort(dim=1)
        key = shuffled[:, :length] + 1
        value = torch.randint(self.options, (episodes, length), generator=generator)
        asked = torch.rand(episodes, length, generator=generator).argsort(dim=1)
        place = asked[:, : self.questions]
        question = key.gather(1, place).reshape(-1, 1) + self.keys
        return Episodes(
            events=_at(key, behaviour=value + 1, start=0),
            question=_at(question, behaviour=0 * question, start=length),
            target=value.gather(1, place).reshape(-1, 1, 1),
            support=place.reshape(-1, 1),
        )


def _at(
    item: Int[Tensor, "row event"], *, behaviour: Int[Tensor, "row event"], start: int
) -> Events:
    """Events one second apart."""
    time = torch.arange(start, start + item.shape[1]).expand_as(item)
    return Events(item, time, behaviour, present=item > 0)
