"""Liked topics and disliked ones: would the user like this item, too?

Proves values at shared addresses. A user likes or dislikes each topic by the toss of a coin; items
of a topic share the verdict. One number that the candidate cannot address, such as the mean of all
events, knows at best how many topics are liked, and the verdict of most is right for 11 of 16
candidates of four topics.
"""

import torch
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.input.table import own_rows
from recsys.task.contract import Episodes, Task

EXAMINED = 1000  # episodes


class Topics(Task):
    """``length`` events, equally many of each topic in any order; behaviour 1 dislikes, 2 likes.

    The topic of an item is the remainder of its index, which the task's table does not tell. The
    question is any item.
    """

    behaviours, options, parts, asks = 2, 2, 1, True

    def __init__(self, *, topics: int, items: int, length: int) -> None:
        assert length % topics == 0, "length must be a multiple of topics"
        self.topics, self.items, self.length = topics, topics * items, length

    def table(self, width: int) -> nn.Module:
        return own_rows(width, items=self.items)

    def draw(self, episodes: int, generator: torch.Generator) -> Episodes:
        likes = torch.randint(2, (episodes, self.topics), generator=generator)
        order = torch.rand(episodes, self.length, generator=generator).argsort(dim=1)
        events = self._told(order % self.topics, likes=likes, generator=generator)
        asked = torch.randint(self.topics, (episodes, 1), generator=generator)
        question = self._told(asked, likes=likes, generator=generator)
        return Episodes(
            events=events,
            question=question._replace(behaviour=torch.zeros_like(asked)),
            target=likes.gather(1, asked)[..., None],
            support=torch.full((episodes, 1), -1),
        )

    def rehearsals(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"verdict": self.draw(EXAMINED, generator)}

    def exams(self, generator: torch.Generator) -> dict[str, Episodes]:
        return {"verdict": self.draw(EXAMINED, generator)}

    def _told(self, topic: Tensor, *, likes: Tensor, generator: torch.Generator) -> Events:
        """Any items of these topics a minute apart, with the user's verdicts."""
        which = torch.randint(self.items // self.topics, topic.shape, generator=generator)
        item = which * self.topics + topic + 1
        minute = torch.arange(topic.shape[1]).expand_as(topic) * 60
        return Events(item, minute, likes.gather(1, topic) + 1, present=item > 0)
