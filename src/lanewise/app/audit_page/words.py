"""How the audit's page writes names, money, counts, shares and times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from lanewise.audit.costing import RELATIVE
from lanewise.audit.levers import Lever, Sample
from lanewise.pricing.dollars import dollars, plain
from lanewise.reports import Table

_LONG: Final = 72  # characters of a name
_SENTENCE: Final = 400


def name(text: str | None, none: str = "(none)") -> str:
    r"""A name on one line: without what does not print, and of a long one both ends.

    >>> name("a" * 100)[:3], len(name("a" * 10_000)), name("x\u202ey"), name("")
    ('aaa', 72, 'x y', '(none)')
    """
    return _cut(printable(text or "")) or none


def sentence(text: str) -> str:
    """Words that may have a name in them, which may be long."""
    words = " ".join(map(_cut, printable(text).split()))
    return words if len(words) <= _SENTENCE else words[: _SENTENCE - 1] + "…"


def printable(text: str) -> str:
    """Without control characters, and those that turn the direction of a text."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:20_000]).split())


def _cut(words: str) -> str:
    return words if len(words) <= _LONG else f"{words[: _LONG - 21]}…{words[-20:]}"


def money(nano: int | None) -> str:
    """Money, or that it is not known."""
    return "not known" if nano is None else dollars(nano)


def axis_money(nano: int) -> str:
    """Money at an axis, as short as it can be said."""
    return f"${plain(nano)}" if nano % 1_000_000_000 else f"${nano // 1_000_000_000:,}"


def share(part: int, whole: int) -> str:
    """In whole per cent, but what is little is not nothing.

    >>> share(1, 3), share(1, 1_000), share(0, 3), share(999, 1_000), share(1, 0)
    ('33%', '< 1%', '0%', '> 99%', '')
    """
    if not whole:
        return ""
    if 0 < part * 100 < whole:
        return "< 1%"
    if whole * 99 < part * 100 < whole * 100:
        return "> 99%"
    return f"{round(100 * part / whole)}%"


def counted(number: int | None, noun: str = "") -> str:
    """How many, and of what.

    >>> counted(1, "row"), counted(2_000, "row"), counted(None)
    ('1 row', '2,000 rows', '?')
    """
    told = "?" if number is None else f"{number:,}"
    return f"{told} {noun}{'' if number == 1 else 's'}" if noun else told


def compact(thousandths: int) -> str:
    """A number in at most four characters, of thousandths.

    >>> compact(0), compact(400), compact(2_500), compact(12_345_000), compact(9_990_000_000)
    ('0', '0.4', '2.5', '12k', '10M')
    """
    number = thousandths / 1_000
    if number < 10:
        return f"{number:.1f}".removesuffix(".0") if number >= 0.05 else "<0.1" if number else "0"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size * 0.9995:
            short = number / size
            return f"{short:.0f}{letter}" if short >= 9.95 else f"{short:.1f}{letter}"
    return f"{number:.0f}"


def instant(at: float | None) -> str:
    """A minute, UTC.

    >>> instant(0.0)
    '1970-01-01 00:00'
    """
    return "?" if at is None else _at(at, "%Y-%m-%d %H:%M")


def slot_name(start: int, by: str) -> str:
    """A slot in a table.

    >>> slot_name(1_793_577_600, "week"), slot_name(1_793_577_600, "hour"), slot_name(3_600, "hour")
    ('week of 2026-11-02', '2026-11-02 00:00', 'hour 2')
    """
    if since := _since(start, by):
        return since
    forms = {"hour": "%Y-%m-%d %H:%M", "month": "%Y-%m", "year": "%Y", "week": "week of %Y-%m-%d"}
    return _at(start, forms.get(by, "%Y-%m-%d"))


def slot_label(start: int, by: str) -> str:
    """A slot at an axis.

    >>> (
    ...     slot_label(1_793_577_600, "day"),
    ...     slot_label(1_793_581_200, "hour"),
    ...     slot_label(3_600, "hour"),
    ... )
    ('2 Nov', '2 Nov 01h', 'hour 2')
    """
    if since := _since(start, by):
        return since
    at = datetime.fromtimestamp(start, UTC)
    if by == "year":
        return f"{at:%Y}"
    if by == "month":
        return f"{at:%b %Y}"
    return f"{at.day} {at:%b}" + (f" {at:%H}h" if by == "hour" else "")


def _since(start: int, by: str) -> str:
    """The slot of a trace whose times are no dates."""
    length = {"hour": 3_600, "day": 86_400}.get(by)
    return "" if length is None or start >= RELATIVE else f"{by} {start // length + 1}"


def sure(lever: Lever) -> str:
    """The confidence in a lever, or what it needs."""
    return "verify with a trial" if lever.sure == "trial" else lever.needs


def replayed_over(sample: Sample) -> str:
    """What was replayed."""
    which = f"all {counted(sample.of, 'request')} in real time"
    if sample.stretches is not None:
        which = (
            f"{sample.requests:,} of {sample.of:,} requests in real time, in {sample.stretches} stretches "
            "drawn over the whole log"
        )
    if sample.timeless:
        which += ", as if all were sent at once: at the most"
    elif sample.paced is not None:
        which += f", as if {sample.paced:g} a second were sent"
    return which


def more(count: int, shown: int, noun: str) -> str:
    """What a table does not show."""
    return f"and {counted(count - shown, noun)} more; --json has all" if count > shown else ""


def filled(table: Table) -> Table:
    """A table without the columns that have nothing in any row."""
    kept = [0, *(n for n in range(1, len(table.columns)) if any(row[n] for row in table.rows))]

    def picked(row: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(row[n] for n in kept) if row else ()

    rows = tuple(map(picked, table.rows))
    return replace(table, columns=picked(table.columns), rows=rows, total=picked(table.total))


def sentences(texts: Sequence[str], most: int) -> tuple[str, ...]:
    """The first of some sentences."""
    return tuple(sentence(text) for text in texts[:most])


def _at(seconds: float, form: str) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime(form)
    except (OverflowError, ValueError, OSError):
        return "?"
