"""What happened so many events ago? How many, only the question says.

Proves several time scales at once. Symbols are independent, so that every lag has to be kept for
itself: whoever knows one of three lags and guesses the others is right in
(1 + 2 / ``symbols``) / 3 of all cases.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.input.table import own_rows
from recsys.task.contract import Episodes, Task

EXAMINED = 1000  # episodes


class LagQuery(Task):
    """``length`` events of ``symbols``, lag 1 the newest; each lag has an item that asks for it."""

    behaviours, parts, asks = 0, 1, True

    def __init__(self, *, symbols: int, length: int, lags: Sequence[int]) -> None:
        self.options, self.items = symbols, symbols + len(lags)
        self.length, self.lags = length, torch.tensor(list(lags))

    def table(self, width: int) -> nn.Module:
        return own_rows(width, items=self.items)

    def draw(self, episodes: int, generator: torch.Generator) -> Episodes:
        shape = (episodes, self.length)
        item = torch.randint(1, self.options + 1, shape, generator=generator)
        asked = torch.randint(len(self.lags), (episodes, 1), generator=generator)
        return self._episodes(item, asked)

    def rehearsals(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"any lag": self.draw(EXAMINED, generator)}

    def exams(self, generator: torch.Generator) -> dict[str, Episodes]:
        item = self.draw(EXAMINED, generator)
        apart = {
            f"lag {lag}": self._episodes(item.events.item, torch.full((EXAMINED, 1), place))
            for place, lag in enumerate(self.lags.tolist())
        }
        return {"any lag": item, **apart}

    def _episodes(self, item: Int[Tensor, "user event"], asked: Int[Tensor, "user 1"]) -> Episodes:
        place = self.length - self.lags[asked]
        return Episodes(
            events=_told(item, start=0),
            question=_told(asked + self.options + 1, start=self.length),
            target=item.gather(1, place)[..., None] - 1,
            support=place,
        )


def _told(item: Int[Tensor, "user event"], *, start: int) -> Events:
    """These items a minute apart."""
    minute = torch.arange(start, start + item.shape[1]).expand_as(item) * 60
    return Events(item, minute, torch.zeros_like(item), present=item > 0)
