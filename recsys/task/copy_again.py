"""Several copies one after another through few slots: they must be given back to be used again.

The allocation task of Graves et al. 2016, supplementary figure 2, with whole sequences.
"""

import torch
from torch import nn

from recsys.data.batches import Events
from recsys.task.contract import Episodes, Task
from recsys.task.copy import Copy


class CopyAgain(Task):
    """``copies`` rounds of the copy task in training and rehearsal, ``exam_copies`` in the exam.

    A round of training has 1 to ``longest`` patterns, every other round ``longest``.
    """

    behaviours = 0
    options = 2
    asks = False

    def __init__(
        self, *, bits: int, longest: int, copies: int, exam_copies: int, sitting: int
    ) -> None:
        self.once = Copy(bits=bits, longest=longest, lengths=[longest], sitting=sitting)
        self.parts, self.items = self.once.parts, self.once.items
        self.copies, self.exam_copies = copies, exam_copies

    def table(self, width: int) -> nn.Module:
        return self.once.table(width)

    def draw(self, episodes: int, generator: torch.Generator) -> Episodes:
        return one_story([self.once.draw(episodes, generator) for _ in range(self.copies)])

    def rehearsals(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {str(self.copies): self._longest(self.copies, generator=generator)}

    def exams(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {str(self.exam_copies): self._longest(self.exam_copies, generator=generator)}

    def _longest(self, copies: int, *, generator: torch.Generator) -> Episodes:
        return one_story([next(iter(self.once.exams(generator).values())) for _ in range(copies)])


def one_story(rounds: list[Episodes]) -> Episodes:
    """These rounds, told one after another to the same memory."""
    fields = zip(*(single.events for single in rounds), strict=True)
    events = Events(*(torch.cat(field, dim=1) for field in fields))
    time = torch.arange(events.item.shape[1]).expand_as(events.item)
    target = torch.cat([single.target for single in rounds], dim=1)
    return rounds[0]._replace(events=events._replace(time=time), target=target)
