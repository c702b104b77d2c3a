"""Workflow by workflow: who waits and why that is thought, what it uses, when it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from lanewise.app.audit_page.levers import levers_of
from lanewise.app.audit_page.times import NAMES, Measure, columns, measure, slot_table
from lanewise.app.audit_page.words import (
    counted,
    filled,
    money,
    more,
    name,
    sentence,
    sentences,
    share,
)
from lanewise.app.auditing import Audit
from lanewise.audit.costing import RELATIVE
from lanewise.audit.levers import Found, Group, Lever, Shown
from lanewise.audit.over_time import CLASSES, Model, OverTime, Slot, models, of_groups
from lanewise.audit.waiting import Facts, Waiting
from lanewise.pricing.dollars import about
from lanewise.reports import Block, Column, Columns, Fold, Note, Points, Row, Section, Table, ticks

_LOOKED_AT: Final = 12  # closely
_LISTED: Final = 100
_OPEN: Final = 1
_ENOUGH: Final = 20  # requests, for an hour of the day
_REASONS: Final = 6


def workflows(audit: Audit, over: OverTime) -> Section:
    """All in a table, the dearest of them each with all that is known of it."""
    groups = audit.found.groups
    folds = tuple(
        _fold(one, open_=place < _OPEN) for place, one in enumerate(_closely(audit, over))
    )
    which = "Each of them" if len(folds) == len(groups) else f"The {len(folds)} that cost most"
    notes = (Note(text) for text in (*_left(audit.found), f"{which}, closely:"))
    return Section("Workflows", (_table(groups), *notes, *folds))


@dataclass(frozen=True, slots=True)
class _Workflow:
    """All that is shown of one."""

    group: Group
    used: tuple[Model, ...]
    levers: tuple[Lever, ...]
    slots: tuple[Slot, ...]  # of the whole log, those without any of it too
    by: str
    what: Measure
    told: frozenset[str]  # fields that the log has at all
    shown: tuple[Shown, ...]  # prompts, where somebody asked for samples

    @property
    def charted(self) -> bool:
        """Whether it has a chart over time."""
        return len(self.slots) > 1 and any(slot.spent for slot in self.slots)

    @property
    def timed(self) -> bool:
        """Whether enough requests have a time that is a date, for an hour of the day."""
        facts = self.group.facts
        return sum(facts.hours) >= _ENOUGH and (facts.last or 0) >= RELATIVE


def _closely(audit: Audit, over: OverTime) -> Iterator[_Workflow]:
    dearest = audit.found.groups[:_LOOKED_AT]
    ids = [group.id for group in dearest]
    slots, used = of_groups(audit.connection, over, ids), models(audit.connection, ids)
    what, told = (
        measure(audit),
        frozenset(name for name, part in audit.sums.coverage.items() if part),
    )
    for group in dearest:
        levers = tuple(lever for lever in audit.found.levers if lever.group == group.name)
        shown = tuple(one for one in audit.shown if one.workflow == group.name)
        yield _Workflow(group, used[group.id], levers, slots[group.id], over.by, what, told, shown)


def _left(found: Found) -> Iterator[str]:
    """What is not in the table."""
    if left := more(len(found.groups), _LISTED, "workflow"):
        yield left
    if found.count > len(found.groups):
        yield f"{found.count - len(found.groups):,} more have too few rows to be looked at."


def _table(groups: Sequence[Group]) -> Table:
    rows = tuple(
        (
            name(group.name),
            counted(group.facts.counted),
            about(group.now) if group.now else "",
            group.waits,
            sentence(_first(group)),
        )
        for group in groups[:_LISTED]
    )
    columns = ("workflow", "requests", "real time costs", "who waits", "strongest evidence")
    return filled(Table("", columns, rows, left=("who waits", "strongest evidence")))


def _first(group: Group) -> str:
    if group.elsewhere:
        return "went in a cheaper lane already"
    if group.judged.waiting is Waiting.UNKNOWN:
        return f"log {group.judged.to_log[0]}" if group.judged.to_log else ""
    return group.judged.evidence[0] if group.judged.evidence else ""


def _fold(one: _Workflow, *, open_: bool) -> Fold:
    group = one.group
    blocks: list[Block] = [*_why(group), Note(_profile(group.facts)), _models(one)]
    if one.levers:
        blocks.append(levers_of(group, one.levers[:_REASONS]))
    blocks += [Points(f"Prompts of {name(it.model)}, shortened", it.prompts) for it in one.shown]
    charts = tuple(_charts(one))
    if charts:
        tables = Row(tuple(_tables(one)))
        blocks += [Row(charts), Fold("The charts as tables", "", (tables,), prints=False)]
    cost = f"{about(group.now)} in real time, " if group.now else ""
    return Fold(name(group.name), cost + group.waits, tuple(blocks), open_)


def _charts(one: _Workflow) -> Iterator[Columns]:
    if one.charted:
        yield columns(one.slots, one.by, one.what, small=True)
    if one.timed:
        yield _hours(one.group)


def _tables(one: _Workflow) -> Iterator[Table]:
    if one.charted:
        yield slot_table([slot for slot in one.slots if slot.spent], one.by, one.what)
    if one.timed:
        hours = enumerate(one.group.facts.hours)
        rows = tuple((f"{hour:02}:00", f"{count:,}") for hour, count in hours)
        yield Table("", ("hour of the day, UTC", "requests"), rows)


def _why(group: Group) -> Iterator[Block]:
    judged = group.judged
    unknown = judged.waiting is Waiting.UNKNOWN
    parts = (
        (
            "What shows" if unknown else f"What speaks for it ({judged.confidence:.0%})",
            judged.evidence,
        ),
        ("What speaks against it", judged.against),
        ("What to log, to know" if unknown else "What would make it surer", judged.to_log),
    )
    lists = tuple(Points(title, sentences(texts, _REASONS)) for title, texts in parts if texts)
    if lists:
        yield Row(lists)


def _profile(facts: Facts) -> str:
    """What its requests have in common, as far as the log tells."""
    return "; ".join(_told(facts)) + "."


def _told(facts: Facts) -> Iterator[str]:
    if facts.aggregates:
        yield f"{counted(facts.aggregates, 'bucket')} of many requests"
    if facts.elsewhere:
        yield f"{counted(facts.elsewhere, 'request')} in another lane already"
    if not facts.requests:
        return
    yield f"{counted(facts.requests, 'request')} in real time looked at"
    if facts.stream_told:
        yield f"{share(facts.streamed, facts.stream_told)} streamed"
    if facts.sessions:
        yield counted(facts.sessions, "session")
    if facts.askers:
        yield f"{facts.askers:,} {'user or service' if facts.askers == 1 else 'users or services'}"
    yield f"a median of {facts.input:,.0f} tokens in and {facts.output:,.0f} out"


def _models(workflow: _Workflow) -> Table:
    rows = tuple(
        (
            f"{name(one.model, '?')}{f' at {name(one.provider)}' if one.provider else ''}",
            one.lane,
            counted(one.requests),
            f"{one.input:,}" if "input" in workflow.told else "",
            share(one.cached, one.input) if "cached" in workflow.told else "",
            f"{one.output:,}" if "output" in workflow.told else "",
            "" if one.logged is None else money(one.logged),
            "" if one.reckoned is None else money(one.reckoned),
        )
        for one in workflow.used[:_LOOKED_AT]
    )
    heads = (
        "model",
        "lane",
        "requests",
        "input",
        "cached",
        "output",
        "by the log",
        "by the price book",
    )
    return filled(Table("What it uses", heads, rows, left=("lane",)))


def _hours(group: Group) -> Columns:
    """In the colour of the group's class."""
    place = CLASSES.index(group.judged.waiting.value)
    found = tuple(
        Column(
            f"{hour:02}",
            tuple(count if n == place else 0 for n in range(len(CLASSES))),
            f"{hour:02}:00: {counted(count, 'request')}",
        )
        for hour, count in enumerate(group.facts.hours)
    )
    axis = ticks(max(group.facts.hours), lambda count: f"{count:,}", 3)
    names = tuple(NAMES[one] for one in CLASSES)
    return Columns("Requests by hour of the day, UTC", names, found, axis, "who", small=True)
