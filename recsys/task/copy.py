"""The copy task of Graves et al. 2014, section 4.1: hear a sequence of patterns, say it again.

After a start mark the patterns are shown once, then an end mark, then blanks, at each of which the
next pattern is due, bit by bit. Longer sequences than in training show whether a procedure was
learned or a trajectory.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.input.table import FeatureTable
from recsys.task.contract import Episodes, Task, unasked

MARKS = 3  # start, end, blank; they come after the patterns


class Copy(Task):
    """Patterns of bits: item 1 is all zeros, item 2 ** ``bits`` all ones.

    Training has one length a batch, drawn from 1 to ``longest``; exams have those of ``lengths``.
    """

    behaviours = 0
    options = 2
    asks = False

    def __init__(self, *, bits: int, longest: int, lengths: Sequence[int], sitting: int) -> None:
        self.parts, self.longest = bits, longest
        self.lengths, self.sitting = lengths, sitting
        self.patterns = 2**bits
        self.items = self.patterns + MARKS

    def table(self, width: int) -> nn.Module:
        return FeatureTable(width, features=self._features())

    def draw(self, episodes: int, generator: torch.Generator) -> Episodes:
        length = int(torch.randint(1, self.longest + 1, (), generator=generator))
        return self.of_length(length, episodes=episodes, generator=generator)

    def rehearsals(self, generator: torch.Generator) -> dict[str, Episodes]:
        """Lengths of training only: whether longer ones are right is not known until the exam."""
        return {
            str(length): self.of_length(length, episodes=self.sitting, generator=generator)
            for length in sorted({(self.longest + 1) // 2, self.longest})
        }

    def exams(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {
            str(length): self.of_length(length, episodes=self.sitting, generator=generator)
            for length in self.lengths
        }

    def of_length(self, length: int, *, episodes: int, generator: torch.Generator) -> Episodes:
        """Start, patterns, end, and a blank for each pattern."""
        pattern = torch.randint(self.patterns, (episodes, length), generator=generator)
        start, end, blank = (self.patterns + place for place in (1, 2, 3))
        item = torch.full((episodes, 2 * length + 2), blank)
        item[:, 0], item[:, 1 : length + 1], item[:, length + 1] = start, pattern + 1, end
        target = torch.full((*item.shape, self.parts), -1)
        target[:, length + 2 :] = pattern[..., None] >> torch.arange(self.parts) & 1
        time = torch.arange(item.shape[1]).expand_as(item)
        events = Events(item, time, torch.zeros_like(item), present=item > 0)
        return Episodes(events, unasked(events), target, torch.full((episodes, 1), -1))

    def _features(self) -> Float[Tensor, "item feature"]:
        """A bit each, then one feature for each mark; padding is zero and so is pattern 0."""
        features = torch.zeros(self.items + 1, self.parts + MARKS)
        bits = torch.arange(self.patterns)[:, None] >> torch.arange(self.parts) & 1
        features[1 : self.patterns + 1, : self.parts] = bits.float()
        features[self.patterns + 1 :, self.parts :] = torch.eye(MARKS)
        return features
