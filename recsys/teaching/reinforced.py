"""Hops learn from what their own picks earn, where no gradient and no label says what to pick."""

from recsys.errors import ConfigError
from recsys.memory.contract import Look
from recsys.output.contract import Output
from recsys.output.picks import reinforced
from recsys.teaching.contract import Cost, Support, Taught, Teaching
from recsys.teaching.picking import picking


class Reinforced(Teaching):
    """REINFORCE (Williams 1992) over ``samples`` picks of each position, at least two.

    The entropy of the picks is rewarded with a weight that starts at ``bonus``, falls by the factor
    ``decay`` every step and stops at ``least``. Labels are not used.
    """

    def __init__(self, *, samples: int, bonus: float, decay: float, least: float) -> None:
        if samples < 2:
            message = f"samples are compared with each other but are {samples}: set 2 or more"
            raise ConfigError(message)
        self.samples, self.bonus, self.decay, self.least = samples, bonus, decay, least

    def __call__(
        self, output: Output, along: Look, *, support: Support | None, cost: Cost, step: int
    ) -> Taught:
        hard = picking(output)
        bonus = max(self.bonus * self.decay**step, self.least)
        paid = reinforced(hard, *along, cost=cost, samples=self.samples, bonus=bonus)
        return Taught(hard.look(*along), paid.loss)
