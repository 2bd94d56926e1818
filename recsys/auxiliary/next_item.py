"""What a recurrent unit holds after an event should tell the event that comes next (DIEN)."""

import torch
from jaxtyping import Float
from torch import Tensor

from recsys.auxiliary.contract import Auxiliary, Seen
from recsys.errors import ConfigError
from recsys.output.dien import next_item_loss


class NextItem(Auxiliary):
    """``next_item_loss`` of the slots' keys and what I sees of the next item (Zhou et al. 2019).

    The item that did not follow is drawn from the other targets of the step, so often as it is
    taken; where the draw meets the target itself nothing is asked.
    """

    def __init__(self, *, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, seen: Seen) -> Float[Tensor, ""]:
        """The interests after each event are the keys of the newest slots.

        Raises:
            ConfigError: There is no slot for each event.
        """
        keys, target = seen.view.slots.keys, seen.target
        users, events = target.shape
        if keys.shape[0] != users or keys.shape[1] < events:
            message = (
                "next_item needs slots that are the states after each event: set memory=dynamic, "
                "or leave next_item out"
            )
            raise ConfigError(message)
        known = (target > 0) & seen.events.present
        asked = target[known]
        other = target.clone()
        other[known] = asked[torch.randint(max(len(asked), 1), asked.shape, device=asked.device)]
        query = seen.model.input.query
        lost = next_item_loss(
            keys[:, -events:], query(target), query(other), known=known & (other != target)
        )
        return self.weight * lost
