"""Hops that are told which slot speaks for the target (Weston et al. 2014, section 3.1)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recsys.auxiliary.contract import Auxiliary, Seen
from recsys.auxiliary.disturbance import Disturbed
from recsys.data.support import Support, age_of
from recsys.errors import ConfigError
from recsys.memory.contract import Slots

FAINTEST = 1e-9  # a read weight's floor inside a logarithm


class ReadSupport(Auxiliary):
    """Mean negative log weight of the slots that the context hops should have read."""

    def __init__(self, *, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, seen: Seen) -> Float[Tensor, ""]:
        return self.weight * unread(seen.view.hops, labels(seen))


def labels(seen: Seen) -> Int[Tensor, "row position hop"]:
    """The labels of a step's hops.

    Raises:
        ConfigError: There are none, or no hop that could follow them.
    """
    if seen.support is None:
        message = (
            "losses on supporting slots need labels: set support=repeated, support=alike or "
            "support=nearest, or leave these losses out"
        )
        raise ConfigError(message)
    if not seen.view.hops.shape[1]:
        message = (
            "losses on supporting slots need hops that read before a candidate asks: set "
            "output.hops=1 or more, or an output that has hops"
        )
        raise ConfigError(message)
    return seen.support


def labelled(
    support: Support | None, step: Disturbed, *, slots: Slots
) -> Int[Tensor, "row position hop"] | None:
    """The slots that the hops of a training step should read; never a stranger's event."""
    if support is None:
        return None
    events = step.window.events
    own = events._replace(present=events.present & ~step.decoy)
    return slots_of_age(age_of(support(own, step.window.target), events), slots=slots)


def slots_of_age(
    age: Int[Tensor, "user event hop"], *, slots: Slots
) -> Int[Tensor, "row position hop"]:
    """The slots of the events that were this long ago; -1 for age -1 and for forgotten events.

    Raises:
        ConfigError: The memory's slots are no events.
    """
    if bool((age >= 0).any()) and not bool(slots.item.any()):
        message = (
            "labels of what to read need slots that are events: set memory=key_value, memory=igor "
            "or another memory that keeps them, or support=null"
        )
        raise ConfigError(message)
    age = age.reshape(*slots.age.shape[:2], -1)
    found = slots.filled[..., None, :] & (slots.age[..., None, :] == age[..., None])
    return torch.where(found.any(-1), found.long().argmax(-1), -1)


def unread(
    hops: Float[Tensor, "row hop position slot"], support: Int[Tensor, "row position label"]
) -> Float[Tensor, ""]:
    """Mean negative log weight of the labelled slots; 0 where none is known.

    Labels beyond the hops do not count, and hops beyond the labels are free.
    """
    count = min(hops.shape[1], support.shape[2])
    slot = support[..., :count]
    weight = hops[:, :count].permute(0, 2, 1, 3).gather(3, slot.clamp(min=0)[..., None])[..., 0]
    known = slot >= 0
    lost = -weight.clamp(min=FAINTEST).log()
    return (lost * known).sum() / known.sum().clamp(min=1)
