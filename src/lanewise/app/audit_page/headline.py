"""The figures that a reader looks for first, and what they rest on."""

from __future__ import annotations

from collections.abc import Iterator

from lanewise.app.audit_page.words import counted, instant, replayed_over, share
from lanewise.app.auditing import Audit
from lanewise.audit.costing import RELATIVE
from lanewise.audit.levers import Replayed
from lanewise.audit.sums import Group as Sum
from lanewise.audit.waiting import Waiting
from lanewise.pricing.dollars import dollars
from lanewise.reports import Block, Figure, Figures, Note

_HOUR, _DAY = 3_600.0, 86_400.0


def subtitle(audit: Audit, now: float) -> str:
    """What the page is about and of when it is."""
    read = audit.imported.read
    formats = ", ".join(sorted({one.format for one in read}))
    return f"{counted(len(read), 'file')} of {formats}, read {instant(now)} UTC"


def headline(audit: Audit) -> Iterator[Block]:
    """Figures, and what they rest on."""
    total = audit.sums.total
    figures = (*_spent(total), _saved(audit), _nobody(audit), _asked(audit), _span(total))
    yield Figures(figures)
    yield Note(
        "All figures are over the span of the log; nothing is projected to a month or a year. What can be "
        "saved is at today's prices for the tokens of the log."
        + (" Savings are a range: at the least, at the most." if audit.found.levers else "")
    )


def _spent(total: Sum) -> Iterator[Figure]:
    if total.reckoned_nano is not None:
        left = f"; {counted(total.unpriced, 'row')} without a known price" if total.unpriced else ""
        remark = f"its tokens at the prices of their day{left}"
        yield Figure("cost by the price book", dollars(total.reckoned_nano), remark)
    if total.logged_nano is not None:
        whole = total.logged_rows == total.rows
        told = "all rows" if whole else f"{total.logged_rows:,} of {counted(total.rows, 'row')}"
        yield Figure("cost by the log", dollars(total.logged_nano), f"as {told} say")
    if total.reckoned_nano is None and total.logged_nano is None:
        yield Figure("cost", "not known", "neither costs nor priced tokens are in the log")


def _saved(audit: Audit) -> Figure:
    """The joint replay where there is one, else lanes alone, else what is only possible."""
    found, replayed = audit.found, audit.replayed
    if replayed is not None and replayed.together.joint.high:
        return _joint(replayed)
    if found.total.high:
        return Figure("could be saved", str(found.total), "by what counts of the levers below")
    most = max((lever.money.high for lever in found.levers if lever.kind == "lane"), default=0)
    if most:
        whole = sum(lever.money.high for lever in found.levers if lever.kind == "lane")
        return Figure("could be saved", "not known", f"up to {dollars(whole)}, if nobody waits")
    return Figure("could be saved", "nothing found", "see what is not in the log")


def _joint(replayed: Replayed) -> Figure:
    """Of the whole log, also where only a sample of it was replayed; else of what was."""
    saved, now = replayed.together.joint, replayed.together.now
    grounds = f"{replayed_over(replayed.sample)}, levers replayed together"
    if replayed.joint is not None:
        saved, now = replayed.joint, replayed.now
        grounds = f"estimated from {grounds}; nine of ten draws lie within"
    part = share(saved.low, now)
    if saved.low != saved.high:
        part += f" to {share(saved.high, now)}"
    return Figure("could be saved", str(saved), f"{part} of {dollars(now)}; {grounds}")


def _nobody(audit: Audit) -> Figure:
    groups = audit.found.groups
    now = sum(group.now for group in groups)
    waits = sum(group.now for group in groups if group.judged.waiting is Waiting.BACKGROUND)
    unknown = sum(group.now for group in groups if group.judged.waiting is Waiting.UNKNOWN)
    if not now or unknown == now:
        return Figure("nobody waits for", "not known", "the log does not show who waits")
    left = f"; of {share(unknown, now)} it is not known" if unknown else ""
    return Figure("nobody waits for", share(waits, now), f"of the money in real time{left}")


def _asked(audit: Audit) -> Figure:
    total, cached = audit.sums.total, ""
    if audit.sums.coverage["cached"] and total.input:
        cached = f", {share(total.cached, total.input)} read from a cache"
    remark = f"{total.input:,} tokens in{cached}; {total.output:,} out"
    if not audit.sums.coverage["input"] and not audit.sums.coverage["output"]:
        remark = "the log has no tokens"
    if total.requests is None:
        return Figure("requests", "not told", remark)
    more = f"{counted(total.uncounted, 'row')} do not say how many; " if total.uncounted else ""
    return Figure("requests", f"{total.requests:,}{'+' if more else ''}", more + remark)


def _span(total: Sum) -> Figure:
    if total.first is None or total.last is None:
        return Figure("span", "not known", "no row has a time")
    if total.last < RELATIVE:
        return Figure("span", _long(total.last - total.first), "times are not dates")
    return Figure(
        "span",
        _long(total.last - total.first),
        f"{instant(total.first)} to {instant(total.last)} UTC",
    )


def _long(seconds: float) -> str:
    if seconds < 2 * _HOUR:
        return counted(max(1, round(seconds / 60)), "minute")
    if seconds < 2 * _DAY:
        return counted(round(seconds / _HOUR), "hour")
    return counted(round(seconds / _DAY), "day")
