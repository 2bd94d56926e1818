"""A share of the parts, for schedulers that start the same command many times."""

import re
from typing import Final, NamedTuple

from recsys.errors import ConfigError


class Shard(NamedTuple):
    """Every ``of``-th part, from the ``number``-th on; both count from one."""

    number: int
    of: int

    def of_parts(self, parts: int) -> list[int]:
        """Its own among the parts ``0`` to ``parts - 1``."""
        return list(range(self.number - 1, parts, self.of))

    @property
    def name(self) -> str:
        """For files that only this shard writes."""
        return "" if self == WHOLE else f"-{self.number}-of-{self.of}"


WHOLE: Final = Shard(1, 1)


def parse(text: str | None) -> Shard:
    """The shard that ``3/16`` means: the third of sixteen; nothing means the whole.

    Raises:
        ConfigError: It is none.
    """
    if text is None:
        return WHOLE
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", str(text))
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        message = f"shard is NUMBER/OF, from 1/16 to 16/16, but is '{text}': set shard=1/1 or more"
        raise ConfigError(message)
    return Shard(int(match[1]), int(match[2]))
