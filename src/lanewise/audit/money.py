"""What a lever is worth: a range of money."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Money:
    """Nano-USD, at the least and at the most.

    >>> Money(1, 2) + Money(3, 5)
    Money(low=4, high=7)
    """

    low: int = 0
    high: int = 0

    def __add__(self, other: Money) -> Money:
        """End by end."""
        return Money(self.low + other.low, self.high + other.high)
