"""What an evaluation says: means, what they were counted over, and every user's own numbers."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor

from recsys.data.batches import Question
from recsys.data.prepared import Prepared
from recsys.errors import InputError
from recsys.metrics.lists import coverage, hits, listed, members, truths
from recsys.metrics.ranking import per_user
from recsys.tables import COUNT, USER_ID

TRUTHS = "truths"


class Report(NamedTuple):
    """One system, judged.

    ``summary`` holds means over users as in ``ndcg@10``, and ``coverage@10``. ``counts`` holds:

    - users, users_without_truth (not judged), truths;
    - truths_seen: held-out items the user had before the cut; where seen items are excluded no
      list can hold them, and they count as misses;
    - truths_untrained: held-out items that never occur in the training part;
    - listed_seen: listed items, in the longest lists, that the user had before the cut;
    - short_lists: longest lists with an empty place.

    ``users`` has a row for each judged user: user_id, truths, and each metric at each k.
    """

    summary: dict[str, float]
    counts: dict[str, int]
    users: pl.DataFrame


class Answer(NamedTuple):
    """The lists a system gives to one batch; 0 is an empty place."""

    question: Question
    lists: Int[Tensor, "user k"]


def report(answers: Iterable[Answer], *, prepared: Prepared, ks: tuple[int, ...]) -> Report:
    """Gather answers, keeping a few numbers a user and one bit an item for each k.

    Answers come in any order; ``users`` of the report are in that of the data.

    Raises:
        InputError: No user has held-out items.
    """
    items = prepared.catalogue.height
    untrained = torch.from_numpy(np.append(False, prepared.catalogue[COUNT].to_numpy() == 0))
    recommended = torch.zeros(len(ks), items + 1, dtype=torch.bool)
    counts: list[dict[str, int]] = []
    users: list[pl.DataFrame] = []
    places: list[Tensor] = []
    for answer in answers:
        places.append(answer.question.user)
        users.append(_users(answer, prepared=prepared, ks=ks))
        counts.append(_counts(answer, untrained=untrained))
        recommended |= listed(answer.lists, items=items, ks=ks)
    if not users:
        msg = "no user has held-out items in this part: prepare with another split"
        raise InputError(msg)
    table = pl.concat(users)[torch.cat(places).argsort().numpy()]
    means = table.drop(USER_ID, TRUTHS).select(pl.all().cast(pl.Float64).mean()).row(0, named=True)
    covered = zip(ks, coverage(recommended).tolist(), strict=True)
    total = {name: sum(count[name] for count in counts) for name in counts[0]}
    return Report(
        summary=means | {f"coverage@{k}": share for k, share in covered},
        counts={"users": table.height, "users_without_truth": _silent(prepared, table)} | total,
        users=table,
    )


def _users(answer: Answer, *, prepared: Prepared, ks: tuple[int, ...]) -> pl.DataFrame:
    question, lists = answer
    held_out = truths(question.truth, users=len(lists))
    values = per_user(hits(lists, question.truth), truths=held_out, ks=ks)
    identity = {USER_ID: prepared.users[question.user.numpy()], TRUTHS: held_out.numpy()}
    return pl.DataFrame(identity | {name: value.numpy() for name, value in values.items()})


def _counts(answer: Answer, *, untrained: Tensor) -> dict[str, int]:
    question, lists = answer
    place = lists.nonzero()
    given = torch.stack([place[:, 0], lists[place[:, 0], place[:, 1]]], dim=1)
    return {
        TRUTHS: len(question.truth),
        "truths_seen": int(members(question.truth, among=question.seen).sum()),
        "truths_untrained": int(untrained[question.truth[:, 1]].sum()),
        "listed_seen": int(members(given, among=question.seen).sum()),
        "short_lists": int((lists == 0).any(dim=1).sum()),
    }


def _silent(prepared: Prepared, table: pl.DataFrame) -> int:
    return prepared.users.len() - table.height
