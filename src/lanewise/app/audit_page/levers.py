"""What would cost less: each lever, and how they come to one sum when they are pulled together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lanewise.app.audit_page.words import more, name, replayed_over, sentence, sentences, sure
from lanewise.app.auditing import Audit
from lanewise.audit.levers import Found, Group, Lever, Replayed
from lanewise.audit.money import Money
from lanewise.domain.lanes import Terms
from lanewise.pricing.dollars import about, dollars
from lanewise.reports import Block, Note, Section, Step, Table, Waterfall

_SHOWN: Final = 30
_REASONS: Final = 3
_FIGURES: Final = ("requests", "costs now", "saves", "confidence")
_STEPS: Final = {
    "lane": "what can wait, in its lane",
    "dedupe": "not asking again",
    "cache": "reading from prompt caches",
}
_TERMS: Final = {
    Terms.ANY: "any",
    Terms.ZDR: "zero data retention (zdr)",
    Terms.EU: "processing in the EU (eu)",
}


def levers(audit: Audit) -> Section:
    """The ranked table, data terms, and the joint replay."""
    blocks: list[Block] = [*_ranked(audit.found), *_data_terms(audit.found)]
    if audit.replayed is not None:
        blocks += together(audit.replayed)
    elif audit.found.levers:
        blocks.append(
            Note(
                "Levers were not replayed together: that takes single requests in real time, with times and "
                "tokens, which this log does not have."
            )
        )
    return Section("What would cost less", tuple(blocks))


def lever_table(found: Found) -> Table:
    """Levers of all workflows, with why they are thought to be there and what their money rests on."""
    uncounted = {group.name for group in found.groups if group.facts.counted is None}
    rows = tuple(
        (
            f"{name(lever.group)}\n{_what(lever)}",
            *_figures(lever, counted=lever.group not in uncounted),
            _why(lever),
        )
        for lever in found.levers[:_SHOWN]
    )
    columns = ("workflow and lever", *_FIGURES, "why, and what the money rests on")
    return Table("Ranked by what they save", columns, rows, left=columns[-2:])


def levers_of(group: Group, found: tuple[Lever, ...]) -> Table:
    """Levers of one workflow; why its lane is one stands where it is said who waits."""
    told = group.facts.counted is not None
    rows = tuple(
        (
            _what(lever),
            *_figures(lever, counted=told),
            _rests(lever) if lever.kind == "lane" else _why(lever),
        )
        for lever in found
    )
    columns = ("lever", *_FIGURES, "why, and what the money rests on")
    return Table("What would cost less", columns, rows, left=columns[-2:])


def together(replayed: Replayed) -> Iterator[Block]:
    """How today's cost becomes what is left, in steps that add up."""
    found = replayed.together
    if not found.now:
        return
    if not found.joint.high:
        yield Note(
            "Replayed together, lanes, repeats and prompt caches save nothing that needs no question first."
        )
        return
    yield from _step_by_step(replayed)
    yield Note(_replayed_words(replayed))


def _step_by_step(replayed: Replayed) -> Iterator[Block]:
    found = replayed.together
    steps = {
        kind: step for kind, step in found.steps.items() if kind != "cache" or replayed.sample.texts
    }
    series = ("at the least", "at the most")
    yield Waterfall("From today's cost to what is left", series, tuple(_falls(found.now, steps)))
    rows = tuple((_STEPS.get(kind, kind), *_saved(step)) for kind, step in steps.items())
    yield Table("", ("saved by", *series), rows, ("saved together", *_saved(found.joint)))


def _replayed_words(replayed: Replayed) -> str:
    found = replayed.together
    alone = f"lanes {found.lanes}, not asking again {found.dedupe}"
    if replayed.sample.texts:
        alone += f", prompt caches {found.cache}"
    told = (
        f"Replayed were {replayed_over(replayed.sample)}, which cost {dollars(found.now)}. Each step is what "
        "it adds to those before it; in another order they share the same sum otherwise. Alone they would "
        f"save: {alone}; that does not add up, since levers take from each other. What can wait but saves "
        "more by reading from a cache stays where it is. Trials, changes of prompts, and repeats to ask "
        "about first are not replayed."
    )
    if any(step.low > step.high for step in found.steps.values()):
        told += " A step may save less at the most than at the least: those before it took more."
    without = " Of prompt caches nothing is said: no prompt was read for it."
    return told if replayed.sample.texts else told + without


def _ranked(found: Found) -> Iterator[Block]:
    if not found.levers:
        yield Note("No lever was found in this log.")
        return
    yield lever_table(found)
    left = more(len(found.levers), _SHOWN, "lever")
    yield Note(
        f"{left}{'. ' if left else ''}Lanes of a high or medium confidence come to {found.total}. Levers on "
        "the same requests do not add up; what they come to together is below. Trials, and what is to be "
        "asked first, are in no total. No lever is certain before it was tried."
    )


def _what(lever: Lever) -> str:
    return f"{name(lever.kind)}: {sentence(lever.does)}"


def _figures(lever: Lever, *, counted: bool) -> tuple[str, ...]:
    """`counted`: whether the log says how many requests there are."""
    money = lever.money.about.replace(" to ", "\nto ")
    return f"{lever.requests:,}" if counted else "?", about(lever.now), money, sure(lever)


def _why(lever: Lever) -> str:
    return f"{'; '.join(sentences(lever.evidence, _REASONS))}\nrests on: {_rests(lever)}"


def _rests(lever: Lever) -> str:
    return "; ".join(sentences(lever.rests_on, _REASONS))


def _data_terms(found: Found) -> Iterator[Block]:
    """What is left under each, where nobody said which hold."""
    if found.terms is not None:
        yield Note(f"Lanes are those offered under the data terms {_TERMS[found.terms]}.")
    elif any(lever.counts and lever.by_terms for lever in found.levers):
        rows = tuple((words, *_saved(found.under(terms))) for terms, words in _TERMS.items())
        yield Table(
            "What is left under data terms", ("data terms", "at the least", "at the most"), rows
        )
        yield Note(
            "Nobody said which terms hold; the figures above are without any. --terms says it."
        )


def _falls(now: int, steps: dict[str, Money]) -> Iterator[Step]:
    """Bars that each begin where the one before ended."""
    yield Step("cost in real time", ((0, now), (0, now)), dollars(now), whole=True)
    low = high = now
    for kind, step in steps.items():
        spans = ((low, low - step.low), (high, high - step.high))
        saves = Money(*sorted((step.low, step.high)))
        yield Step(_STEPS.get(kind, kind), spans, f"saves {saves.about}")
        low, high = low - step.low, high - step.high
    left = Money(min(low, high), max(low, high))
    yield Step("left", ((0, low), (0, high)), str(left), whole=True)


def _saved(saved: Money) -> tuple[str, str]:
    return dollars(saved.low), dollars(saved.high)
