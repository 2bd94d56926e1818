"""The linear item-to-item model with a closed form."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import embedding_bag

from recsys.baselines.occurrences import bags, occurrences, together
from recsys.data.batches import Question
from recsys.data.prepared import Prepared
from recsys.errors import ConfigError

_MATRICES = 3  # held at once while fitting: users together, its factor, its inverse


class ItemWeights(NamedTuple):
    """What each item of a history adds to each candidate."""

    weight: Float[Tensor, "item candidate"]
    history: int = 0  # all that the user had is read off the question's seen items

    def scores(self, question: Question) -> Float[Tensor, "user item"]:
        """Sum of the weights from the user's distinct items."""
        had = bags(question, items=len(self.weight) - 1)
        return embedding_bag(had.item, self.weight, had.offset, mode="sum")


@dataclass(frozen=True, kw_only=True)
class Ease:
    """Score: ridge regression of each item on all others (Steck 2019, equations 4 and 8).

    Attributes:
        regularisation: Lambda, in users; larger for sparser data.
        memory_gb: Refuse a catalogue whose matrices would need more.
    """

    regularisation: float
    memory_gb: float

    def fit(self, prepared: Prepared) -> ItemWeights:
        """Solve for the weights.

        Raises:
            ConfigError: The catalogue is too large for ``memory_gb``, or lambda is not above 0.
        """
        self._check(prepared.items)
        gram = torch.cat(list(together(occurrences(prepared))), dim=1)
        gram.diagonal().add_(self.regularisation)
        factor = torch.linalg.cholesky(gram)
        del gram
        inverse = torch.cholesky_inverse(factor)
        weight = inverse.div_(-inverse.diagonal().clone())
        weight.fill_diagonal_(0)
        return ItemWeights(weight.contiguous())

    def _check(self, items: int) -> None:
        needed = _MATRICES * 4 * (items + 1) ** 2 / 1e9
        if needed > self.memory_gb:
            msg = (
                f"ease needs {needed:.2g} GB for {items} items but memory_gb is {self.memory_gb}: "
                "raise baselines.ease.memory_gb or leave ease out of baselines"
            )
            raise ConfigError(msg)
        if self.regularisation <= 0:
            msg = f"regularisation must be above 0 but is {self.regularisation}: 200 is usual"
            raise ConfigError(msg)
