"""Few-shot binding, after Santoro et al. 2016, section 4.2: what is this thing called this time?

Noisy views of a few things never seen before, under names that are dealt out anew in every episode.
The name is told one event late, so it has to be bound to a view that is gone by then; weights
cannot learn it, only a memory can.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.input.table import FeatureTable
from recsys.task.contract import Episodes, Task, unasked

FEATURES = 16
VIEWS = 40  # of each thing, drawn once; an episode shows different ones
SHOWN = {"first": 1, "second": 2, "fifth": 5}  # which time a thing is shown, by exam
POOL = 7  # seed of the things and their views


class FewShot(Task):
    """``ways`` things shown ``shots`` times each, in any order; the behaviour is the last name.

    ``things`` are there for training and as many for the exams; a view is a thing plus ``noise``.
    """

    parts = 1
    asks = False

    def __init__(self, *, ways: int, shots: int, things: int, noise: float, sitting: int) -> None:
        self.ways, self.shots, self.things, self.noise = ways, shots, things, noise
        self.sitting = sitting
        self.behaviours = self.options = ways
        self.items = 2 * things * VIEWS

    def table(self, width: int) -> nn.Module:
        return FeatureTable(width, features=self._views())

    def draw(self, episodes: int, generator: torch.Generator) -> Episodes:
        return self._told(episodes, first=0, generator=generator)[0]

    def rehearsals(self, generator: torch.Generator) -> dict[str, Episodes]:
        """New names for things of the training."""
        episodes, time = self._told(self.sitting, first=0, generator=generator)
        return {"second": _asked_at(episodes, time == SHOWN["second"])}

    def exams(self, generator: torch.Generator) -> dict[str, Episodes]:
        """The same new things each time, judged where they are shown for that time only."""
        episodes, time = self._told(self.sitting, first=self.things, generator=generator)
        return {name: _asked_at(episodes, time == shown) for name, shown in SHOWN.items()}

    def _told(
        self, episodes: int, *, first: int, generator: torch.Generator
    ) -> tuple[Episodes, Int[Tensor, "user event"]]:
        """Episodes, and for which time each event shows its thing."""
        chance = torch.rand(episodes, self.things, generator=generator)
        thing = first + chance.topk(self.ways, dim=1).indices
        order = torch.rand(episodes, self.ways * self.shots, generator=generator).argsort(dim=1)
        name, shown = order % self.ways, torch.zeros_like(order)
        for way in range(self.ways):
            shown += (name == way).cumsum(dim=1) * (name == way)
        begin = torch.randint(VIEWS, (episodes, self.ways), generator=generator)
        view = (begin.gather(1, name) + shown) % VIEWS
        item = thing.gather(1, name) * VIEWS + view + 1
        late = torch.cat([torch.zeros_like(name[:, :1]), name[:, :-1] + 1], dim=1)
        time = torch.arange(item.shape[1]).expand_as(item)
        events = Events(item, time, behaviour=late, present=item > 0)
        unknown = torch.full((episodes, 1), -1)
        return Episodes(events, unasked(events), name[..., None], unknown), shown

    def _views(self) -> Float[Tensor, "item feature"]:
        """Every view of every thing, those of the training first; row 0 is padding."""
        generator = torch.Generator().manual_seed(POOL)
        thing = torch.randn(2 * self.things, 1, FEATURES, generator=generator)
        noise = torch.randn(2 * self.things, VIEWS, FEATURES, generator=generator)
        views = (thing + self.noise * noise).flatten(0, 1)
        return torch.cat([torch.zeros(1, FEATURES), views])


def _asked_at(episodes: Episodes, asked: Tensor) -> Episodes:
    return episodes._replace(target=torch.where(asked[..., None], episodes.target, -1))
