"""The bill of a workload, lane by lane, with every term of the sum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final, NamedTuple

from lanewise.domain.lanes import BATCH, LANES, REALTIME, LaneName
from lanewise.pricing.arithmetic import PICO_PER_NANO, Rates, Vector, divide
from lanewise.pricing.book import PriceBook, Resolved
from lanewise.pricing.calculator.workloads import DAYS, Point, Workload

_ALWAYS: Final = (REALTIME, BATCH)  # shown though their price may be unknown


@dataclass(frozen=True, slots=True)
class Term:
    """One line of the sum: tokens a month, pico-USD per token, and their product in pico-USD."""

    what: str  # "input", "cached input" or "output"
    lane: LaneName  # whose price it is
    why: str  # "waits", "cannot wait", "rescued" or "wasted"
    tokens: Fraction
    rate: int
    above: int  # the long-context limit that the request is above, 0 for none
    point: Point  # the requests that it is a part of, of one length

    @property
    def pico(self) -> Fraction:
        """Tokens times rate."""
        return self.tokens * self.rate


@dataclass(frozen=True, slots=True)
class LaneBill:
    """A month in one lane; None where the price is unknown."""

    lane: LaneName
    price: Resolved
    terms: tuple[Term, ...]
    fits: bool  # whether the lane's window is within what the work can wait
    pico: Fraction | None = None  # the month in pico-USD, exactly: the sum of the terms
    low: Fraction | None = None  # if every request were as long as p50, in pico-USD
    high: Fraction | None = None  # as p95

    @property
    def known(self) -> bool:
        """Whether there is a price."""
        return self.price.rates is not None

    @property
    def month_nano(self) -> int | None:
        """The month in nano-USD, rounded once, half to even."""
        return None if self.pico is None else nano(self.pico)


@dataclass(frozen=True, slots=True)
class Bill:
    """A workload's month in every lane that its provider offers, real time first."""

    workload: Workload
    lanes: tuple[LaneBill, ...]
    changes: tuple[str, ...]  # days from which other prices are known
    cheapest: LaneBill | None  # known and fitting; of equals, one that does not refuse

    def lane(self, name: str) -> LaneBill | None:
        """One lane's bill; None where the lane is not offered."""
        return next((item for item in self.lanes if item.lane == name), None)

    def saved_nano(self, bill: LaneBill) -> int | None:
        """Real time minus this lane, in nano-USD; negative where it is dearer."""
        realtime = self.lane(REALTIME)
        if realtime is None or realtime.month_nano is None or bill.month_nano is None:
            return None
        return realtime.month_nano - bill.month_nano


def calculate(
    book: PriceBook,
    workload: Workload,
    at: datetime,
    *,
    lanes: Iterable[str] | None = None,
    announce: bool = True,
) -> Bill:
    """Price a workload at the prices of a day, in all lanes (or in real time and those named).

    `announce`: say from which days other prices are known, which takes longer.
    """
    wanted = None if lanes is None else {REALTIME, *lanes}
    found = {
        name: book.resolve(workload.provider, workload.model, at, name)
        for name in LANES
        if wanted is None or name in wanted
    }
    realtime = found[REALTIME]
    bills = tuple(
        _lane_bill(workload, name, price, realtime)
        for name, price in found.items()
        if price.rates is not None or name in _ALWAYS or wanted is not None
    )
    changes = book.changes(workload.provider, workload.model, at) if announce else ()
    return Bill(workload, bills, changes, _cheapest(bills))


def _cheapest(bills: Iterable[LaneBill]) -> LaneBill | None:
    known = [item for item in bills if item.known and item.fits]
    return min(known, key=lambda item: (item.pico or 0, LANES[item.lane].may_refuse), default=None)


def total(bills: Iterable[LaneBill]) -> Fraction | None:
    """The sum of bills; None if any is unknown."""
    amounts = [bill.pico for bill in bills]
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Fraction(0)) if len(known) == len(amounts) else None


