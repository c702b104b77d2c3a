"""Charts over time: what was spent by class, and when in the week requests come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from lanewise.app.audit_page.words import (
    axis_money,
    compact,
    counted,
    filled,
    money,
    share,
    slot_label,
    slot_name,
)
from lanewise.app.auditing import Audit
from lanewise.audit.over_time import CLASSES, ELSEWHERE, WEEK, Hours, OverTime, Slot, Spend
from lanewise.audit.waiting import Waiting
from lanewise.reports import (
    Block,
    Cell,
    Column,
    Columns,
    Fold,
    Heat,
    Note,
    Section,
    Table,
    ticks,
)

WAITED: Final = (Waiting.INTERACTIVE.value, Waiting.BLOCKING.value)
NAMES: Final = {
    Waiting.INTERACTIVE.value: "interactive (a person waits)",
    Waiting.BLOCKING.value: "blocking step (a program waits)",
    Waiting.BACKGROUND.value: "background (nobody waits)",
    Waiting.UNKNOWN.value: "unknown",
    ELSEWHERE: "in another lane already",
}
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY: Final = 24  # hours; a shorter log says nothing about a week


class Measure(NamedTuple):
    """What is charted: money where there is any, else requests."""

    title: str
    of: Callable[[Spend], int | None]
    say: Callable[[int], str]
    axis: Callable[[int], str]


MONEY: Final = Measure(
    "Cost per {by}, by the price book", lambda one: one.reckoned, money, axis_money
)
LOGGED: Final = Measure("Cost per {by}, by the log", lambda one: one.logged, money, axis_money)
REQUESTS: Final = Measure(
    "Requests per {by}", lambda one: one.requests, lambda n: f"{n:,}", lambda n: compact(1_000 * n)
)


def measure(audit: Audit) -> Measure:
    """What the log can show over time."""
    total = audit.sums.total
    if total.reckoned_nano:
        return MONEY
    return LOGGED if total.logged_nano else REQUESTS


def spend(audit: Audit, over: OverTime) -> Section:
    """Spend by class, as a sum and over time; rows that are in neither are named."""
    what = measure(audit)
    blocks: list[Block] = [_classes(over)]
    if len(over.slots) > 1:
        blocks.append(columns(over.slots, over.by, what))
        blocks.append(Note(f"The first and the last {over.by} may be parts of one."))
        blocks.append(Fold("The same as a table", "", (slot_table(over.slots, over.by, what),)))
    elif over.slots:
        blocks.append(Note(f"All of it is in one {over.by}, so there is no chart over time."))
    blocks += [Note(text) for text in _left_out(audit, over)]
    return Section("Spend by who waits", tuple(blocks))


def columns(slots: Sequence[Slot], by: str, what: Measure, *, small: bool = False) -> Columns:
    """A column for each slot, in the colours of the classes."""
    found = tuple(_column(slot, by, what) for slot in slots)
    highest = max((sum(column.values) for column in found), default=0)
    title = what.title.format(by=by)
    return Columns(
        title, tuple(NAMES[one] for one in CLASSES), found, ticks(highest, what.axis), "who", small
    )


def slot_table(slots: Sequence[Slot], by: str, what: Measure) -> Table:
    """What the columns show, in figures."""
    shown = [one for one in CLASSES if any(one in slot.spent for slot in slots)]
    rows = tuple(
        (slot_name(slot.start, by), *(_amount(slot.spent, one, what) for one in shown))
        for slot in slots
    )
    return Table("", (f"{by}, UTC", *shown), rows)


def week(over: OverTime) -> Section:
    """When in the week requests in real time come."""
    hours = over.hours
    blocks: list[Block] = []
    if sum(hours.seen) < _DAY:
        blocks.append(Note(_no_week(hours)))
    else:
        blocks += _heats(hours)
    return Section("When requests come", tuple(blocks))


def _heats(hours: Hours) -> Iterator[Block]:
    often = "a sum over the span" if max(hours.seen) == 1 else "an average of the span's weeks"
    left = (
        f" Without a date, and in none: {counted(hours.untimed, 'request')}."
        if hours.untimed
        else ""
    )
    unseen = "" if all(hours.seen) else " Cells with a dashed line lie outside of the log."
    yield Note(
        f"Single requests in real time by hour of the week, UTC, each cell {often}. The darker, the more, by "
        f"the square root.{unseen}{left}"
    )
    found = hours.requests
    parts = (
        ("nobody waits (background)", [Waiting.BACKGROUND.value]),
        ("somebody waits (interactive, blocking step)", WAITED),
        ("unknown", [Waiting.UNKNOWN.value]),
    )
    kinds = [(words, [one for one in classes if one in found]) for words, classes in parts]
    several = sum(bool(classes) for _, classes in kinds) > 1
    charts = [heat("All", hours, tuple(found))]
    charts += [
        heat(words[0].upper() + words[1:], hours, classes)
        for words, classes in (kinds if several else ())
        if classes
    ]
    yield from charts
    tables = tuple(map(_heat_table, charts))
    yield Fold("The same as tables", "", tables, prints=False)


def _heat_table(chart: Heat) -> Table:
    rows = tuple((day, *(cell.text for cell in cells)) for day, cells in chart.rows)
    return Table(chart.title, ("UTC", *chart.columns), rows)


def heat(title: str, hours: Hours, classes: Iterable[str]) -> Heat:
    """A week of cells, their figures in thousandths of a request."""
    sums = [sum(counts) for counts in zip(*(hours.requests[one] for one in classes), strict=True)]
    cells = [_cell(asked, seen) for asked, seen in zip(sums or [0] * WEEK, hours.seen, strict=True)]
    rows = tuple((day, tuple(cells[24 * n : 24 * n + 24])) for n, day in enumerate(_DAYS))
    return Heat(
        f"{title}: {counted(sum(sums), 'request')}", tuple(f"{n:02}" for n in range(24)), rows
    )


def _cell(asked: int, seen: int) -> Cell:
    if not seen:
        return Cell(None, "")
    value = 1_000 * asked // seen
    return Cell(value, compact(value) if value else "0")


def _no_week(hours: Hours) -> str:
    if not any(hours.seen):
        return "The log has no single requests in real time with a date: no hour of the week can be shown."
    return (
        f"The log's requests lie within {counted(sum(hours.seen), 'hour')}: too short for a week."
    )


def _classes(over: OverTime) -> Table:
    """Each class as one sum over all rows, with or without a time."""
    rows, totals = [], list[Spend]()
    for one in CLASSES:
        spends = [*(slot.spent[one] for slot in over.slots if one in slot.spent)]
        spends += [over.untimed[one]] if one in over.untimed else []
        if spends:
            totals.append(_sum(spends))
            rows.append((NAMES[one], totals[-1]))
    whole = _sum(totals)
    columns = ("who waits", "requests", "by the price book", "share", "by the log")
    cells = tuple((words, *_cells(found, whole)) for words, found in rows)
    return filled(Table("", columns, cells, ("total", *_cells(whole, whole))))


def _cells(found: Spend, whole: Spend) -> tuple[str, ...]:
    part = share(found.reckoned or 0, whole.reckoned or 0) if found.reckoned is not None else ""
    return (
        counted(found.requests),
        "" if found.reckoned is None else money(found.reckoned),
        part,
        "" if found.logged is None else money(found.logged),
    )


def _sum(spends: Sequence[Spend]) -> Spend:
    return Spend(
        sum(one.rows for one in spends),
        *(_known(values) for values in zip(*(one[1:] for one in spends), strict=True)),
    )


def _known(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _column(slot: Slot, by: str, what: Measure) -> Column:
    values = tuple(max(0, _value(slot.spent, one, what)) for one in CLASSES)
    parts = [
        f"{one} {what.say(value)}" for one, value in zip(CLASSES, values, strict=True) if value
    ]
    label = slot_label(slot.start, by)
    return Column(label, values, f"{label}: {', '.join(parts) or 'nothing'}")


def _value(spent: Mapping[str, Spend], one: str, what: Measure) -> int:
    return (what.of(spent[one]) or 0) if one in spent else 0


def _amount(spent: Mapping[str, Spend], one: str, what: Measure) -> str:
    value = what.of(spent[one]) if one in spent else 0
    return "?" if value is None else what.say(value)


def _left_out(audit: Audit, over: OverTime) -> Iterator[str]:
    untimed = sum(one.rows for one in over.untimed.values())
    if untimed:
        what = measure(audit)
        value = _known(what.of(one) for one in over.untimed.values())
        worth = "" if value is None or what is REQUESTS else f", {what.say(value)}"
        yield f"{counted(untimed, 'row')} without a time{worth}: in the sums, and in no chart over time."
    unpriced = audit.sums.total.unpriced
    if unpriced:
        yield (
            f"{counted(unpriced, 'row')} without a known price for their model and lane: in no sum of the "
            "price book."
        )
