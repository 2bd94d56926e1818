"""Sessions with one flagged event each: any member of a session is asked for what the flag says.

Proves addressing in two levels. The event that the question finds is not the one that answers; the
answer stands elsewhere in its session, where only the flag, and no question, can point.
"""

import torch
from torch import nn

from recsys.data.batches import Events
from recsys.input.table import own_rows
from recsys.task.contract import Episodes, Task

EXAM = 1000  # episodes
HOUR = 3600  # seconds between sessions, more than half of which ends one


class SessionFlag(Task):
    """``sessions`` an hour apart, each of ``length`` events a second apart, of distinct items.

    An event's behaviour is its value, or, of the one flagged event of a session, its value in
    other words (the behaviours above ``values``). The question is an item of the story.
    """

    parts = 1
    asks = True

    def __init__(self, *, sessions: int, length: int, catalogue: int, values: int) -> None:
        self.sessions, self.length = sessions, length
        self.items, self.behaviours, self.options = catalogue, 2 * values, values

    def table(self, width: int) -> nn.Module:
        return own_rows(width, items=self.items)

    def rehearsals(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"stories": self.draw(EXAM, generator)}

    def exams(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"stories": self.draw(EXAM, generator)}

    def draw(self, episodes: int, generator: torch.Generator) -> Episodes:
        shape = (episodes, self.sessions, self.length)
        events = self.sessions * self.length
        shuffled = torch.rand(episodes, self.items, generator=generator).argsort(dim=1)
        value = torch.randint(self.options, shape, generator=generator)
        flagged = torch.randint(self.length, (*shape[:2], 1), generator=generator)
        flag = torch.arange(self.length) == flagged
        item, behaviour = shuffled[:, :events] + 1, (value + 1 + self.options * flag).flatten(1)
        place = torch.randint(events, (episodes, 1), generator=generator)
        session = place // self.length
        answer = value.gather(2, flagged)[..., 0].gather(1, session)
        time = torch.arange(self.sessions)[:, None] * HOUR + torch.arange(self.length) + HOUR
        asked = item.gather(1, place)
        nothing = torch.zeros_like(asked)
        return Episodes(
            events=Events(item, time.flatten().expand_as(item), behaviour, present=item > 0),
            question=Events(asked, nothing + time.max() + 1, nothing, present=asked > 0),
            target=answer[..., None],
            support=session * self.length + flagged[..., 0].gather(1, session),
        )
