"""Every term of a bill's sums, so that they can be worked out again by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from lanewise.cli.calc_output import decimal, describe, number
from lanewise.pricing.calculator import Bill, LaneBill, Term
from lanewise.pricing.calculator.bills import nano
from lanewise.pricing.dollars import plain

_NANO_PER_MILLION: Final = 1_000  # pico-USD per token -> nano-USD per million tokens


def explained(bills: Sequence[Bill]) -> str:
    """The sums as text, lane by lane."""
    lines: list[str] = []
    for bill in bills:
        lines += ["", describe(bill)]
        for item in bill.lanes:
            if item.pico is None:
                lines.append(f"  {item.lane}: price unknown ({item.price.basis})")
                continue
            lines.append(f"  {item.lane}: {item.price.status} ({item.price.basis})")
            lines += [f"    {text}" for text in _terms(bill, item)]
            lines.append(f"    = ${exact(item.pico)} a month, rounded ${plain(nano(item.pico))}")
    return "\n".join(lines)


def _terms(bill: Bill, item: LaneBill) -> Iterator[str]:
    """The terms; where requests are of several lengths, under a heading for each."""
    several, heading = len(bill.workload.points) > 1, None
    for term in item.terms:
        if several and term.point is not heading:
            heading = term.point
            sizes = f"{number(heading.input)} tokens in and {number(heading.output)} out"
            yield f"{number(heading.requests)} requests of {sizes}:"
        yield ("  " if several else "") + _term(term)


def _term(term: Term) -> str:
    above = f", requests above {term.above:,} tokens" if term.above else ""
    per_million = plain(term.rate * _NANO_PER_MILLION)
    return (
        f"{number(term.tokens)} tokens {term.what}, {term.why}{above}: x ${per_million} per million "
        f"({term.lane}) = ${exact(term.pico)}"
    )


def exact(pico: Fraction) -> str:
    """Dollars with all digits, up to twelve after the point."""
    text = f"{Decimal(round(pico)).scaleb(-12):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def add_terms(found: dict[str, Any], bills: Sequence[Bill]) -> None:
    """Put `terms` beside each lane's figures in what `as_json` gave; amounts as exact decimal texts."""
    for row, bill in zip(found["workloads"], bills, strict=True):
        for item in bill.lanes:
            row["lanes"][item.lane]["terms"] = [_term_json(term) for term in item.terms]


def _term_json(term: Term) -> dict[str, Any]:
    return {
        "what": term.what,
        "why": term.why,
        "lane": term.lane,
        "requests_above": term.above or None,
        "tokens": decimal(term.tokens),
        "usd_per_million": plain(term.rate * _NANO_PER_MILLION),
        "usd": exact(term.pico),
    }
