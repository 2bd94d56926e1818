"""A walk once round a ring of items with values: what is the value two items after this one?

Proves that news travels along edges. An item's node knows its own value at once, its neighbours'
after one propagation, and the one asked for after two.
"""

import torch
from torch import nn

from recsys.data.batches import Events
from recsys.input.table import own_rows
from recsys.task.contract import Episodes, Task

EXAM = 1000  # episodes


class SuccessorGraph(Task):
    """All ``nodes`` items in an order of the episode's own, and the first once more.

    An event's behaviour is its item's value. Each of the ``values`` belongs to equally many items,
    so that who knows n other values of a ring of twelve with four is right in at most 3 of 12 - n.
    """

    parts = 1
    asks = True

    def __init__(self, *, nodes: int, values: int, steps: int) -> None:
        self.nodes, self.steps = nodes, steps
        self.items, self.behaviours, self.options = nodes, values, values

    def table(self, width: int) -> nn.Module:
        return own_rows(width, items=self.items)

    def rehearsals(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"rings": self.draw(EXAM, generator)}

    def exams(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"rings": self.draw(EXAM, generator)}

    def draw(self, episodes: int, generator: torch.Generator) -> Episodes:
        walk, value = (
            torch.rand(episodes, self.nodes, generator=generator).argsort(dim=1) for _ in range(2)
        )
        value = value % self.options
        place = torch.randint(self.nodes, (episodes, 1), generator=generator)
        answer = (place + self.steps) % self.nodes
        item, behaviour = (torch.cat([ring, ring[:, :1]], dim=1) + 1 for ring in (walk, value))
        time = torch.arange(self.nodes + 1).expand_as(item)
        asked = walk.gather(1, place) + 1
        nothing = torch.zeros_like(asked)
        return Episodes(
            events=Events(item, time, behaviour, present=item > 0),
            question=Events(asked, nothing + self.nodes + 1, nothing, present=asked > 0),
            target=value.gather(1, answer)[..., None],
            support=answer,
        )
