"""The user gets the own latest items again."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from recsys.baselines.popularity import share
from recsys.data.batches import Question
from recsys.data.prepared import Prepared


class Latest(NamedTuple):
    """Items of the user's history by their latest occurrence, then all others by popularity."""

    share: Float[Tensor, " item"]
    history: int | None

    def scores(self, question: Question) -> Float[Tensor, "user item"]:
        """Place of the item's latest event, counted from 1; a popularity below 1 without one."""
        item = question.events.item
        place = torch.arange(1, item.shape[1] + 1).double().expand(item.shape)
        start = self.share.repeat(len(item), 1)
        return start.scatter_reduce(1, item, place, reduce="amax")


@dataclass(frozen=True, kw_only=True)
class RepeatLast:
    """Score: the newer the user's last event with the item, the higher.

    Where seen items are excluded nothing of this is left and the lists are those of popularity.

    Attributes:
        history: Events looked back; the longest list asked for is enough.
    """

    history: int

    def fit(self, prepared: Prepared) -> Latest:
        """Only popularity, for the rest of the list, is taken from the training part."""
        return Latest(share=share(prepared), history=self.history)
