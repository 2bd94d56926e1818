"""How hops learn what to pick: by margins to the told slot, or by what their own picks earn."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recsys.memory.contract import Slots
from recsys.output.contract import View
from recsys.output.hard_read import HardRead, with_rest

FAINTEST = 1e-9  # a weight's floor inside a logarithm


def margin(
    weights: Float[Tensor, "row hop position slot"],
    told: Int[Tensor, "row position hop"],
    *,
    gamma: float,
) -> Float[Tensor, "row position hop"]:
    """How far slots come nearer than ``gamma`` to the told one, mean over those that do.

    The hinge of Weston et al. 2014, eq. 6 to 8; differences of logits are those of log weights. The
    paper sums over slots, which grows with the memory. 0 where nothing is told.
    """
    logit = weights.permute(0, 2, 1, 3).clamp(min=FAINTEST).log()
    right = logit.gather(3, told.clamp(min=0)[..., None])
    other = torch.arange(logit.shape[-1], device=told.device) != told[..., None]
    hinge = (gamma - right + logit).clamp(min=0) * other
    mean = hinge.sum(-1) / (hinge > 0).sum(-1).clamp(min=1)
    return mean * (told >= 0)


def log_probability(
    weights: Float[Tensor, "row hop position slot"], picks: Int[Tensor, "row position hop"]
) -> Float[Tensor, "row position"]:
    """Of these picks of all hops together; the number of slots is the null slot's place."""
    place = with_rest(weights).permute(0, 2, 1, 3)
    return place.gather(3, picks[..., None])[..., 0].clamp(min=FAINTEST).log().sum(-1)


def entropy(weights: Float[Tensor, "row hop position slot"]) -> Float[Tensor, "row position"]:
    """Of the picks of each hop, null slot included, summed over hops; nats."""
    place = with_rest(weights)
    return -(place * place.clamp(min=FAINTEST).log()).sum(-1).sum(1)


class Reinforced(NamedTuple):
    """What sampled picks cost."""

    loss: Float[Tensor, "row position"]  # to be minimised; its value means little
    cost: Float[Tensor, "row position"]  # mean over the samples


def reinforced(
    output: HardRead,
    slots: Slots,
    context: Float[Tensor, "row position width"],
    *,
    cost: Callable[[View], Float[Tensor, "row position"]],
    samples: int,
    bonus: float,
) -> Reinforced:
    """REINFORCE (Williams 1992) for the picks, the ordinary gradient for everything after them.

    Each sample is judged by how much less it costs than the mean of the others, which leaves the
    expected gradient as it is and makes it quieter; so there must be at least two.

    Args:
        output: Whose picks.
        slots: What can be picked.
        context: The first query.
        cost: What a view costs at each position, such as -log p(next item | what was picked).
        samples: Picks drawn for each position, 4 or more.
        bonus: Weight of the entropy of the picks, which must fall to almost 0 in training.
    """
    positions = context.shape[1]
    repeated = slots._replace(
        **{
            name: getattr(slots, name).repeat(1, samples, 1)
            for name in ("bias", "filled", "age", "gap_seconds")
        }
    )
    view, picks = output.draw(repeated, context.repeat(1, samples, 1))
    paid = torch.stack([cost(part) for part in _parts(view, slots=slots, samples=samples)], dim=1)
    chance = log_probability(view.hops, picks).unflatten(1, (samples, positions))
    others = (paid.sum(1, keepdim=True) - paid) / (samples - 1)
    surprise = bonus * entropy(view.hops).unflatten(1, (samples, positions))
    loss = (paid + (paid - others).detach() * chance - surprise).mean(1)
    return Reinforced(loss=loss, cost=paid.mean(1).detach())


def _parts(view: View, *, slots: Slots, samples: int) -> Iterator[View]:
    """The view of each sample."""
    fields = (
        view.user.chunk(samples, 1),
        view.logit.chunk(samples, 2),
        view.hops.chunk(samples, 2),
    )
    return (View(slots, *sample) for sample in zip(*fields, strict=True))
