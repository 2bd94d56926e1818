"""How long a batch of a given size takes: a line, fitted to the batches so far, the newest most.

    seconds = fixed + each * size

What is fixed (to begin a call, to read from the store) is shared by all of a batch, so that larger
batches answer more in the same time. Taken for a cost of each question it would make batches the
smaller the busier the machine is.
"""

from typing import Final

MEMORY: Final = 0.9  # of what was measured before, how much counts when one more is
NOTHING: Final = 0.01  # of the weight of all: a batch of none, which takes no time


class Pace:
    """Weighted least squares over (size, seconds).

    A batch of none that takes no time is always among them, faintly: where all sizes were alike,
    the line goes through it, and a size twice as large is thought to take twice as long.
    """

    def __init__(self) -> None:
        self.fixed, self.each = 0.0, 0.0  # seconds
        self._size = self._seconds = self._square = self._product = 0.0  # means

    def measured(self, size: int, seconds: float) -> None:
        """Takes one more batch into account."""
        new = 1 - MEMORY if self._size else 1.0
        self._size += new * (size - self._size)
        self._seconds += new * (seconds - self._seconds)
        self._square += new * (size * size - self._square)
        self._product += new * (size * seconds - self._product)
        whole = 1 + NOTHING
        spread = whole * self._square - self._size**2  # positive, as NOTHING is
        each = (whole * self._product - self._size * self._seconds) / spread
        self.each = min(max(each, 0.0), self._product / self._square)
        self.fixed = max(self._seconds - self.each * self._size, 0.0)

    def seconds(self, size: int) -> float:
        """What a batch of this size will take; 0 before any was measured."""
        return self.fixed + self.each * size
