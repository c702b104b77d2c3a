"""Workflow by workflow: who waits and why that is thought, what it uses, what would cost less, and when it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lanewise.app.audit_page.levers import lever_table
from lanewise.app.audit_page.times import CLASSES, Measure, columns, measure, slot_table
from lanewise.app.audit_page.words import (
    class_of,
    counted,
    money,
    more,
    name,
    sentence,
    sentences,
    share,
)
from lanewise.app.auditing import Audit
from lanewise.audit.levers import Group, Lever
from lanewise.audit.over_time import Model, OverTime, Slot, models, of_groups
from lanewise.audit.waiting import Facts, Waiting
from lanewise.pricing.dollars import dollars
from lanewise.reports import Block, Column, Columns, Fold, Note, Points, Row, Section, Table, ticks

_LOOKED_AT: Final = 12  # closely
_LISTED: Final = 100
_OPEN: Final = 1
_REASONS: Final = 6


def workflows(audit: Audit, over: OverTime) -> Section:
    """All in a table, the dearest of them each with all that is known of it."""
    found = audit.found
    dearest = found.groups[:_LOOKED_AT]
    ids = [group.id for group in dearest]
    slots, used = of_groups(audit.connection, over, ids), models(audit.connection, ids)
    what = measure(audit)
    levers: dict[str, list[Lever]] = {}
    for lever in found.levers:
        levers.setdefault(lever.group, []).append(lever)
    folds = [
        _fold(
            group,
            used[group.id],
            levers.get(group.name, []),
            _Times(slots[group.id], over.by, what),
            place,
        )
        for place, group in enumerate(dearest)
    ]
    left = more(len(found.groups), _LISTED, "workflow")
    notes = [Note(left)] if left else []
    if found.count > len(found.groups):
        notes.append(
            Note(f"{found.count - len(found.groups):,} more have too few rows to be looked at.")
        )
    closer = (
        Note(f"The {counted(len(folds), 'workflow')} that cost most, closely:")
        if len(found.groups) > len(folds)
        else Note("Each of them, closely:")
    )
    return Section("Workflows", (_table(found.groups), *notes, closer, *folds))


class _Times:
    """What one workflow spent in each slot of the log."""

    def __init__(self, slots: Sequence[Slot], by: str, what: Measure) -> None:
        self.slots, self.by, self.what = slots, by, what

    def charts(self, facts: Facts) -> Iterator[Columns]:
        if len(self.slots) > 1 and any(slot.spent for slot in self.slots):
            title = f"{self.what.title} by {self.by}"
            yield columns(title, self.slots, self.by, self.what, small=True)
        if any(facts.hours):
            yield _hours(facts)

    def tables(self, facts: Facts) -> Iterator[Table]:
        if len(self.slots) > 1 and any(slot.spent for slot in self.slots):
            yield slot_table([slot for slot in self.slots if slot.spent], self.by, self.what)
        if any(facts.hours):
            rows = tuple((f"{hour:02}:00", f"{count:,}") for hour, count in enumerate(facts.hours))
            yield Table("", ("hour of the day, UTC", "requests"), rows)


def _table(groups: Sequence[Group]) -> Table:
    rows = tuple(
        (
            name(group.name),
            counted(group.facts.counted),
            dollars(group.now) if group.now else "",
            class_of(group),
            sentence(_first(group)),
        )
        for group in groups[:_LISTED]
    )
    columns = ("workflow", "requests", "real time costs", "who waits", "strongest evidence")
    return Table("", columns, rows, left=("who waits", "strongest evidence"))


def _first(group: Group) -> str:
    if not group.facts.requests and group.facts.elsewhere:
        return "went in a cheaper lane already"
    if group.judged.waiting is Waiting.UNKNOWN:
        return f"log {group.judged.to_log[0]}" if group.judged.to_log else ""
    return group.judged.evidence[0] if group.judged.evidence else ""


def _fold(
    group: Group, used: Sequence[Model], levers: Sequence[Lever], times: _Times, place: int
) -> Fold:
    facts = group.facts
    blocks: list[Block] = [*_why(group), Note(_profile(facts)), _models(used)]
    if levers:
        blocks.append(lever_table(tuple(levers[:_REASONS]), "What would cost less", grouped=False))
    charts, tables = tuple(times.charts(facts)), tuple(times.tables(facts))
    if charts:
        blocks += [Row(charts), Fold("The charts as tables", "", (Row(tables),), prints=False)]
    cost = f"{dollars(group.now)} in real time, " if group.now else ""
    return Fold(name(group.name), cost + class_of(group), tuple(blocks), open=place < _OPEN)


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
        yield f"{counted(facts.aggregates, 'row')} {'is a bucket' if facts.aggregates == 1 else 'are buckets'} of many requests"
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


def _models(used: Sequence[Model]) -> Table:
    rows = tuple(
        (
            f"{name(one.model, '?')}{f' at {name(one.provider)}' if one.provider else ''}",
            one.lane,
            counted(one.requests),
            f"{one.input:,}",
            share(one.cached, one.input),
            f"{one.output:,}",
            "" if one.logged is None else money(one.logged),
            "" if one.reckoned is None else money(one.reckoned),
        )
        for one in used[:_LOOKED_AT]
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
    return Table("What it uses", heads, rows, left=("lane",))


def _hours(facts: Facts) -> Columns:
    """In the colour of no class: it is about real time, whoever waits."""
    found = tuple(
        Column(f"{hour:02}", (count,), f"{hour:02}:00: {counted(count, 'request')}")
        for hour, count in enumerate(facts.hours)
    )
    axis = ticks(max(facts.hours), lambda count: f"{count:,}", 3)
    return Columns("Requests by hour of the day, UTC", ("requests",), found, axis, small=True)
