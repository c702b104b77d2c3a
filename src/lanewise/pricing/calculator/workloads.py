"""A workload: how much is asked of which model, and how much of it can wait."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

from lanewise.errors import BadInput

DAYS: Final = 30  # in a month, always: months can be compared
_UNITS: Final = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000, "g": 1_000_000_000}
_PERIODS: Final = {  # times a month
    "month": Fraction(1),
    "week": Fraction(DAYS, 7),
    "day": Fraction(DAYS),
    "hour": Fraction(DAYS * 24),
}
_NUMBER: Final = r"(\d[\d_,]*(?:\.\d+)?)([kmbg]?)"
_DURATIONS: Final = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of one request: half of the requests are no longer than `p50`, 95 % than `p95`.

    Where they differ, requests stand for themselves at three lengths, by the extended Pearson-Tukey
    rule: 185 in 1,000 at p5, 630 at p50, 185 at p95. p5 is as far below p50 as p95 is above, as a
    ratio. (Keefer and Bodily, Management Science 29, 1983.)
    """

    p50: Fraction
    p95: Fraction

    @property
    def points(self) -> tuple[Fraction, Fraction, Fraction]:
        """At p5, p50 and p95."""
        low = self.p50 * self.p50 / self.p95 if self.p95 else Fraction(0)
        return low, self.p50, self.p95


WEIGHTS: Final = (Fraction(185, 1_000), Fraction(630, 1_000), Fraction(185, 1_000))


class Point(NamedTuple):
    """So many requests a month of one length."""

    requests: Fraction
    input: Fraction
    output: Fraction


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests a month to one model. Shares are fractions from 0 to 1.

    `requests` is None where only volumes are known: then `input` and `output` are tokens a month, and no
    long-context price applies, because no request's own length is known.

    `wait_share`: of the requests, those nobody waits for; the others stay in real time. `rescue`: of those
    that wait, the share that is sent again in real time to be on time, and not charged in the lane.
    `waste`: paid for in the lane on top, and not used (late answers, retries), as a share of its cost.
    """

    provider: str
    model: str
    requests: Fraction | None
    input: Lengths
    output: Lengths
    cached: Fraction = Fraction(0)
    wait_share: Fraction = Fraction(1)
    rescue: Fraction = Fraction(0)
    waste: Fraction = Fraction(0)
    wait_seconds: int = 86_400
    name: str = ""

    @property
    def points(self) -> tuple[Point, ...]:
        """The lengths that stand for all requests; long inputs go with long outputs."""
        inputs, outputs = self.input, self.output
        if self.requests is None or (inputs.p50 == inputs.p95 and outputs.p50 == outputs.p95):
            return (Point(self._many, inputs.p50, outputs.p50),)
        lengths = zip(WEIGHTS, inputs.points, outputs.points, strict=True)
        return tuple(Point(self.requests * weight, *pair) for weight, *pair in lengths)

    @property
    def ends(self) -> tuple[Point, Point]:
        """If every request were as long as p50, and as p95."""
        return (
            Point(self._many, self.input.p50, self.output.p50),
            Point(self._many, self.input.p95, self.output.p95),
        )

    @property
    def _many(self) -> Fraction:
        """Volumes are priced like one request that is never long."""
        return Fraction(1) if self.requests is None else self.requests


# -- reading what people type --------------------------------------------------------------------------
def volume(text: str, where: str) -> tuple[Fraction, bool]:
    """An amount, and whether it is a rate: `10M/day` is 300,000,000 a month, `1200` just 1,200.

    >>> volume("10M/day", "--in"), volume("1,200", "--in")
    ((Fraction(300000000, 1), True), (Fraction(1200, 1), False))
    """
    found = re.fullmatch(rf"{_NUMBER}(?:/(hour|day|week|month))?", text.strip(), re.IGNORECASE)
    if found is None:
        raise BadInput(
            f"{where} is {text!r}; it takes tokens such as 1200 or 1.5k for a request, or 10M/day (k, M, B; "
            "/hour, /day, /week, /month)"
        )
    amount = _amount(found[1], found[2])
    if found[3] is None:
        return amount, False
    return amount * _PERIODS[found[3].lower()], True


def rate(text: str, where: str) -> Fraction:
    """Requests a month, from `20000/day`."""
    found = re.fullmatch(rf"{_NUMBER}/(hour|day|week|month)", text.strip(), re.IGNORECASE)
    value = None if found is None else _amount(found[1], found[2]) * _PERIODS[found[3].lower()]
    if not value:
        raise BadInput(
            f"{where} is {text!r}; it takes requests in a time, such as 20000/day or 1.5M/month"
        )
    return value


def lengths(text: str, where: str) -> tuple[Lengths, bool]:
    """`1200`, `1200..4000` (p50..p95) or `10M/day`; and whether it is a rate.

    >>> lengths("1200..4000", "--in")[0].p95
    Fraction(4000, 1)
    """
    first, dots, last = text.partition("..")
    low, is_rate = volume(first, where)
    if not dots:
        return Lengths(low, low), is_rate
    high, also = volume(last, where)
    if is_rate or also or high < low or not low:
        raise BadInput(
            f"{where} is {text!r}; it takes the lengths of a request as p50..p95, such as 1200..4000"
        )
    return Lengths(low, high), False


def share(text: str, where: str) -> Fraction:
    """`60%` or `0.6`.

    >>> share("60%", "--cached"), share("0.6", "--cached")
    (Fraction(3, 5), Fraction(3, 5))
    """
    found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)\s*(%?)", text.strip())
    value = Fraction(-1) if found is None else Fraction(found[1]) / (100 if found[2] else 1)
    if not 0 <= value <= 1:
        raise BadInput(f"{where} is {text!r}; it takes a share such as 60% or 0.6")
    return value


def seconds(text: str, where: str) -> int:
    """`8h`, `30m`, `1d`; `none` is 0."""
    if text.strip().lower() == "none":
        return 0
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip().lower())
    if found is None:
        raise BadInput(f"{where} is {text!r}; it takes a time such as 30m, 8h or 1d, or none")
    return int(found[1]) * _DURATIONS[found[2]]


def _amount(number: str, unit: str) -> Fraction:
    return Fraction(number.replace("_", "").replace(",", "")) * _UNITS[unit.lower()]
