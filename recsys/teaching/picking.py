"""Outputs that pick slots, which can be told or rewarded for what they pick."""

from recsys.errors import ConfigError
from recsys.output.contract import Output
from recsys.output.hard_read import HardRead


def picking(output: Output) -> HardRead:
    """This output, as one that picks.

    Raises:
        ConfigError: It does not pick.
    """
    if not isinstance(output, HardRead):
        message = (
            "teaching what to pick needs an output that picks slots: set output=hard_read, or "
            "teaching=alone"
        )
        raise ConfigError(message)
    return output
