"""How the index of an item becomes a vector: a row of its own, its features, or its words.

Every part that needs a table of items is given a maker, ``width -> module``, and makes as many as
it wants. The module maps item indices of any shape to vectors; item 0 is padding, the zero vector.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def own_rows(width: int, *, items: int) -> nn.Embedding:
    """One free row for each item."""
    table = nn.Embedding(items + 1, width, padding_idx=0)
    nn.init.normal_(table.weight.data[1:], std=0.1)
    return table


class FeatureTable(nn.Module):
    """Items by what is known of them: a learned linear map of given, fixed features."""

    features: Tensor

    def __init__(self, width: int, *, features: Float[Tensor, "item feature"]) -> None:
        super().__init__()
        self.register_buffer("features", features, persistent=False)
        self.project = nn.Linear(features.shape[1], width, bias=False)

    def forward(self, item: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape width"]:
        """The vectors of these items; row 0 of the features must be zero."""
        return self.project(self.features[item])


class WordTable(nn.Module):
    """Items that are sentences: the sum of their words' vectors, weighted by place and dimension.

    The weight of word j of J in dimension k of d is (1 - j/J) - (k/d)(1 - 2j/J) (Sukhbaatar et al.
    2015, section 4.1), so that the order of words counts. Word 0 is padding.
    """

    sentences: Tensor
    place: Tensor

    def __init__(self, width: int, *, sentences: Int[Tensor, "item word"], words: int) -> None:
        super().__init__()
        self.register_buffer("sentences", sentences, persistent=False)
        self.register_buffer("place", _places(sentences, width=width), persistent=False)
        self.word = nn.Embedding(words + 1, width, padding_idx=0)
        nn.init.normal_(self.word.weight.data[1:], std=0.1)

    def forward(self, item: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape width"]:
        """The vectors of these sentences; row 0 must hold no word."""
        length = (self.sentences[item] > 0).sum(-1)
        return (self.word(self.sentences[item]) * self.place[length]).sum(-2)


def _places(sentences: Int[Tensor, "item word"], *, width: int) -> Float[Tensor, "length word k"]:
    """Weights of each word's place in a sentence of each length."""
    words = sentences.shape[1]
    length = torch.arange(words + 1).clamp(min=1)[:, None, None]
    j = torch.arange(1, words + 1)[None, :, None] / length
    k = torch.arange(1, width + 1)[None, None, :] / width
    return (1 - j) - k * (1 - 2 * j)
