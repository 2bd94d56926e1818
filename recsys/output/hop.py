"""One hop: attention over the slots, then a refined query."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recsys.memory.contract import Slots
from recsys.output.contract import View

LOWEST = -1e4  # the logit of what must not be read; survives half precision
GAP_BUCKETS = 40  # powers of two of seconds, the last one more than a thousand years


class SlotBias(nn.Module):
    """How age and time gap alone make a slot count, one number a head."""

    def __init__(self, *, slots: int, heads: int) -> None:
        super().__init__()
        self.age = nn.Parameter(torch.zeros(heads, slots))
        self.gap = nn.Parameter(torch.zeros(heads, GAP_BUCKETS))

    def forward(self, slots: Slots) -> Float[Tensor, "row head position slot"]:
        age = slots.age.clamp(max=self.age.shape[1] - 1)
        gap = torch.log2(slots.gap_seconds.float() + 1).long().clamp(max=GAP_BUCKETS - 1)
        bias = self.age[:, age] + self.gap[:, gap] + slots.bias
        return bias.transpose(0, 1)


class Read(NamedTuple):
    """What a hop leaves: the refined query, and what it had read."""

    context: Float[Tensor, "row position width"]
    weights: Float[Tensor, "row position slot"]


class Hop(nn.Module):
    """One read plus one refined query (Sukhbaatar et al. 2015, section 2.2), with heads.

    The slots are weighted by content, age and gap together with a null slot of value 0, so that
    a history in which nothing helps adds nothing. Pre-normalised, followed by a feed-forward block
    of the same width, both residual.
    """

    def __init__(self, *, width: int, slots: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.bias = SlotBias(slots=slots, heads=heads)
        self.null = nn.Parameter(torch.zeros(heads))
        self.refine = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, slots: Slots, context: Float[Tensor, "row position width"]) -> Read:
        query = split(self.query(self.norm(context)), heads=self.heads)
        key, value = (split(part(slots.keys), heads=self.heads) for part in (self.key, self.value))
        logit = query @ key.transpose(-1, -2) / key.shape[-1] ** 0.5 + self.bias(slots)
        weights = with_null(logit, filled=slots.filled, null=self.null)
        context = context + self.dropout((weights @ value).transpose(1, 2).flatten(2))
        return Read(context + self.dropout(self.refine(context)), weights.mean(1))


def hops_of(hops: int, *, width: int, slots: int, heads: int, dropout: float) -> nn.ModuleList:
    """So many hops with parameters of their own."""
    return nn.ModuleList(
        Hop(width=width, slots=slots, heads=heads, dropout=dropout) for _ in range(hops)
    )


def take(
    hops: Iterable[nn.Module], slots: Slots, context: Float[Tensor, "row position width"]
) -> tuple[Float[Tensor, "row position width"], Float[Tensor, "row hop position slot"]]:
    """One hop after another: the last refined query, and the read weights of each hop."""
    weights = []
    for hop in hops:
        context, read = hop(slots, context)
        weights.append(read)
    return context, stacked(slots, weights)


def stacked(
    slots: Slots, weights: Iterable[Float[Tensor, "row position slot"]]
) -> Float[Tensor, "row hop position slot"]:
    """The read weights of one hop after another, of which there may be none."""
    none = torch.zeros_like(slots.bias[:, None])[:, :0]
    return torch.cat([none, *(read[:, None] for read in weights)], dim=1)


def silent_view(
    slots: Slots,
    user: Float[Tensor, "row position width"],
    *,
    weights: Iterable[Float[Tensor, "row position slot"]] = (),
) -> View:
    """A view in which no slot is loud of itself; ``weights`` are those of the context hops."""
    silent = slots.bias[:, None, :, :0]
    return View(slots=slots, user=user, logit=silent, hops=stacked(slots, weights))


def split(
    vectors: Float[Tensor, "row place width"], *, heads: int
) -> Float[Tensor, "row head place part"]:
    """Cuts the width into heads."""
    return vectors.unflatten(-1, (heads, -1)).transpose(1, 2)


def with_null(
    logit: Float[Tensor, "row head position slot"],
    *,
    filled: Tensor,
    null: Float[Tensor, " head"],
) -> Float[Tensor, "row head position slot"]:
    """Softmax over the filled slots and a null slot whose weight is left out of the result."""
    masked = torch.where(filled[:, None], logit, LOWEST)
    silent = null[:, None, None].expand(*masked.shape[:-1], 1)
    return functional.softmax(torch.cat([masked, silent], dim=-1), dim=-1)[..., :-1]
