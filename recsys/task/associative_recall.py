"""Associative recall among events of one kind (Arora et al. 2024, "Zoology", multi-query form).

Keys and values take turns in the story; then the keys come again, shuffled, and each must be
answered with what followed it. A value's event says nothing of its key, so finding the key is not
enough: someone must have told each event what came before it. One layer of attention without a
look at the event before can only guess among the values of the story.
"""

import torch
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.input.table import own_rows
from recsys.task.contract import Episodes, Task, unasked

EXAMINED = 300  # episodes


class AssociativeRecall(Task):
    """``pairs`` distinct keys of ``keys``, each followed by one of ``values``; one event a minute.

    Items 1 to ``keys`` are the keys, those after them the values.
    """

    behaviours, parts, asks = 0, 1, False

    def __init__(self, *, pairs: int, keys: int, values: int) -> None:
        self.pairs, self.keys, self.options = pairs, keys, values
        self.items = keys + values

    def table(self, width: int) -> nn.Module:
        return own_rows(width, items=self.items)

    def draw(self, episodes: int, generator: torch.Generator) -> Episodes:
        key = _distinct(episodes, of=self.keys, generator=generator)[:, : self.pairs] + 1
        value = torch.randint(self.options, key.shape, generator=generator)
        asked = _distinct(episodes, of=self.pairs, generator=generator)
        story = torch.stack([key, value + self.keys + 1], dim=2).flatten(1)
        item = torch.cat([story, key.gather(1, asked)], dim=1)
        time = torch.arange(item.shape[1]).expand_as(item) * 60
        events = Events(item, time, torch.zeros_like(item), present=item > 0)
        return Episodes(
            events=events,
            question=unasked(events),
            target=torch.cat([torch.full_like(story, -1), value.gather(1, asked)], 1)[..., None],
            support=torch.full((episodes, 1), -1),
        )

    def rehearsals(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"values": self.draw(EXAMINED, generator)}

    def exams(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"values": self.draw(EXAMINED, generator)}


def _distinct(episodes: int, *, of: int, generator: torch.Generator) -> Tensor:
    """A shuffled 0 to ``of`` - 1 for each episode."""
    return torch.rand(episodes, of, generator=generator).argsort(dim=1)
