"""Say at the end what happened first, whatever happened since.

Proves gates that stay shut for long (Hochreiter and Schmidhuber 1997, section 5). Decoys are events
that could have been the first one, so that counting does not help: whoever forgets is right once in
``symbols`` times.
"""

import torch
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.input.table import own_rows
from recsys.task.contract import Episodes, Task, unasked

EXAMINED = 1000  # episodes


class FirstEvent(Task):
    """One of ``symbols``, then ``length`` - 1 events of as many noises with ``decoys`` among them.

    The only answer is due after the last event; an event is a minute after the other.
    """

    behaviours, parts, asks = 0, 1, False

    def __init__(self, *, symbols: int, length: int, decoys: int) -> None:
        self.options, self.items = symbols, 2 * symbols
        self.length, self.decoys = length, decoys

    def table(self, width: int) -> nn.Module:
        return own_rows(width, items=self.items)

    def draw(self, episodes: int, generator: torch.Generator) -> Episodes:
        shape = (episodes, self.length)
        item = torch.randint(1, self.options + 1, shape, generator=generator)
        order = torch.rand(episodes, self.length - 1, generator=generator).argsort(dim=1)
        noise = torch.cat([torch.zeros_like(item[:, :1]), order >= self.decoys], dim=1)
        events = _told(item + noise * self.options)
        target = torch.full(shape, -1)
        target[:, -1] = item[:, 0] - 1
        return Episodes(
            events=events,
            question=unasked(events),
            target=target[..., None],
            support=torch.zeros(episodes, 1, dtype=torch.long),
        )

    def rehearsals(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"first": self.draw(EXAMINED, generator)}

    def exams(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"first": self.draw(EXAMINED, generator)}


def _told(item: Tensor) -> Events:
    """These items a minute apart."""
    minute = torch.arange(item.shape[1]).expand_as(item) * 60
    return Events(item, minute, torch.zeros_like(item), present=item > 0)
