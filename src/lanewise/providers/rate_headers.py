"""What the headers of an answer say about rate limits. Pure; a header that cannot be read says nothing.

Sources: OpenAI's rate limits guide (`x-ratelimit-limit-requests`, resets as durations such as `6m0s`, project
limits beside the organisation's) and Anthropic's (`anthropic-ratelimit-requests-limit`, resets as instants).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from lanewise.domain.allowances import Allowance, Measure, Rate

_UNITS: Final = {
    "d": 86_400.0,
    "h": 3_600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}
_PART: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(ms|us|µs|ns|d|h|m|s)", re.ASCII)
_SPAN: Final = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_COUNT: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)


def openai_allowance(headers: Mapping[str, str]) -> Allowance:
    """From the answer of OpenAI, or of whoever speaks like it.

    >>> said = openai_allowance(
    ...     {"x-ratelimit-limit-tokens": "500", "x-ratelimit-reset-tokens": "1m0.5s"}
    ... )
    >>> said.rate(Measure.TOKENS).limit, said.rate(Measure.TOKENS).resets_in
    (500, 60.5)
    """
    rates = [
        _rate(
            measure,
            *(headers.get(f"x-ratelimit-{what}-{name}") for what in ("limit", "remaining")),
            resets_in=seconds(headers.get(f"x-ratelimit-reset-{name}", "")),
        )
        for measure, name in (
            (Measure.REQUESTS, "requests"),
            (Measure.TOKENS, "tokens"),
            (Measure.TOKENS, "project-tokens"),
        )
    ]
    return Allowance(_tightest(rates), retry_after_of(headers))


def anthropic_allowance(headers: Mapping[str, str]) -> Allowance:
    """From the answer of Anthropic, whose resets are instants of the clock in its `date` header.

    Its `tokens` are only the tighter of input and output, so they count where the two are not given.
    """
    clock = _date(headers.get("date", ""))
    rates = [
        _rate(
            measure,
            *(headers.get(f"anthropic-ratelimit-{name}-{what}") for what in ("limit", "remaining")),
            resets_in=_until(headers.get(f"anthropic-ratelimit-{name}-reset", ""), clock),
        )
        for measure, name in (
            (Measure.REQUESTS, "requests"),
            (Measure.INPUT_TOKENS, "input-tokens"),
            (Measure.OUTPUT_TOKENS, "output-tokens"),
            (Measure.TOKENS, "tokens"),
        )
    ]
    apart = any(rate for rate in rates[1:3])
    return Allowance(_tightest(rates[:3] if apart else rates), retry_after_of(headers))


def seconds(text: str) -> float | None:
    """A duration as Go writes it; None where the text is none.

    >>> seconds("6m0s"), seconds("120ms"), seconds("1h2m3.5s"), seconds("soon")
    (360.0, 0.12, 3723.5, None)
    """
    if not _SPAN.fullmatch(text):
        return None
    return sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds the provider asks to wait; None where it does not say. A date is held against the answer's own.

    >>> retry_after_of({"retry-after": "2.5"}), retry_after_of({"retry-after": "soon"})
    (2.5, None)
    >>> at = "Tue, 01 Dec 2026 06:00:{} GMT"
    >>> retry_after_of({"retry-after": at.format(30), "date": at.format("00")})
    30.0
    """
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if _SECONDS.fullmatch(text):
            return float(text) / scale
    until, clock = _date(headers.get("retry-after", "")), _date(headers.get("date", ""))
    return None if until is None or clock is None else max((until - clock).total_seconds(), 0.0)


def _rate(
    measure: Measure, limit: str | None, remaining: str | None, *, resets_in: float | None
) -> Rate | None:
    stated = Rate(measure, _count(limit), _count(remaining), resets_in)
    return None if stated == Rate(measure) else stated


def _tightest(rates: list[Rate | None]) -> tuple[Rate, ...]:
    """One rate for each measure: that of the lowest limit."""
    found: dict[Measure, Rate] = {}
    for rate in rates:
        if rate is None:
            continue
        other = found.get(rate.measure)
        if other is None or _limit(rate) < _limit(other):
            found[rate.measure] = rate
    return tuple(found.values())


def _limit(rate: Rate) -> float:
    return float("inf") if rate.limit is None else rate.limit


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and _COUNT.fullmatch(text) else None


def _until(text: str, clock: datetime | None) -> float | None:
    """Seconds from the answer's own date to an instant: our clock may be another."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if clock is None or at.tzinfo is None:
        return None
    return max((at - clock).total_seconds(), 0.0)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
