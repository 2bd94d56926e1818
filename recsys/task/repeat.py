"""A random sequence told again and again: once it is known, what comes next is certain.

What follows the last time this event happened is the answer: the induction of Olsson et al. 2022.
How long the sequence is differs from batch to batch, so that looking a fixed distance back fails.
"""

import torch
from torch import nn

from recsys.data.batches import Events
from recsys.input.table import own_rows
from recsys.task.contract import Episodes, Task, unasked

EXAMINED = 200  # episodes of each period


class Repeat(Task):
    """Distinct symbols of a period from ``shortest`` to ``longest``, up to ``length`` events."""

    behaviours, parts, asks = 0, 1, False

    def __init__(self, *, symbols: int, shortest: int, longest: int, length: int) -> None:
        self.items = self.options = symbols
        self.shortest, self.longest, self.length = shortest, longest, length

    def table(self, width: int) -> nn.Module:
        return own_rows(width, items=self.items)

    def draw(self, episodes: int, generator: torch.Generator) -> Episodes:
        period = torch.randint(self.shortest, self.longest + 1, (), generator=generator)
        return self.of_period(int(period), episodes=episodes, generator=generator)

    def rehearsals(self, generator: torch.Generator) -> dict[str, Episodes]:
        return self.exams(generator)

    def exams(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {
            f"period {period}": self.of_period(period, episodes=EXAMINED, generator=generator)
            for period in (self.shortest, self.longest)
        }

    def of_period(self, period: int, *, episodes: int, generator: torch.Generator) -> Episodes:
        """What comes next is asked from the second telling on."""
        once = torch.rand(episodes, self.items, generator=generator).argsort(dim=1)[:, :period] + 1
        told = once.repeat(1, self.length // period + 2)[:, : self.length + 1]
        item, target = told[:, :-1], told[:, 1:] - 1
        place = torch.arange(self.length).expand_as(item)
        events = Events(item, place * 60, torch.zeros_like(item), present=item > 0)
        return Episodes(
            events=events,
            question=unasked(events),
            target=torch.where(place < period, -1, target)[..., None],
            support=torch.full((episodes, 1), -1),
        )
