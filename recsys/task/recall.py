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
    """

    parts = 1
    asks = True

    def __init__(self, *, length: int, keys: int, values: int) -> None:
        if keys < LONGER * length:
            message = (
                f"keys is {keys} but the longer exam tells {LONGER} x {length} distinct ones: "
                f"set task.keys to {LONGER * length} or more, or task.length lower"
            )
            raise ConfigError(message)
        self.length, self.keys = length, keys
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
        place = torch.randint(length, (episodes, 1), generator=generator)
        return Episodes(
            events=_at(key, behaviour=value + 1, start=0),
            question=_at(key.gather(1, place) + self.keys, behaviour=0 * place, start=length),
            target=value.gather(1, place)[..., None],
            support=place,
        )


def _at(
    item: Int[Tensor, "user event"], *, behaviour: Int[Tensor, "user event"], start: int
) -> Events:
    """Events one second apart."""
    time = torch.arange(start, start + item.shape[1]).expand_as(item)
    return Events(item, time, behaviour, present=item > 0)
