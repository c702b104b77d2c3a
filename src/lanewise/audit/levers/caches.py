"""The lever of prompt caches: what the best life of entries saves more than what was cached already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from lanewise.audit.caching import Line, Plan
from lanewise.audit.caching.replaying import WINDOWS
from lanewise.audit.levers.lever import Lever
from lanewise.audit.levers.prefixes import Cached, Caches, Sold, sold
from lanewise.audit.levers.sample import Sample
from lanewise.audit.money import Money
from lanewise.audit.waiting import Waiting
from lanewise.replay.cache_rules import rules_of

WITHIN: Final = {300.0: "5 minutes", 3_600.0: "an hour"}
_LEAST: Final = 0.01  # of the input: a smaller share is no lever


def levers(found: Caches, estimated: Mapping[Sold, str]) -> list[Lever]:
    """One for each workflow and model where caching more than now, or less, pays.

    estimated: what tokens rest on where the log has none.
    """
    return [
        Lever(
            kind="cache",
            group=one.line.workflow,
            does=_does(one.line),
            requests=one.spent.requests,
            now=one.spent.cost,
            money=Money(0, one.money.high) if found.sample.timeless else one.money,
            sure=_sure(one.line, found.sample, estimated),
            evidence=tuple(evidence(one)),
            rests_on=(
                *one.line.rests_on,
                *_sampled(one, found.sample),
                *_told(one.line, estimated),
            ),
        )
        for one in found.lines
        if one.money.high > 0 and (not one.line.best or one.line.share(one.line.usable) >= _LEAST)
    ]


def evidence(one: Cached) -> Iterator[str]:
    """What was seen, in words, the plainest first."""
    line = one.line
    shares = [
        f"{line.share(line.repeated.get(window, 0)):.0%} within {words}"
        for window, words in WITHIN.items()
    ]
    yield f"of its input {' and '.join(shares)} repeats as a prefix"
    yield f"{line.share(line.usable):.0%} can be read under the rules of {line.model or 'its model'}"
    yield _achieved(line)
    yield from (_plan(plan) for plan in line.plans)
    if one.sorted is not None and one.adds.high:
        yield (
            f"sorted by prefix within each day {one.sorted.share(one.sorted.usable):.0%} could be read: "
            f"{one.adds} more"
        )


def finding(one: Cached) -> str | None:
    """Why much of what repeats saves nothing; None where it does."""
    if not one.below:
        return None
    line = one.line
    share = line.share(line.repeated.get(WINDOWS[0], 0))
    each = line.repeated.get(WINDOWS[0], 0) // max(line.requests, 1)
    return (
        f"{line.workflow or '(none)'}: repeats {share:.0%} within 5 minutes, some {each:,} tokens a request, "
        f"but below the {rules_of(line.model).least:,} that a cache of {line.model or 'its model'} takes: "
        "nothing to save"
    )


def order(one: Cached, waits: Waiting) -> str | None:
    """What another order would add, in words; None where it adds nothing."""
    if one.sorted is None or one.sorted.usable <= one.line.usable:
        return None
    sorted_, line = one.sorted, one.line
    sure = "" if waits is Waiting.BACKGROUND else "if nobody waits, "
    money = f", {one.adds} more" if one.adds.high else ""
    return (
        f"{line.workflow or '(none)'}: {sure}sorted by prefix within each day, "
        f"{sorted_.share(sorted_.usable):.1%} can be read instead of {line.share(line.usable):.1%}{money}"
    )


def rested(sample: Sample) -> str:
    """What was replayed, in words."""
    which = (
        f"all {sample.of:,} requests in real time"
        if sample.of > 1
        else "the one request in real time"
    )
    if sample.stretches is not None:
        which = (
            f"{sample.requests:,} of {sample.of:,} requests in real time, in {sample.stretches} stretches "
            f"drawn over the whole log, each warmed by the {_minutes(sample.warmed)} before it"
        )
    if sample.timeless:
        why = "since the log has no times (--pace gives it some)"
        return f"{which}, as if all were sent at once, {why}: at the most"
    if sample.paced is not None:
        which += f", as if {sample.paced:g} a second were sent in the order of the log"
    return which


def _sampled(one: Cached, sample: Sample) -> Iterator[str]:
    if sample.stretches is None and sample.paced is None:
        return
    yield f"replayed: {rested(sample)}"
    if sample.stretches is not None and one.usable is None:
        yield "it was seen in one stretch alone: at the most it is everywhere as there"
    elif sample.stretches is not None:
        yield "nine of ten draws of these stretches lie within; what comes back later than that is not seen"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.0f} minutes" if seconds >= 120 else f"{seconds:,.0f} seconds"


def _does(line: Line) -> str:
    if line.best is None:
        return f"{line.model}: leave prompts unmarked; what was written was not read again"
    if rules_of(line.model).marked:
        return f"{line.model}: mark the shared prefix for {line.best.life} (cache_control)"
    kept = ", prompt_cache_retention 24h" if line.best.life == "24h" else ""
    return f"{line.model}: one prompt_cache_key for each shared prefix{kept}"


def _achieved(line: Line) -> str:
    if line.cached is None:
        return "the log does not say what was read from a cache already"
    return f"{line.share(line.cached):.0%} was read from a cache, by the log"


def _plan(plan: Plan) -> str:
    if plan.saves is None:
        return f"entries of {plan.life}: {plan.read:,} tokens read; no price is known"
    return f"entries of {plan.life} would save {plan.saves} of the plain price of what was replayed"


def _told(line: Line, estimated: Mapping[Sold, str]) -> Iterator[str]:
    if sold(line) in estimated:
        yield estimated[sold(line)]


def _sure(line: Line, sample: Sample, estimated: Mapping[Sold, str]) -> str:
    """High only where all was replayed, and the log has tokens and says what was cached."""
    if line.cached is None or line.unpriced or sample.paced is not None:
        return "none"
    assumed = any("assumed:" in words for words in line.rests_on)
    return (
        "medium" if sample.stretches is not None or assumed or sold(line) in estimated else "high"
    )
