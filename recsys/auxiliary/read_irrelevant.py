"""A penalty on looking where nothing of the user's own can be found."""

from jaxtyping import Float
from torch import Tensor

from recsys.auxiliary.contract import Auxiliary, Seen
from recsys.auxiliary.disturbance import share_of
from recsys.auxiliary.reads import weights_of_targets


class ReadIrrelevant(Auxiliary):
    """Mean read weight that targets give to decoys: other users' events, mixed in by ``decoys``."""

    def __init__(self, *, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, seen: Seen) -> Float[Tensor, ""]:
        asked = seen.target > 0
        share = share_of(weights_of_targets(seen), seen.decoy)
        return self.weight * (share * asked).sum() / asked.sum().clamp(min=1)
