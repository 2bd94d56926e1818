"""What was written should still be found: the memory is asked for its own past."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from recsys.auxiliary.contract import Auxiliary, Seen
from recsys.output.contract import View


class Reconstruct(Auxiliary):
    """Cross-entropy of a past event against other users' events, asked of the newest memory.

    At the last position of each history one past item is drawn; it must score above the items
    drawn for the other users of the step (after DMAN, Tan et al. 2021, section 3.3).
    """

    def __init__(self, *, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, seen: Seen) -> Float[Tensor, ""]:
        present = seen.events.present & (seen.events.item > 0) & ~seen.decoy
        there = present.any(1)
        if int(there.sum()) < 2:
            return seen.view.user.sum() * 0
        place = torch.where(present, torch.rand_like(present, dtype=torch.float), -1.0).argmax(1)
        past = seen.events.item.gather(1, place[:, None])[there, 0]
        scores = seen.model.scores(_last(seen.view, users=len(there)), past)[there, 0]
        same = past[:, None] == past
        scores = scores.masked_fill(same & ~torch.eye(len(past), dtype=torch.bool).to(same), -1e4)
        return self.weight * functional.cross_entropy(scores, torch.arange(len(past)).to(past))


def _last(view: View, *, users: int) -> View:
    """The view from each user's last position."""
    positions = view.user.shape[0] * view.user.shape[1] // users
    if view.user.shape[1] > 1:  # one row a user: choose the position
        return view.at(slice(-1, None))
    rows = slice(positions - 1, None, positions)  # one row an event: choose the row
    fields = view.slots._asdict().items()
    slots = view.slots._replace(
        **{name: field[rows] for name, field in fields if field is not None}
    )
    return View(slots, view.user[rows], view.logit[rows], view.hops[rows])
