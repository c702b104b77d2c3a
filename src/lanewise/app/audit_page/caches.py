"""Prompt caches: what of the input repeats, what could be read of it, and what was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lanewise.app.audit_page.words import filled, more, name, replayed_over, sentence
from lanewise.app.auditing import Audit
from lanewise.audit.levers import Cached, Caches
from lanewise.audit.levers.caches import WITHIN, finding
from lanewise.reports import Bar, Bars, Block, Note, Points, Section, Table

_CHARTED: Final = 10
_LISTED: Final = 40
_SAID: Final = 10


def caches(audit: Audit) -> Iterator[Section]:
    """Nothing, where no prompt was there to be replayed."""
    found = None if audit.replayed is None else audit.replayed.caches
    if found is None or not found.whole.input:
        return
    said = tuple(text for one in found.lines if (text := finding(one)) is not None)
    bars = _bars(found)
    blocks: list[Block] = [Note(_whole(found)), *([bars] if bars.bars else []), _table(found)]
    left = more(len(found.lines), _LISTED, "line")
    blocks += [Note(left)] if left else []
    blocks += [Points("", tuple(map(sentence, said[:_SAID])))] if said else []
    yield Section("Prompt caches", tuple(blocks))


def _whole(found: Caches) -> str:
    whole = found.whole
    parts = []
    for window, words in WITHIN.items():
        within = found.intervals.get(window)
        drawn = f" ({within.low:.1%} to {within.high:.1%} in nine of ten draws)" if within else ""
        parts.append(f"{whole.repeated.get(window, 0) / whole.input:.1%} within {words}{drawn}")
    read = "the log does not say what was read"
    if found.cached is not None:
        read = f"{found.cached / whole.input:.1%} was read, by the log"
    return (
        f"Of the input {' and '.join(parts)} repeats as a prefix. {whole.usable / whole.input:.1%} can be "
        f"read under the providers' own rules (least length, steps, lifetime); {read}. Replayed were "
        f"{replayed_over(found.sample)}."
    )


def _bars(found: Caches) -> Bars:
    """In thousandths of the input; what the log does not say is no bar."""
    read = (one for one in found.lines if one.line.usable or one.line.cached)
    largest = sorted(read, key=lambda one: -one.line.input)[:_CHARTED]
    bars = tuple(
        Bar(
            name(one.line.workflow),
            (_thousandths(one, one.line.usable), _thousandths(one, one.line.cached or 0)),
            _told(one),
        )
        for one in largest
    )
    return Bars("Input that can be read from a cache", ("can be read", "was read"), bars)


def _told(one: Cached) -> str:
    was = "" if one.line.cached is None else f", {_share(one, one.line.cached)} was"
    return f"{_share(one, one.line.usable)} can be{was}"


def _table(found: Caches) -> Table:
    columns = (
        "workflow", "input", *(f"repeats in {words}" for words in WITHIN.values()), "can be read", "was read",
        "best life", "saves more",
    )  # fmt: skip
    return filled(Table("", columns, tuple(map(_row, found.lines[:_LISTED]))))


def _row(one: Cached) -> tuple[str, ...]:
    line = one.line
    return (
        f"{name(line.workflow)}\n{name(line.model, '?')}",
        f"{line.input:,}",
        *(_share(one, line.repeated.get(window, 0)) for window in WITHIN),
        _share(one, line.usable),
        _share(one, line.cached),
        line.best.life if line.best else "",
        one.money.about.replace(" to ", "\nto ") if one.money.high else "",
    )


def _share(one: Cached, tokens: int | None) -> str:
    return "?" if tokens is None else f"{one.line.share(tokens):.1%}"


def _thousandths(one: Cached, tokens: int) -> int:
    return round(1_000 * one.line.share(tokens))