def nano(pico: Fraction) -> int:
    """To nano-USD, half to even."""
    return divide(pico.numerator, pico.denominator * PICO_PER_NANO)


def year(pico: Fraction) -> Fraction:
    """365 days of which a month has thirty."""
    return pico * 365 / DAYS


class _Part(NamedTuple):
    """A share of the requests, and whose price it pays."""

    lane: LaneName
    rates: Rates
    why: str
    share: Fraction


def _lane_bill(work: Workload, lane: LaneName, price: Resolved, realtime: Resolved) -> LaneBill:
    window = LANES[lane].window_seconds
    fits = lane == REALTIME or (work.wait_seconds > 0 and (window or 0) <= work.wait_seconds)
    parts = _parts(work, lane, price, realtime)
    if parts is None:
        return LaneBill(lane, Resolved(None, "unknown", price.basis), (), fits)
    terms = tuple(_terms(work, parts, work.points))
    pico = _sum(terms)
    if len(work.points) == 1:
        return LaneBill(lane, price, terms, fits, pico)
    ends = [_sum(_terms(work, parts, (point,))) for point in work.ends]
    return LaneBill(lane, price, terms, fits, pico, min(ends), max(ends))


def _sum(terms: Iterable[Term]) -> Fraction:
    return sum((term.pico for term in terms), Fraction(0))


def _parts(
    work: Workload, lane: LaneName, price: Resolved, realtime: Resolved
) -> list[_Part] | None:
    """Which share of the tokens is paid in which lane, and why; None where a price of one is unknown."""
    if price.rates is None:
        return None
    parts = []
    for whose, rates, why, share in _shares(work, lane, price.rates, realtime.rates):
        if not share:
            continue
        if rates is None or _lacks(rates, work):
            return None
        parts.append(_Part(whose, rates, why, share))
    return parts


def _shares(
    work: Workload, lane: LaneName, rates: Rates, realtime: Rates | None
) -> Iterator[tuple[LaneName, Rates | None, str, Fraction]]:
    if lane == REALTIME:
        yield REALTIME, realtime, "in real time", Fraction(1)
        return
    waits = work.wait_share
    if waits == 1 and not (work.rescue or work.waste):
        yield lane, rates, "waits", waits
        return
    yield lane, rates, "waits", waits * (1 - work.rescue)
    yield REALTIME, realtime, "rescued", waits * work.rescue
    yield lane, rates, "wasted", waits * work.waste
    yield REALTIME, realtime, "cannot wait", 1 - waits


def _lacks(rates: Rates, work: Workload) -> bool:
    """Whether the work uses what has no price, as output of an embedding model: that is not free."""
    missing = unpriced(rates.base)
    return bool(
        ("input" in missing and work.input.p95) or ("output" in missing and work.output.p95)
    )


def unpriced(vector: Vector) -> tuple[str, ...]:
    """Which of input and output a list says nothing of; none where both are zero, which is free."""
    prices = {"input": vector.input, "output": vector.output}
    return tuple(name for name, rate in prices.items() if not rate and any(prices.values()))


def _terms(work: Workload, parts: Iterable[_Part], points: Iterable[Point]) -> Iterator[Term]:
    for point in points:
        cached = point.input * work.cached
        meters = (
            ("input", point.input - cached),
            ("cached input", cached),
            ("output", point.output),
        )
        for part in parts:
            above, vector = _vector(part.rates, point, by_request=work.requests is not None)
            rates = (vector.input, vector.cache_read, vector.output)
            for (what, tokens), rate in zip(meters, rates, strict=True):
                if tokens:
                    many = point.requests * part.share * tokens
                    yield Term(what, part.lane, part.why, many, rate, above, point)


def _vector(rates: Rates, point: Point, *, by_request: bool) -> tuple[int, Vector]:
    """The prices of a request with so much input, and the limit that it is above."""
    chosen = (0, rates.base)
    for start, vector in rates.tiers if by_request else ():
        if point.input > start:
            chosen = (start, vector)
    return chosen
