"""One free vector for each user and item: what a recommender without a memory learns of a user."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from recsys.data.batches import Question
from recsys.data.prepared import Prepared
from recsys.data.split import training_events


class Factors(NamedTuple):
    """Fitted vectors; a user without a training event has none and is ranked by item biases."""

    user: Float[Tensor, "user width"]
    item: Float[Tensor, "item width"]
    bias: Float[Tensor, " item"]
    known: Bool[Tensor, " user"]  # had a training event: all others cannot be served
    history: int = 1

    def scores(self, question: Question) -> Float[Tensor, "user item"]:
        """Dot product plus item bias; what the user did after training changes nothing."""
        vector = self.user[question.user] * self.known[question.user, None]
        return vector @ self.item.T + self.bias


@dataclass(frozen=True, kw_only=True)
class BprMf:
    """Matrix factorisation by Bayesian personalised ranking (Rendle et al. 2009, section 4.3.1).

    It cannot serve unknown users: whoever has no training event gets the items' biases, and a new
    event changes no list before the next training.

    Attributes:
        width: Of the vectors.
        epochs: Passes over the training events.
        batch_size: Events of a step, each with one uniformly drawn item the user never took.
        rate: Learning rate of Adam.
        regularisation: Weight of the squared norms of the vectors of a step.
        seed: Of the first values, the order and the draws.
    """

    width: int
    epochs: int
    batch_size: int
    rate: float
    regularisation: float
    seed: int

    def fit(self, prepared: Prepared) -> Factors:
        """Learn the vectors from pairs of a taken and a drawn item."""
        generator = torch.Generator().manual_seed(self.seed)
        user, item = _pairs(prepared)
        tables = _tables(prepared, width=self.width, generator=generator)
        updates = torch.optim.SparseAdam(tables.parameters(), lr=self.rate)
        taken = torch.unique(user * (prepared.items + 1) + item)
        for _ in range(self.epochs):
            for rows in _batches(len(user), self.batch_size, generator=generator):
                drawn = torch.randint(1, prepared.items + 1, rows.shape, generator=generator)
                strange = ~torch.isin(user[rows] * (prepared.items + 1) + drawn, taken)
                updates.zero_grad()
                _cost(
                    tables,
                    *(field[strange] for field in (user[rows], item[rows], drawn)),
                    regularisation=self.regularisation,
                ).backward()
                updates.step()
        known = torch.zeros(prepared.histories.users, dtype=torch.bool)
        known[user] = True
        weights = {name: table.detach() for name, table in tables.named_parameters()}
        return Factors(
            user=weights["user.weight"],
            item=weights["item.weight"],
            bias=weights["bias.weight"][:, 0],
            known=known,
        )


def _pairs(prepared: Prepared) -> tuple[Tensor, Tensor]:
    """User and item of every training event."""
    histories = prepared.histories
    trained = training_events(prepared.split, histories)
    user = np.repeat(np.arange(histories.users), np.diff(histories.offset))[trained]
    return torch.from_numpy(user), torch.from_numpy(histories.item[trained].astype(np.int64))


def _tables(prepared: Prepared, *, width: int, generator: torch.Generator) -> nn.ModuleDict:
    rows = {"user": prepared.histories.users, "item": prepared.items + 1}
    tables = {name: nn.Embedding(count, width, sparse=True) for name, count in rows.items()}
    for table in tables.values():
        nn.init.normal_(table.weight, std=0.1, generator=generator)
    tables["bias"] = nn.Embedding(prepared.items + 1, 1, sparse=True)
    nn.init.zeros_(tables["bias"].weight)
    return nn.ModuleDict(tables)


def _batches(events: int, size: int, *, generator: torch.Generator) -> Iterator[Tensor]:
    yield from torch.randperm(events, generator=generator).split(size)


def _cost(
    tables: nn.ModuleDict, user: Tensor, taken: Tensor, drawn: Tensor, *, regularisation: float
) -> Tensor:
    whose, better, worse = tables["user"](user), tables["item"](taken), tables["item"](drawn)
    ahead = (whose * (better - worse)).sum(-1)
    ahead = ahead + (tables["bias"](taken) - tables["bias"](drawn))[:, 0]
    size = sum(vector.square().sum(-1).mean() for vector in (whose, better, worse))
    return regularisation * size - logsigmoid(ahead).mean()
