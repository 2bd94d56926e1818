"""Which events of a log are noise: those that the rest of the memory would never have foretold."""

import torch
from jaxtyping import Bool
from torch import Tensor

from recsys.errors import ConfigError
from recsys.memory.log import LogState, without
from recsys.model import MemoryRecommender


def denoised(
    model: MemoryRecommender[LogState], state: LogState, *, below: float, rounds: int
) -> LogState:
    """The log without implausible events, dropped in rounds, the least plausible first.

    Args:
        model: Its slots are events of a log and it explains.
        state: Logs of some users.
        below: Share of the catalogue that an event's item must outscore to stay, below 1.
        rounds: After each the rest is looked at anew, for noise hides noise.

    Raises:
        ConfigError: The model does not tell what each slot did to a score.
    """
    if not (model.explains and isinstance(state, LogState)):
        message = "noise is found in logs that explain: train with memory=key_value, or keep all"
        raise ConfigError(message)
    for turn in range(1, rounds + 1):
        state = without(state, implausible(model, state, below=below * turn / rounds))
    return state


def implausible(
    model: MemoryRecommender[LogState], state: LogState, *, below: float
) -> Bool[Tensor, "user slot"]:
    """Events whose item, asked as a candidate, scores below this share of the catalogue.

    The event's own slot is left out of the read, or every event would vouch for itself.
    """
    view = model.look(state)
    own = view.slots.item
    itself = model.effect(view, own).effect.diagonal(dim1=1, dim2=2)
    others = model.own_scores(view, own) - itself
    catalogue = torch.arange(1, model.response.bias.num_embeddings, device=own.device)
    floor = model.scores(view, catalogue)[:, 0].quantile(below, dim=-1, keepdim=True)
    return (own > 0) & (others < floor)
