"""Requests that share a beginning travel together: side by side, and where it pays behind one of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final

from lanewise.domain.counts import counted
from lanewise.domain.ids import BatchId, RunId
from lanewise.domain.ordinals import Ordinals
from lanewise.lanes.marked import Caching
from lanewise.lanes.priming import Planned, Priming
from lanewise.lanes.shift import Shift
from lanewise.policy.packing import Stretch
from lanewise.store.nouns import Part, Sized, WaitingGroup
from lanewise.store.segments import body_of, model_of
from lanewise.tokens import prefix_of

_MOST_GROUPS: Final = 200  # in one pass, the largest first


@dataclass(frozen=True, slots=True)
class Bundle:
    """A group that is marked: the one that goes ahead, if one does, and the others."""

    primer: Stretch[Part] | None
    stretches: tuple[Stretch[Part], ...]
    caching: Caching
    after: BatchId | None  # the batch that has warmed the cache already
    leave_by: float  # the others wait no longer
    why: str


@dataclass(slots=True)
class Arranged:
    """What waits, by how it is sent; in `keyed` and `plain` groups stand side by side."""

    bundles: list[Bundle] = field(default_factory=list)
    keyed: list[Stretch[Part]] = field(default_factory=list)
    keys: int = 0  # groups in it
    plain: list[Stretch[Part]] = field(default_factory=list)
    left: list[WaitingGroup] = field(default_factory=list)  # as it came in


@dataclass(frozen=True, slots=True)
class Member:
    """A waiting request of a group."""

    group: WaitingGroup
    ordinal: int
    size: Sized


def arrange(priming: Priming, groups: Sequence[WaitingGroup], most: int) -> Arranged:
    """Put requests that share a prefix together. Segments without any are not read.

    No more than `most` groups are marked. Where some were, what this pass has not come to waits for the next.
    """
    shift, found = priming.shift, Arranged()
    members = [m for group in groups if group.prefixes for m in _members(shift, group)]
    taken: list[Member] = []
    plain: list[list[Member]] = []
    refusals: Counter[tuple[RunId, str]] = Counter()
    sharing = _sharing(members, priming.warm())
    for together in sharing[:_MOST_GROUPS]:
        caching, planned = _planned(priming, together)
        plan = planned.plan
        if plan.mark and len(found.bundles) < most:
            found.bundles.append(_bundle(together, caching, planned))
        elif plan.key:
            found.keyed += _stretches(together)
            found.keys += 1
        else:
            plain.append(together)
            if plan.at.marked:
                refusals[together[0].group.run, plan.why] += len(together)
            continue
        taken += together
    if found.bundles:
        taken += [member for together in sharing[_MOST_GROUPS:] for member in together]
    if _mixed(members):
        found.plain += [stretch for together in plain for stretch in _stretches(together)]
        taken += [member for together in plain for member in together]
    found.left += _without(groups, taken)
    for (run, why), count in refusals.items():
        shift.store.note("cache.plain", run, f"{counted(count, 'request')}: {why}", shift.now())
    return found


def _members(shift: Shift, group: WaitingGroup) -> Iterator[Member]:
    waiting = group.waiting
    sizes = shift.store.sizes(waiting.segment, waiting.ordinals)
    for ordinal, size in zip(waiting.ordinals, sizes, strict=True):
        yield Member(group, ordinal, size)


def _sharing(members: Sequence[Member], warm: Container[int]) -> list[list[Member]]:
    """The groups of two and more, or of one that finds an entry of its prefix, the largest first."""
    by_prefix: dict[int, list[Member]] = defaultdict(list)
    for member in members:
        if member.size.prefix:
            by_prefix[member.size.prefix].append(member)
    shared = [
        together for prefix, together in by_prefix.items() if len(together) > 1 or prefix in warm
    ]
    return sorted(shared, key=len, reverse=True)


def _mixed(members: Sequence[Member]) -> bool:
    """Whether any group is not side by side as it came in."""
    prefixes = [member.size.prefix for member in members]
    return sum(1 for _ in groupby(prefixes)) > len(set(prefixes))


def _planned(priming: Priming, together: list[Member]) -> tuple[Caching, Planned]:
    first = together[0]
    key, requests = first.group.key, len(together)
    line = priming.shift.store.line(first.group.waiting.segment, first.ordinal)
    model = key.model or model_of(line)
    prefix = prefix_of(key.provider, key.endpoint, model, body_of(line))
    assert prefix is not None, "it was found in this body when it came in"
    size = sum(member.size.bytes for member in together) // requests
    planned = priming.plan(first.group, prefix, model, requests, size)
    plan = planned.plan
    return Caching(plan.at, plan.ttl, f"{prefix.hash:016x}", model), planned


def _bundle(together: list[Member], caching: Caching, planned: Planned) -> Bundle:
    plan = planned.plan
    head, rest = (together[:1], together[1:]) if plan.prime else ([], together)
    return Bundle(
        next(_stretches(head), None),
        tuple(_stretches(rest)),
        caching,
        planned.after,
        planned.leave_by,
        plan.why,
    )


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
