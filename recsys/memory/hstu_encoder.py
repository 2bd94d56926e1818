"""Hierarchical sequential transduction units over a log (Zhai et al. 2024, section 3.1).

Attention without a softmax, so that how often something happened counts; where and how long ago it
happened is a bias of the distance between two events, never of a place in the log.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from recsys.data.batches import Events
from recsys.memory.sasrec_encoder import earlier, join, split

TIME_BUCKETS = 129  # the last one begins after more than a million years
LOG_STEP = 0.301  # of the natural logarithm of the seconds between two events


class HstuEncoder(nn.Module):
    """Item vector times the root of the width; then blocks."""

    def __init__(self, *, width: int, slots: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.scale = width**0.5
        self.blocks = nn.ModuleList(
            HstuBlock(width=width, slots=slots, heads=heads, dropout=dropout) for _ in range(layers)
        )

    def forward(
        self, vectors: Float[Tensor, "user place width"], log: Events
    ) -> Float[Tensor, "user place width"]:
        """A state for each event of a log of at most ``slots``, from it and those before it."""
        rank = log.present.long().cumsum(dim=1)
        distance = (rank[:, :, None] - rank[:, None, :]).clamp(min=0)
        bucket = time_bucket(log.time[:, :, None] - log.time[:, None, :])
        states, before = vectors * self.scale, earlier(log.present)
        for block in self.blocks:
            states = block(states, before, distance, bucket)
        return states


class HstuBlock(nn.Module):
    """y = W (norm(A v) u) + x with A = SiLU(q k + bias) / slots (equations 1 to 3)."""

    def __init__(self, *, width: int, slots: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.slots, self.heads = slots, heads
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 4 * width, bias=False)
        self.position = nn.Parameter(0.02 * torch.randn(slots))
        self.time = nn.Parameter(0.02 * torch.randn(TIME_BUCKETS))
        self.read_norm = nn.LayerNorm(width, eps=1e-6)  # one event of many reads little
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        states: Float[Tensor, "user place width"],
        before: Bool[Tensor, "user place place"],
        distance: Int[Tensor, "user place place"],
        bucket: Int[Tensor, "user place place"],
    ) -> Float[Tensor, "user place width"]:
        """The next states; each place reads those ``before`` it."""
        gate, *parts = functional.silu(self.project(self.norm(states))).chunk(4, dim=-1)
        value, query, key = (split(part, heads=self.heads) for part in parts)
        bias = self.position[distance.clamp(max=self.slots - 1)] + self.time[bucket]
        weights = functional.silu(query @ key.transpose(-1, -2) + bias[:, None]) / self.slots
        read = join(torch.where(before[:, None], weights, 0.0) @ value)
        return states + self.out(self.dropout(self.read_norm(read) * gate))


def time_bucket(seconds: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """floor(log(max(1, |seconds|)) / 0.301), at most 128."""
    log = seconds.abs().clamp(min=1).float().log()
    return (log / LOG_STEP).long().clamp(max=TIME_BUCKETS - 1)
