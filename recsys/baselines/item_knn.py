"""Items that the same users took as the user's items."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from recsys.baselines.occurrences import bags, occurrences, together
from recsys.data.batches import Question
from recsys.data.prepared import Prepared
from recsys.metrics.lists import top_k


class Neighbours(NamedTuple):
    """Similarities to the nearest neighbours of each item."""

    similarity: Float[Tensor, "candidate item"]  # sparse: a column holds an item's neighbours
    history: int = 0  # all that the user had is read off the question's seen items

    def scores(self, question: Question) -> Float[Tensor, "user item"]:
        """Sum over the user's distinct items of the similarity to each candidate."""
        items = self.similarity.shape[0] - 1
        had = bags(question, items=items)
        taken = torch.zeros(items + 1, len(question.user))
        taken[had.item, had.row] = 1
        return torch.sparse.mm(self.similarity, taken).T


@dataclass(frozen=True, kw_only=True)
class ItemKnn:
    """Score: cosine similarity to the user's items, where the candidate is among their nearest.

    Sarwar et al. 2001 on binary data: users with both, over the geometric mean of users with
    either. An item that nobody had in training is near to none.

    Attributes:
        neighbours: Nearest items kept for each item; of equal ones the lower index.
    """

    neighbours: int

    def fit(self, prepared: Prepared) -> Neighbours:
        """Similarities block by block: memory holds the neighbours and one block."""
        had = occurrences(prepared)
        norm = had.offset.diff().clamp(min=1).sqrt()
        kept = min(self.neighbours, prepared.items)
        values, near, first = [], [], 0
        for both in together(had):
            columns = torch.arange(both.shape[1])
            cosine = both / norm[:, None] / norm[first + columns]
            cosine[first + columns, columns] = 0
            best = top_k(cosine.T, kept)
            values.append(cosine.T.gather(1, best))
            near.append(best)
            first += both.shape[1]
        return Neighbours(_sparse(torch.cat(values), near=torch.cat(near)))


def _sparse(values: Tensor, *, near: Tensor) -> Tensor:
    """[candidate, item] from the neighbours of each item, [item, neighbour]; without zeros."""
    items = len(values)
    item = torch.arange(items)[:, None].expand(values.shape)
    stored = values > 0
    place = torch.stack([near[stored], item[stored]])
    size = (items, items)
    return torch.sparse_coo_tensor(place, values[stored], size, check_invariants=True).coalesce()
