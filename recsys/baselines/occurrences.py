"""Which users had which items in training, and which items occur together."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from recsys.data.batches import Question
from recsys.data.prepared import Prepared
from recsys.data.split import training_events

_CELLS = 16_000_000  # of a block of the user-item matrix, 64 MB


class Occurrences(NamedTuple):
    """Distinct (item, user) pairs of the training part, item after item."""

    user: Int[Tensor, " pair"]
    offset: Int[Tensor, " row"]  # items + 2: the users of item i are offset[i] to offset[i + 1]
    users: int


def occurrences(prepared: Prepared) -> Occurrences:
    """Read the training part; a user's repetitions of an item count once."""
    histories = prepared.histories
    trained = training_events(prepared.split, histories)
    user = np.repeat(np.arange(histories.users), np.diff(histories.offset))[trained]
    key = np.sort(histories.item[trained].astype(np.int64) * histories.users + user)
    item, user = np.divmod(key[np.append(True, key[1:] != key[:-1])], histories.users)
    offset = np.searchsorted(item, np.arange(prepared.items + 2))
    return Occurrences(torch.from_numpy(user), torch.from_numpy(offset), histories.users)


def together(had: Occurrences) -> Iterator[Float[Tensor, "item block"]]:
    """Numbers of users that had both items: all rows 0..I, the columns block by block."""
    items = len(had.offset) - 1
    width = max(_CELLS // had.users, 1)
    for first in range(0, items, width):
        last = min(first + width, items)
        bound = had.offset[first : last + 1]
        column = torch.arange(last - first).repeat_interleave(bound.diff())
        block = torch.zeros(had.users, last - first)
        block[had.user[bound[0] : bound[-1]], column] = 1
        yield embedding_bag(had.user, block, had.offset[:-1], mode="sum")


class Bags(NamedTuple):
    """The distinct items of some users, user after user."""

    row: Int[Tensor, " entry"]
    item: Int[Tensor, " entry"]
    offset: Int[Tensor, " user"]  # where each user's items begin


def bags(question: Question, *, items: int) -> Bags:
    """Everything the users had before the cut; repetitions count once."""
    row, item = question.seen.unbind(dim=1)
    key = torch.unique(row * (items + 1) + item)
    row, item = key // (items + 1), key % (items + 1)
    return Bags(row, item, torch.searchsorted(row, torch.arange(len(question.user))))
