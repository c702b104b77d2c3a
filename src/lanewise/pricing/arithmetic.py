"""Exact money: pico-USD per token, nano-USD per request, one rounding per request, half to even.

One US dollar per million tokens is 1,000,000 pico-USD per token. Rounding happens once, on the exact
total of a request; sums of requests are sums of rounded requests, so a ledger row and the requests
behind it always agree.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Protocol

PICO_PER_NANO: Final = 1_000
_HALF: Final = PICO_PER_NANO // 2


class Tokens(Protocol):
    """What a request used: a `Usage`, or a stored record of one, read as it lies.

    The input parts are disjoint; `total_input` is their sum.
    """

    # fmt: off
    @property
    def input(self) -> int: ...  # noqa: D102
    @property
    def cache_read(self) -> int: ...  # noqa: D102
    @property
    def cache_write_5m(self) -> int: ...  # noqa: D102
    @property
    def cache_write_1h(self) -> int: ...  # noqa: D102
    @property
    def cache_write_other(self) -> int: ...  # noqa: D102
    @property
    def output(self) -> int: ...  # noqa: D102
    @property
    def total_input(self) -> int: ...  # noqa: D102
    # fmt: on


@dataclass(frozen=True, slots=True)
class Vector:
    """Prices in pico-USD per token."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    cache_write_other: int
    output: int

    def scaled(self, numerator: int, denominator: int) -> Vector:
        """Every price times a fraction, rounded half to even."""
        return Vector(
            *(divide(getattr(self, item.name) * numerator, denominator) for item in fields(self))
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices of one model in one lane on one day.

    A tier replaces all prices of a request whose own input, cached or not, is more than its
    start: a cliff, as providers bill it. Tiers are never applied to sums.
    """

    base: Vector
    tiers: tuple[tuple[int, Vector], ...] = ()  # (input above, prices), ascending

    def of(self, usage: Tokens) -> Vector:
        """The prices that apply to a request of this size."""
        return self.above(usage.total_input - 1) if self.tiers else self.base

    def above(self, tokens: int) -> Vector:
        """The prices of a request with just more input than this."""
        chosen = self.base
        for start, vector in self.tiers:
            if tokens >= start:
                chosen = vector
        return chosen

    def scaled(self, numerator: int, denominator: int) -> Rates:
        """Every price times a fraction."""
        tiers = tuple(
            (above, vector.scaled(numerator, denominator)) for above, vector in self.tiers
        )
        return Rates(self.base.scaled(numerator, denominator), tiers)


@dataclass(frozen=True, slots=True)
class Components:
    """What each part of a request cost, in nano-USD; they add up to its price exactly."""

    input: int
    cache_read: int
    cache_write: int
    output: int

    @property
    def total(self) -> int:
        """The price of the request."""
        return self.input + self.cache_read + self.cache_write + self.output


def price(rates: Rates, usage: Tokens) -> int:
    """The price of one request in nano-USD, rounded once.

    >>> from lanewise.domain.usage import Usage
    >>> price(Rates(Vector(150_000, 75_000, 0, 0, 0, 600_000)), Usage(input=1_000, output=10))
    156000
    """
    vector = rates.of(usage) if rates.tiers else rates.base
    nano, rest = divmod(  # one sum, and no calls: this runs for every result line
        usage.input * vector.input
        + usage.cache_read * vector.cache_read
        + usage.cache_write_5m * vector.cache_write_5m
        + usage.cache_write_1h * vector.cache_write_1h
        + usage.cache_write_other * vector.cache_write_other
        + usage.output * vector.output,
        PICO_PER_NANO,
    )
    return nano + 1 if rest > _HALF or (rest == _HALF and nano & 1) else nano


def prices(cost: Vector, baseline: Vector, usage: Tokens) -> tuple[int, int]:
    """The prices of one request by two vectors, as `price` has them: for those who price millions."""
    plain, read, out = usage.input, usage.cache_read, usage.output
    one = plain * cost.input + read * cost.cache_read + out * cost.output
    two = plain * baseline.input + read * baseline.cache_read + out * baseline.output
    short, long, other = usage.cache_write_5m, usage.cache_write_1h, usage.cache_write_other
    if short or long or other:
        one += short * cost.cache_write_5m + long * cost.cache_write_1h
        one += other * cost.cache_write_other
        two += short * baseline.cache_write_5m + long * baseline.cache_write_1h
        two += other * baseline.cache_write_other
    one, rest = divmod(one, PICO_PER_NANO)
    if rest > _HALF or (rest == _HALF and one & 1):
        one += 1
    two, rest = divmod(two, PICO_PER_NANO)
    if rest > _HALF or (rest == _HALF and two & 1):
        two += 1
    return one, two


def components(rates: Rates, usage: Tokens) -> Components:
    """The same price by part. What rounding each part leaves over goes to the largest part."""
    vector = rates.of(usage)
    exact = (
        usage.input * vector.input,
        usage.cache_read * vector.cache_read,
        usage.cache_write_5m * vector.cache_write_5m
        + usage.cache_write_1h * vector.cache_write_1h
        + usage.cache_write_other * vector.cache_write_other,
        usage.output * vector.output,
    )
    parts = [divide(part, PICO_PER_NANO) for part in exact]
    largest = exact.index(max(exact))
    parts[largest] += divide(sum(exact), PICO_PER_NANO) - sum(parts)
    return Components(*parts)


def divide(numerator: int, denominator: int) -> int:
    """Integer division, half to even.

    >>> [divide(n, 10) for n in (14, 15, 25, 26, -15)]
    [1, 2, 2, 3, -2]
    """
    quotient, rest = divmod(numerator, denominator)
    double = rest * 2
    if double > denominator or (double == denominator and quotient % 2):
        return quotient + 1
    return quotient
