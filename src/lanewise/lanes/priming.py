"""Requests that share a beginning travel together, and where it pays one of them goes ahead.

A batch does not warm the provider's prompt cache for itself (see `lanewise.policy.caching`). So the first
request of a group goes as a batch of its own, marked; the others wait for it, at most until they must leave,
and then read what it wrote.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import msgspec

from lanewise.domain.caching import Breakpoint, Marks, Prefix, Ttl
from lanewise.domain.lanes import BATCH
from lanewise.domain.ordinals import Ordinals
from lanewise.lanes.menus import Class
from lanewise.lanes.shift import Shift
from lanewise.policy.caching import Ahead, Group, Grouped, Tally, plan_group, verdict
from lanewise.policy.packing import Stretch
from lanewise.pricing import Rates
from lanewise.store.nouns import Part, Sized, WaitingGroup
from lanewise.store.segments import body_of, model_of
from lanewise.tokens import prefix_of

_DAY: Final = 86_400.0
_SURE: Final = 0.9  # the quantile by which the one that goes ahead is taken to have landed
_MOST_PRIMERS: Final = 50  # in one pass: the largest groups first
_OFF_UNTIL: Final = "caching_off_until"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A group that shares a prefix, and how it is sent."""

    primer: Stretch[Part] | None
    stretches: tuple[Stretch[Part], ...]
    caching: str
    leave_by: float  # the others wait no longer


@dataclass(frozen=True, slots=True)
class Member:
    """A waiting request of a group."""

    group: WaitingGroup
    ordinal: int
    size: Sized


def caching_of(plan: Grouped) -> str:
    """How the requests of a batch are marked, as the batch's row keeps it; "" for not at all."""
    if plan.mark:
        return msgspec.json.encode({"at": plan.at.value, "ttl": plan.ttl}).decode()
    return msgspec.json.encode({"at": Breakpoint.KEY.value}).decode() if plan.key else ""


def marks_of(caching: str, prefix: Prefix | None) -> Marks | None:
    """What goes into a body, from what a batch's row keeps."""
    if not caching:
        return None
    kept = msgspec.json.decode(caching)
    at = Breakpoint(kept["at"])
    if at is not Breakpoint.KEY:
        return Marks(at, ttl=kept["ttl"])
    return None if prefix is None else Marks(at, key=f"lw-{prefix.hash:016x}")


def prefixed(
    shift: Shift, groups: Sequence[WaitingGroup], deadline: float | None
) -> tuple[list[Bundle], list[WaitingGroup]]:
    """Groups that are sent by a plan of their own, and what is left to be packed as it is.

    Requests that share a prefix and need no marks stay where they are: they came in one after the other.
    """
    members: dict[int, list[Member]] = defaultdict(list)
    for group in groups:
        if group.prefixes:
            for member in _members(shift, group):
                members[member.size.prefix].append(member)
    shared = sorted((m for m in members.values() if len(m) > 1), key=len, reverse=True)
    bundles: list[Bundle] = []
    taken: list[Member] = []
    for together in shared[:_MOST_PRIMERS]:
        bundle = _bundle(shift, together, deadline)
        if bundle is not None:
            bundles.append(bundle)
            taken += together
    return bundles, list(_without(groups, taken))


def _members(shift: Shift, group: WaitingGroup) -> Iterator[Member]:
    waiting = group.waiting
    for ordinal, size in zip(
        waiting.ordinals, shift.store.sizes(waiting.segment, waiting.ordinals), strict=True
    ):
        if size.prefix:
            yield Member(group, ordinal, size)


def _bundle(shift: Shift, together: list[Member], deadline: float | None) -> Bundle | None:
    """How a group is sent; None for as it is."""
    first = together[0]
    key, now = first.group.key, shift.now()
    line = shift.store.line(first.group.waiting.segment, first.ordinal)
    model = key.model or model_of(line)
    prefix = prefix_of(key.provider, key.endpoint, model, body_of(line))
    rates = _rates(shift, key.provider, model)
    if prefix is None or rates is None:
        return None
    slack = _DAY if deadline is None else max(deadline - now, 0.0) / 2
    ahead = _ahead(shift, first.group, model, len(together))
    learned, off = _learned(shift, first.group.workflow, model, rates)
    group = Group(prefix, len(together), batched=True, rates=rates, slack=slack)
    plan = plan_group(group, ahead, learned=learned, off=off)
    caching = caching_of(plan)
    if not caching:
        return None
    head, rest = (together[:1], together[1:]) if plan.prime else ([], together)
    if plan.prime:
        shift.store.note("cache.primed", first.group.run, plan.why, now)
    return Bundle(
        next(_stretches(head), None),
        tuple(_stretches(rest)),
        caching,
        now + min(ahead.landing, slack),
    )


def _rates(shift: Shift, provider: str, model: str) -> Rates | None:
    when = datetime.fromtimestamp(shift.now(), UTC)
    return shift.book.resolve(provider, model, when, BATCH).rates


def _ahead(shift: Shift, group: WaitingGroup, model: str, requests: int) -> Ahead:
    key, menus = group.key, shift.menus()
    of = Class(key.account, key.provider, key.endpoint, key.model or model, (BATCH,))
    alone = menus.option(of, BATCH, 1).outlook
    others = menus.option(of, BATCH, requests).outlook
    alive: dict[Ttl, float] = {"5m": others.done_within(300.0), "1h": others.done_within(3_600.0)}
    quantile = getattr(alone, "quantile", None)
    landing = None if quantile is None else quantile(_SURE)
    return Ahead(landing=math.inf if landing is None else landing, alive=alive)


def _learned(shift: Shift, workflow: str, model: str, rates: Rates) -> tuple[Tally, bool]:
    """What marking was worth in this workflow so far, and whether it is switched off."""
    now, subject = shift.now(), f"{workflow}/{model}"
    off_until = shift.store.learned(shift.account).get((subject, _OFF_UNTIL), 0)
    if off_until > now:
        return Tally(), True
    tally = Tally(*shift.store.marked_usage(workflow, model, since=float(off_until)))
    found = verdict(tally, rates, now)
    if found.keep or found.off_until is None:
        return tally, False
    shift.store.learn(shift.account, subject, _OFF_UNTIL, int(found.off_until), now)
    shift.store.note("cache.off", subject, found.why, now)
    return tally, True


def _stretches(members: Sequence[Member]) -> Iterator[Stretch[Part]]:
    """One stretch for each segment and number of tries."""
    together: dict[tuple[str, int], list[Member]] = defaultdict(list)
    for member in members:
        waiting = member.group.waiting
        together[waiting.segment, waiting.tries].append(member)
    for found in together.values():
        waiting = found[0].group.waiting
        ordinals = Ordinals.of(member.ordinal for member in found)
        yield Stretch(
            Part(waiting.segment, ordinals, waiting.tries),
            len(found),
            sum(member.size.bytes for member in found),
            sum(member.size.units for member in found),
        )


def _without(groups: Sequence[WaitingGroup], taken: Sequence[Member]) -> Iterator[WaitingGroup]:
    gone: dict[tuple[str, int], list[int]] = defaultdict(list)
    for member in taken:
        waiting = member.group.waiting
        gone[waiting.segment, waiting.tries].append(member.ordinal)
    for group in groups:
        waiting = group.waiting
        left = waiting.ordinals - Ordinals.of(gone[waiting.segment, waiting.tries])
        if left:
            yield replace(group, waiting=replace(waiting, ordinals=left))
