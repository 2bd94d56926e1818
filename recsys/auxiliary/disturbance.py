"""What is done to a step in training only, so that a memory does not learn histories by heart."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recsys.data.batches import Events, Window
from recsys.errors import ConfigError
from recsys.output.contract import View

DISTURBANCES = ("event_dropout", "decoys", "dot_dropout")  # as the configuration calls them


class Disturbed(NamedTuple):
    """A window with holes and strangers in its history."""

    window: Window
    decoy: Bool[Tensor, "user event"]  # events that are somebody else's


class Disturbance:
    """Forgets events at random and mixes other users' events in.

    The targets stay what they were: a forgotten event is missing from the memory, at every later
    position too, but what came after it is still to be predicted. A decoy has no target.

    Args:
        event_dropout: Share of events that a step forgets, below 1.
        decoys: Share of a mixed history that is another user's, from 0 to 0.5.
        dot_dropout: Share of steps in which the user's vector is silent and the memory must answer
            alone, below 1.
    """

    def __init__(self, *, event_dropout: float, decoys: float, dot_dropout: float) -> None:
        if not 0 <= event_dropout < 1:
            message = f"event_dropout is from 0 to below 1 but is {event_dropout}: set 0.1 or 0"
            raise ConfigError(message)
        if not 0 <= decoys <= 0.5:
            message = f"decoys is a share from 0 to 0.5 but is {decoys}: set 0.5 or 0"
            raise ConfigError(message)
        if not 0 <= dot_dropout < 1:
            message = f"dot_dropout is from 0 to below 1 but is {dot_dropout}: set 0.1 or 0"
            raise ConfigError(message)
        self.event_dropout, self.decoys, self.dot_dropout = event_dropout, decoys, dot_dropout

    def __call__(self, window: Window) -> Disturbed:
        """Draws from the global generator, and nothing where both shares are 0."""
        events = window.events
        if self.event_dropout:
            kept = torch.rand(events.item.shape, device=events.item.device) >= self.event_dropout
            window = window._replace(events=events._replace(present=events.present & kept))
        if not self.decoys:
            return Disturbed(window, decoy=torch.zeros_like(events.present))
        return _mixed(window, decoys=self.decoys)

    def silences(self) -> bool:
        """Whether R's dot product is dropped in this step."""
        return bool(self.dot_dropout) and float(torch.rand(())) < self.dot_dropout


def without_dot(view: View) -> View:
    """The view of a user whose vector says nothing."""
    return view._replace(user=view.user * 0)


def _mixed(window: Window, *, decoys: float) -> Disturbed:
    """Each row with events of the row before it at random places; both keep their order."""
    events, length = window.events, window.events.item.shape[1]
    strangers = round(length * decoys / (1 - decoys))
    ticket = torch.rand(events.item.shape[0], length + strangers, device=events.item.device)
    decoy = ticket.argsort(dim=1).argsort(dim=1) < strangers
    own = (~decoy).long().cumsum(dim=1) - 1  # the newest own event there; -1 before the first
    foreign = decoy.long().cumsum(dim=1) - 1

    def mix(mine: Tensor, theirs: Tensor) -> Tensor:
        drawn = theirs.roll(1, dims=0).gather(1, foreign.clamp(min=0))
        return torch.where(decoy, drawn, mine.gather(1, own.clamp(min=0)))

    mixed = Events(
        item=mix(events.item, events.item),
        time=events.time.gather(1, own.clamp(min=0)),  # a stranger comes when the user came last
        behaviour=mix(events.behaviour, events.behaviour),
        present=mix(events.present, events.present),
    )
    target = mix(window.target, torch.zeros_like(window.target))
    weight = mix(window.weight, torch.zeros_like(window.weight))
    return Disturbed(Window(mixed, target, weight, window.targets), decoy & mixed.present)


def share_of(
    weights: Float[Tensor, "user position slot"], decoy: Bool[Tensor, "user event"]
) -> Tensor:
    """Read weight that falls on decoys, at each position; slots stand at the end of their row."""
    return (weights[..., -decoy.shape[1] :] * decoy[:, None]).sum(-1)
