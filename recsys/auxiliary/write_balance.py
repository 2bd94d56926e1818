"""A fixed number of slots holds most where all of them are written."""

from jaxtyping import Float
from torch import Tensor

from recsys.auxiliary.contract import Auxiliary, Seen
from recsys.errors import ConfigError


class WriteBalance(Auxiliary):
    """Variance over the slots of how much each was written (MIMN, Pi et al. 2019, equation 8).

    Of every user's slots after the step's events. For memories that sum their write weights.
    """

    def __init__(self, *, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, seen: Seen) -> Float[Tensor, ""]:
        written = seen.view.slots.written
        if written is None:
            message = (
                "write_balance needs a memory that sums what it writes into each slot: set "
                "memory=mimn, or leave write_balance out"
            )
            raise ConfigError(message)
        after_all = written.unflatten(0, (seen.target.shape[0], -1))[:, -1]
        uneven = (after_all - after_all.mean(1, keepdim=True)).square()
        return self.weight * uneven.mean()
