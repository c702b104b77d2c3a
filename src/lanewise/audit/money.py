"""What a lever is worth: a range of money."""

from __future__ import annotations

from dataclasses import dataclass

from lanewise.pricing.dollars import about, dollars


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

    def __str__(self) -> str:
        """For people.

        >>> str(Money(1_000_000_000, 2_500_000_000)), str(Money(5_000_000_000, 5_000_000_000))
        ('$1.00 to $2.50', '$5.00')
        """
        low, high = dollars(self.low), dollars(self.high)
        return low if low == high else f"{low} to {high}"

    @property
    def about(self) -> str:
        """For tables.

        >>> Money(341_869_050, 379_854_500).about, Money(1_001_000, 1_002_000).about
        ('$0.34 to $0.38', '$0.0010')
        """
        low, high = about(self.low), about(self.high)
        return low if low == high else f"{low} to {high}"
