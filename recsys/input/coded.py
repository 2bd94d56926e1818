"""Candidates that ask in groups: the query is the code of the item's group, not the item's own.

A slot that is read once for a code has been read for all its items: what is left of a candidate is
a dot product, so a million candidates cost hardly more than a model without candidate queries. It
is exact by definition, as the codes are part of the model, and events keep vectors of their own.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.input.contract import Input
from recsys.input.event import EventInput
from recsys.memory.contract import Table

TILE = 2**16  # items compared with all codes at once


class CodedInput(Input):
    """Item vectors are grouped by k-means while they learn; a group's mean is what its items ask.

    Every ``patience`` queries in training, one round of k-means follows the vectors, from where the
    last one ended. In between the groups stand still. The gradient of a query passes straight
    through to the vector of its item (van den Oord et al. 2017, section 3.2), so that means move
    with what is learned of their items. Groups and means are buffers: a checkpoint holds them, and
    after training nothing moves them.
    """

    group: Tensor
    mean: Tensor
    asked: Tensor

    def __init__(
        self,
        *,
        table: Table,
        behaviours: int,
        width: int,
        dropout: float,
        codes: int,
        patience: int,
    ) -> None:
        super().__init__()
        self.event = EventInput(table=table, behaviours=behaviours, width=width, dropout=dropout)
        self.patience = patience
        items = len(self._vectors())
        groups = min(codes, items)
        number = torch.arange(items) % groups + 1
        self.register_buffer("group", torch.cat([torch.zeros(1, dtype=torch.long), number]))
        self.register_buffer("mean", torch.zeros(groups + 1, width))  # the first is padding's
        self.register_buffer("asked", torch.tensor(0))
        self._settle()

    def forward(self, events: Events) -> Float[Tensor, "user event width"]:
        return self.event(events)

    def query(self, candidate: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape width"]:
        """The code of the candidate's group."""
        if not self.training:
            return self.mean[self.group[candidate]]
        if self.asked % self.patience == self.patience - 1:
            self._regroup()
        self.asked += 1
        own = self.event.item(candidate)
        return self.event.dropout(self.mean[self.group[candidate]] + (own - own.detach()))

    @property
    def known(self) -> nn.Module:
        """The vectors of events, of which codes are means."""
        return self.event.item

    def codes(self, candidate: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
        """The candidate's group, from 1."""
        return self.group[candidate]

    @torch.no_grad()
    def _regroup(self) -> None:
        """One round of k-means; a group that lost all its items takes the one furthest from its."""
        vectors, means = self._vectors(), self.mean[1:]
        near = [
            (part @ means.T - means.square().sum(1) / 2).max(dim=1) for part in vectors.split(TILE)
        ]
        number = torch.cat([found.indices for found in near])
        far = vectors.square().sum(1) - 2 * torch.cat([found.values for found in near])
        empty = (torch.bincount(number, minlength=len(means)) == 0).nonzero()[:, 0]
        number[far.topk(len(empty)).indices] = empty
        self.group[1:] = number + 1
        self._settle()

    @torch.no_grad()
    def _settle(self) -> None:
        """Moves every mean to the middle of its group; one without items stays."""
        vectors, number = self._vectors(), self.group[1:]
        total = torch.zeros_like(self.mean).index_add_(0, number, vectors)
        held = torch.bincount(number, minlength=len(self.mean))[:, None]
        self.mean.copy_(torch.where(held > 0, total / held.clamp(min=1), self.mean))

    def _vectors(self) -> Float[Tensor, "item width"]:
        """The vector of each item but padding."""
        rows = self.event.item
        assert isinstance(rows, nn.Embedding)  # items of nothing but features are groups already
        return rows.weight.detach()[1:]
