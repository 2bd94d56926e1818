"""Teacher forcing: each hop reads the slot that its label names (Weston et al. 2014, section 3.1).

So the second hop learns from the right first pick before the first hop has learned to make it.
"""

from torch.nn import functional

from recsys.errors import ConfigError
from recsys.memory.contract import Look
from recsys.output.contract import Output
from recsys.teaching.contract import Cost, Support, Taught, Teaching
from recsys.teaching.picking import picking


class Told(Teaching):
    """Where there is no label the hop reads as it does of itself.

    What a hop is told has no gradient for its choice; auxiliary ``read_support`` or ``read_margin``
    teaches it to choose that itself.
    """

    def __call__(
        self, output: Output, along: Look, *, support: Support | None, cost: Cost, step: int
    ) -> Taught:
        if support is None:
            message = (
                "teaching=told needs labels of what to read: set support=repeated, support=alike "
                "or support=nearest"
            )
            raise ConfigError(message)
        hard = picking(output)
        missing = (0, hard.hops - support.shape[2])  # negative where there are more labels
        view = hard.look(*along, told=functional.pad(support, missing, value=-1))
        return Taught(view, cost(view))
