"""Where it pays, one request of a group that shares a prefix goes ahead and warms the cache for the others.

A batch does not warm the provider's prompt cache for itself (see `lanewise.policy.caching`). So the first
request of a group goes as a batch of its own, marked; the others wait for it, at most until they must leave,
and then read what it wrote. In lanes that lanewise sends one by one it is the same: the first call is a batch
of its own, and answered in seconds. Where an entry of the prefix is there yet, nobody goes ahead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from lanewise.domain.caching import TTL_SECONDS, Prefix, Ttl
from lanewise.domain.ids import BatchId
from lanewise.domain.lanes import REALTIME, LaneName
from lanewise.domain.usage import Usage
from lanewise.lanes.marked import lead, read_caching
from lanewise.lanes.menus import Class
from lanewise.lanes.shift import Shift, tokens_of
from lanewise.policy.caching import Ahead, Group, Grouped, Tally, plan_group, verdict
from lanewise.policy.options import TYPICAL
from lanewise.policy.outlook import Curve, Outlook
from lanewise.pricing import Rates
from lanewise.pricing.arithmetic import Vector
from lanewise.store.nouns import WaitingGroup

_DAY: Final = 86_400.0
_LANDED: Final = (0.5, 0.7, 0.9)  # chances to have landed, for each of which a wait is weighed
_STEPS: Final = 10  # into which the times of landing are cut
_OFF_UNTIL: Final = "caching_off_until"
_FREE: Final = Rates(Vector(0, 0, 0, 0, 0, 0))  # where no price decides anything
_NOBODY: Final = Ahead(landing=math.inf, alive={})  # nor who goes ahead


@dataclass(frozen=True, slots=True)
class Warm:
    """An entry that is there yet."""

    batch: BatchId  # which wrote or read it last
    ttl: Ttl
    until: float


@dataclass(frozen=True, slots=True)
class Planned:
    """How a group is sent, behind whom, and how long it waits for that."""

    plan: Grouped
    after: BatchId | None  # the batch that has warmed the cache already
    leave_by: float


@dataclass(slots=True)
class Priming:
    """Plans for groups that wait for one lane, with what is known in one pass.

    `leave_by`: when they must be asked in another way at the latest, if nothing has answered them by then;
    None where nobody waits.
    """

    shift: Shift
    lane: LaneName
    leave_by: float | None
    _known: dict[tuple[str, str], tuple[Tally, bool]] = field(default_factory=dict)
    _entries: dict[int, Warm] | None = None

    def plan(
        self, waiting: WaitingGroup, prefix: Prefix, model: str, requests: int, size: int
    ) -> Planned:
        """The cheapest way for so many requests of this prefix, each of `size` bytes on average."""
        now = self.shift.now()
        if prefix.own or not prefix.at.marked:
            group = Group(prefix, requests, rates=_FREE, slack=0.0)
            return Planned(plan_group(group, _NOBODY), None, now)
        rates = self._rates(waiting.key.provider, model)
        if rates is None:
            return Planned(Grouped(prefix.at, why="not marked: the model has no price"), None, now)
        slack = _DAY if self.leave_by is None else max(self.leave_by - now, 0.0) / 2
        dearer = self._dearer(waiting.key.provider, model, size)
        group = Group(prefix, requests, rates=rates, slack=slack, dearer=dearer)
        learned, off = self._learned(waiting.workflow, model, rates)
        alone, others = self._outlooks(waiting, model, requests)
        warm = self.warm().get(prefix.hash)
        if warm is not None:
            ahead = Ahead(0.0, self._alive(others, warm.until - now))
            plan = plan_group(group, ahead, learned=learned, warm=warm.ttl, off=off)
            if plan.mark:
                return Planned(plan, warm.batch, now)
        plans = [
            (plan_group(group, ahead, learned=learned, off=off), ahead.landing)
            for ahead in self._waits(alone, others)
        ]
        plan, wait = max(plans, key=lambda found: found[0].saving)
        return Planned(plan, None, now + min(wait, slack))

    def _rates(self, provider: str, model: str) -> Rates | None:
        when = datetime.fromtimestamp(self.shift.now(), UTC)
        return self.shift.book.resolve(provider, model, when, self.lane).rates

    def _dearer(self, provider: str, model: str, size: int) -> float:
        """Nano-USD that a request costs more in real time than in this lane."""
        when = datetime.fromtimestamp(self.shift.now(), UTC)
        usage = Usage(input=tokens_of(size), output=TYPICAL.output)
        pricers = [self.shift.book.pricer(provider, model, when, x) for x in (self.lane, REALTIME)]
        here, there = (0 if pricer is None else pricer.cost(usage) for pricer in pricers)
        return max(there - here, 0)

    def _outlooks(
        self, waiting: WaitingGroup, model: str, requests: int
    ) -> tuple[Outlook, Outlook]:
        """When the one that goes ahead will be done, and when the others, each from when it is sent."""
        key, menus = waiting.key, self.shift.menus()
        of = Class(key.account, key.provider, key.endpoint, key.model or model, (self.lane,))
        alone, others = (menus.option(of, self.lane, n).outlook for n in (1, requests))
        return alone, others

    def _alive(self, others: Outlook, left: float) -> dict[Ttl, float]:
        """The chance that the others run while an entry is there that stays no longer than `left`."""
        return {
            ttl: others.done_within(max(min(seconds, left) - lead(self.lane), 0.0))
            for ttl, seconds in TTL_SECONDS.items()
        }

    def _waits(self, alone: Outlook, others: Outlook) -> list[Ahead]:
        """Short waits and long ones: these are surer to pay off, and leave the others less time."""
        alive = self._alive(others, math.inf)
        if not isinstance(alone, Curve):
            return [Ahead(math.inf, alive)]
        steps = [alone.quantile((n + 0.5) / _STEPS) for n in range(_STEPS)]
        times = [math.inf if step is None else step for step in steps]
        waits = [(chance, alone.quantile(chance)) for chance in _LANDED]
        return [
            Ahead(wait, alive, lands=chance, late=self._late(others, times, wait))
            for chance, wait in waits
            if wait is not None
        ] or [Ahead(math.inf, alive)]

    def _late(self, others: Outlook, times: Sequence[float], wait: float) -> float:
        """The share of the others that is not done in time because they wait for so long at most."""
        if self.leave_by is None:
            return 0.0
        left = self.leave_by - self.shift.now()
        waited = sum(others.done_within(left - min(time, wait)) for time in times) / len(times)
        return max(others.done_within(left) - waited, 0.0)

    def warm(self) -> dict[int, Warm]:
        """The entries of this lane that are there yet, by prefix; they are kept for each lane apart.

        A call in real time was measured to warm only 16 % of a batch that followed.
        """
        if self._entries is None:
            self._entries = self._look()
        return self._entries

    def _look(self) -> dict[int, Warm]:
        now, found = self.shift.now(), dict[int, Warm]()
        since = now - max(TTL_SECONDS.values())
        for batch, text, landed in self.shift.store.warmed(self.shift.account, self.lane, since):
            caching = read_caching(text)
            if caching.ttl is None:
                continue
            prefix, until = int(caching.prefix, 16), landed + TTL_SECONDS[caching.ttl]
            longest = found[prefix].until if prefix in found else now + lead(self.lane)
            if until > longest:
                found[prefix] = Warm(batch, caching.ttl, until)
        return found

    def _learned(self, workflow: str, model: str, rates: Rates) -> tuple[Tally, bool]:
        """What marking was worth in this workflow so far, and whether it is switched off."""
        found = self._known.get((workflow, model))
        if found is None:
            found = self._known[workflow, model] = _learned(self.shift, workflow, model, rates)
        return found


def _learned(shift: Shift, workflow: str, model: str, rates: Rates) -> tuple[Tally, bool]:
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
