"""What the targets read: the weights of the candidate's hop at every position of a step."""

from jaxtyping import Float
from torch import Tensor

from recsys.auxiliary.contract import Seen
from recsys.errors import ConfigError


def weights_of_targets(seen: Seen) -> Float[Tensor, "user event slot"]:
    """Read weights of each position's own target; slots of a log end with the step's events.

    Raises:
        ConfigError: The model does not tell which event a slot came from.
    """
    if not seen.model.explains:
        message = (
            "losses on what is read need slots that are events and an output that tells their "
            "weights: set memory=key_value output=candidate_read, or leave these losses out"
        )
        raise ConfigError(message)
    rows = seen.view.user.shape[:2]
    return seen.model.effect(seen.view, seen.target.reshape(rows)).weights
