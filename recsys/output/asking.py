"""The hop in which a candidate asks, piece by piece: how loud slots are, how alike, what they tell.

A logit is a sum of how loudly a slot speaks at a position and of what it and the candidate have in
common. Both are bounded, so that each may be put into exp by itself.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from recsys.memory.contract import Slots
from recsys.output.contract import View
from recsys.output.hop import LOWEST, split, with_null

LOUDEST = 15.0  # bound of the loudness; with the strength's 20 it keeps exp inside float32
STRONGEST = 20.0


def strengths(strength: Float[Tensor, " head"]) -> Float[Tensor, " head"]:
    """A learned number of any size as the bound of a head's cosines, between 0 and 20."""
    return STRONGEST * strength.sigmoid()


def silence(null: Float[Tensor, " head"]) -> Float[Tensor, " head"]:
    """Logit of the null slot, as loud or silent as any slot can be."""
    return null.clamp(-LOUDEST - STRONGEST, LOUDEST + STRONGEST)


def loudness(
    asked: Float[Tensor, "row position width"],
    heard: Float[Tensor, "row slot width"],
    *,
    bias: Float[Tensor, "row head position slot"],
) -> Float[Tensor, "row head position slot"]:
    """How loudly each slot speaks at each position, whoever the candidate is."""
    ours, its = (split(part, heads=bias.shape[1]) for part in (asked, heard))
    logit = ours @ its.transpose(-1, -2) / ours.shape[-1] ** 0.5 + bias
    return logit.clamp(-LOUDEST, LOUDEST)


def alike(
    keys: Float[Tensor, "row slot width"],
    queries: Float[Tensor, "#row candidate width"],
    *,
    strength: Float[Tensor, " head"],
) -> Float[Tensor, "row head slot candidate"]:
    """Cosines of keys and queries in each head, times its strength."""
    key, query = (
        functional.normalize(split(part, heads=len(strength)), dim=-1) for part in (keys, queries)
    )
    return _met(key * strength[:, None, None], query)


def answered(
    slots: Slots, answers: Float[Tensor, "#row candidate slot_width"], *, heads: int
) -> Float[Tensor, "row head slot candidate"]:
    """What each slot answers to each candidate, head by head."""
    value, answer = (split(part, heads=heads) for part in (slots.values, answers))
    return _met(value, answer)


def _met(
    slots: Float[Tensor, "row head slot part"],
    candidates: Float[Tensor, "#row head candidate part"],
) -> Float[Tensor, "row head slot candidate"]:
    """Inner products; PyTorch would copy candidates that all rows share once for each row.

    ONNX Runtime does not, and would have to turn the result: its graphs keep the plain product.
    """
    if candidates.shape[0] != 1 or torch.compiler.is_exporting():
        return slots @ candidates.transpose(-1, -2)
    rows, heads, places, _ = slots.shape
    met = slots.transpose(0, 1).flatten(1, 2) @ candidates[0].transpose(-1, -2)
    return met.reshape(heads, rows, places, -1).transpose(0, 1)


def weighed(
    view: View,
    common: Float[Tensor, "#row #head #candidate #slot"],
    *,
    null: Float[Tensor, " head"],
    left_out: Int[Tensor, "row head candidate 1"] | None = None,
) -> Float[Tensor, "row head candidate slot"]:
    """Read weights for what candidates and slots have in ``common``, one slot left out or none."""
    logit = view.logit + common
    if left_out is not None:
        logit = logit.scatter(-1, left_out, LOWEST)
    return with_null(logit, filled=view.slots.filled, null=null)


def recalled(
    weights: Float[Tensor, "row head position slot"],
    slots: Slots,
    *,
    gain: Float[Tensor, " head"],
) -> Float[Tensor, "row position slot_width"]:
    """What slots of these weights tell anyone, heads side by side."""
    value = split(slots.values, heads=len(gain))
    return (weights @ value * gain[:, None, None]).transpose(1, 2).flatten(2)
