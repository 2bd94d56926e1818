"""Self-attention over a log as SASRec does it (Kang and McAuley 2018, section III).

Blocks are pre-normalised. Positions count from the oldest event of the log, so that the states of
a log that only grows stay as they are.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from recsys.data.batches import Events

LOWEST = -1e4  # the logit of what must not be read; survives half precision


class SasrecEncoder(nn.Module):
    """Item vector times the root of the width, plus that of its position; then blocks."""

    def __init__(self, *, width: int, slots: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.scale = width**0.5
        self.position = nn.Embedding(slots, width)
        nn.init.normal_(self.position.weight, std=0.1)
        self.blocks = nn.ModuleList(
            SasrecBlock(width=width, heads=heads, dropout=dropout) for _ in range(layers)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, vectors: Float[Tensor, "user place width"], log: Events
    ) -> Float[Tensor, "user place width"]:
        """A state for each event of a log of at most ``slots``, from it and those before it."""
        place = (log.present.long().cumsum(dim=1) - 1).clamp(min=0)
        states = self.dropout(vectors * self.scale + self.position(place))
        before = earlier(log.present)
        for block in self.blocks:
            states = block(states, before)
        return states


class SasrecBlock(nn.Module):
    """Attention, then a feed-forward network of each event's own, both residual."""

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)  # one would add the same to every logit
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.refine = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
        )

    def forward(
        self, states: Float[Tensor, "user place width"], before: Bool[Tensor, "user place place"]
    ) -> Float[Tensor, "user place width"]:
        """The next states; each place reads those ``before`` it."""
        normed = self.norm(states)
        query, key, value = (
            split(part(normed), heads=self.heads) for part in (self.query, self.key, self.value)
        )
        logit = query @ key.transpose(-1, -2) / key.shape[-1] ** 0.5
        weights = functional.softmax(torch.where(before[:, None], logit, LOWEST), dim=-1)
        states = states + self.dropout(self.out(join(self.dropout(weights) @ value)))
        return states + self.dropout(self.refine(states))


def earlier(present: Bool[Tensor, "user place"]) -> Bool[Tensor, "user place place"]:
    """Which events (last axis) each place may read: those present up to its own."""
    place = torch.arange(present.shape[1], device=present.device)
    return present[:, None, :] & (place <= place[:, None])


def split(
    vectors: Float[Tensor, "user place width"], *, heads: int
) -> Float[Tensor, "user head place part"]:
    """Cuts the width into heads."""
    return vectors.unflatten(-1, (heads, -1)).transpose(1, 2)


def join(vectors: Float[Tensor, "user head place part"]) -> Float[Tensor, "user place width"]:
    """Heads side by side again."""
    return vectors.transpose(1, 2).flatten(2)
