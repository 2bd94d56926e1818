"""Nobody tells the hops what to read: the objective's gradient has to."""

from recsys.memory.contract import Look
from recsys.output.contract import Output
from recsys.teaching.contract import Cost, Support, Taught, Teaching


class Alone(Teaching):
    """The output reads as it does of itself."""

    def __call__(
        self, output: Output, along: Look, *, support: Support | None, cost: Cost, step: int
    ) -> Taught:
        view = output.look(*along)
        return Taught(view, cost(view))
