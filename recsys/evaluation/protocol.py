"""Judge a scorer on the whole catalogue, one batch of users at a time."""

from collections.abc import Callable, Iterator
from typing import Literal, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recsys.data.batches import Part, Question, asked, by_length, question
from recsys.data.prepared import Prepared
from recsys.evaluation.report import Answer, Report, report
from recsys.metrics.lists import top_k

Seen = Literal["exclude", "keep"]


class Scorer(Protocol):
    """What can be evaluated: the trained model, every baseline."""

    @property
    def history(self) -> int | None:
        """The newest events it wants to be given; None for all."""

    def scores(self, question: Question) -> Float[Tensor, "user item"]:
        """One score for each item 0..I of each user; column 0 is padding and never listed.

        Higher is better; minus infinity keeps an item out of the list.
        """


def evaluate(
    scorer: Scorer,
    prepared: Prepared,
    *,
    part: Part,
    ks: tuple[int, ...],
    seen: Seen,
    batch_size: int,
    advance: Callable[[int], None] = lambda users: None,
) -> Report:
    """Rank the whole catalogue for every user with held-out items.

    Equal scores are ranked by item index, lower first, so that no answer depends on chance.

    Args:
        scorer: What is judged.
        prepared: The data set with its split.
        part: ``valid`` or ``test``.
        ks: List lengths.
        seen: ``exclude`` lists no item of the user's whole history before the cut.
        batch_size: Users scored together; a batch holds that many scores for each item.
        advance: Told the number of users just judged.
    """

    def answers() -> Iterator[Answer]:
        users = by_length(prepared, part, users=asked(prepared, part))
        for first in range(0, len(users), batch_size):
            together = users[first : first + batch_size]
            asks = question(prepared, part, users=together, history=scorer.history)
            scores = _shown(scorer, asks, items=prepared.catalogue.height, seen=seen)
            yield Answer(question=asks, lists=top_k(scores, max(ks)).cpu())
            advance(len(together))

    return report(answers(), prepared=prepared, ks=ks)


def listable(
    scores: Float[Tensor, "user item"], *, hidden: Int[Tensor, "pair 2"]
) -> Float[Tensor, "user item"]:
    """The scores with padding and the ``hidden`` (row, item) pairs at minus infinity."""
    row, item = hidden.to(scores.device).unbind(dim=1)
    kept = scores.index_put((row, item), scores.new_tensor(-torch.inf))
    kept[:, 0] = -torch.inf
    return kept


@torch.no_grad()
def _shown(scorer: Scorer, question: Question, *, items: int, seen: Seen) -> Tensor:
    scores = scorer.scores(question)
    expected = (len(question.user), items + 1)
    if tuple(scores.shape) != expected:
        msg = f"scores are {tuple(scores.shape)}, not {expected}: a row a user, a column an item"
        raise ValueError(msg)
    return listable(scores, hidden=question.seen[:0] if seen == "keep" else question.seen)
