"""Say at every event what happened ``lag`` events ago (Bai et al. 2018, section 4.1 in spirit).

Symbols are independent, so that whoever does not see ``lag`` events back can only guess: it is
right once in ``symbols`` times.
"""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.input.table import own_rows
from recsys.task.contract import Episodes, Task, unasked

EXAMINED = 200  # episodes


class LagCopy(Task):
    """Answers after every event but the first ``lag``; an event is a minute after the other."""

    behaviours, parts, asks = 0, 1, False

    def __init__(self, *, symbols: int, length: int, lag: int) -> None:
        self.items = self.options = symbols
        self.length, self.lag = length, lag

    def table(self, width: int) -> nn.Module:
        return own_rows(width, items=self.items)

    def draw(self, episodes: int, generator: torch.Generator) -> Episodes:
        item = torch.randint(1, self.items + 1, (episodes, self.length), generator=generator)
        events = told(item)
        target = torch.full_like(item, -1)
        target[:, self.lag :] = item[:, : -self.lag] - 1
        return Episodes(
            events=events,
            question=unasked(events),
            target=target[..., None],
            support=torch.full((episodes, 1), -1),
        )

    def rehearsals(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"every position": self.draw(EXAMINED, generator)}

    def exams(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"every position": self.draw(EXAMINED, generator)}


def told(item: Int[Tensor, "user event"]) -> Events:
    """These items a minute apart."""
    minute = torch.arange(item.shape[1]).expand_as(item) * 60
    return Events(item, minute, torch.zeros_like(item), present=item > 0)
