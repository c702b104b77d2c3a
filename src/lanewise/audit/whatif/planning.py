"""Traffic under a policy, before anything is replayed: what its rules say of each request, once."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Final

from lanewise.audit.whatif.budgets import Budgets
from lanewise.audit.whatif.due import Dues, Zones
from lanewise.audit.whatif.first import FirstLanes
from lanewise.audit.whatif.known import NOTHING_KNOWN, Known
from lanewise.audit.whatif.lanes import (
    CALLED,
    Busiest,
    Costs,
    Stream,
    Way,
    endpoint_of,
    limits_of,
    menu,
    way,
)
from lanewise.audit.whatif.plan import UNNAMED, Aside, Plan, Work
from lanewise.audit.whatif.repeats import Repeats
from lanewise.audit.whatif.traffic import Logged
from lanewise.domain.deadlines import AtOnce, By, Deadline
from lanewise.domain.lanes import REALTIME, LaneName
from lanewise.policy.rules import Policy, Ruling, Traits
from lanewise.pricing import PriceBook
from lanewise.replay.nouns import Arrivals

TOO_SOON: Final = "it was due sooner than a call in real time takes"
_ONLY_NOW: Final = frozenset({REALTIME})
_CALL: Final = 60.0  # seconds before its deadline at which a call must begin, its margin included


def planned(
    requests: Iterable[Logged],
    policy: Policy,
    book: PriceBook,
    zones: Zones = lambda _: None,
    known: Known = NOTHING_KNOWN,
) -> Plan:
    """Hold requests, in the order of `traffic`, against a policy. `zones` finds time zones by name."""
    costs = Costs(book)
    rules = Counter({rule.name: 0 for rule in policy.rules})
    rulings = [policy.default, *(rule.ruling for rule in policy.rules)]
    capped = any(ruling.budget_nano is not None for ruling in rulings)
    planning = _Planning(
        policy,
        costs,
        Dues(zones),
        FirstLanes(costs, known),
        Plan(known, rules=rules),
        Budgets() if capped else None,
    )
    for logged in requests:
        planning.add(logged)
    return planning.done()


@dataclass(slots=True)
class _Columns:
    """A stream's requests while they come in."""

    first: float
    costs: dict[LaneName, array[int]]  # of each, in every lane that was sold then
    cached: dict[LaneName, array[int]]  # how much less each would cost in those that wait
    at: array[float] = field(default_factory=lambda: array("d"))
    deadline: array[float] = field(default_factory=lambda: array("d"))
    input: array[int] = field(default_factory=lambda: array("q"))
    output: array[int] = field(default_factory=lambda: array("q"))
    workflow: array[int] = field(default_factory=lambda: array("l"))
    kind: array[int] = field(default_factory=lambda: array("l"))
    workflows: dict[str, int] = field(default_factory=dict)
    kinds: dict[frozenset[LaneName], int] = field(default_factory=dict)

    def add(self, logged: Logged, deadline: float, lanes: frozenset[LaneName]) -> None:
        self.at.append(logged.at)
        self.deadline.append(deadline)
        self.input.append(logged.input)
        self.output.append(logged.output)
        name = logged.workflow or UNNAMED
        self.workflow.append(self.workflows.setdefault(name, len(self.workflows)))
        self.kind.append(self.kinds.setdefault(lanes, len(self.kinds)))

    def arrivals(self) -> Arrivals:
        return Arrivals(
            self.at, self.deadline, self.input, self.output, self.workflow, tuple(self.workflows),
            self.kind, self.costs,
        )  # fmt: skip


@dataclass(slots=True)
class _Planning:
    policy: Policy
    costs: Costs
    due: Dues
    first: FirstLanes
    plan: Plan
    budgets: Budgets | None  # None where no rule has one
    repeats: Repeats = field(default_factory=Repeats)
    streams: dict[Stream, _Columns] = field(default_factory=dict)
    busiest: dict[tuple[str, str], Busiest] = field(default_factory=dict)
    ways: dict[tuple[str, str, str, int], Way] = field(default_factory=dict)
    before: tuple[object, ...] = ()  # of whom a rollout was asked last
    alike: int = 0  # how many equal ones were before it

    def add(self, logged: Logged) -> None:
        """One request more."""
        if logged.unfit:
            self._leave_out(logged, logged.unfit)
            return
        traits = Traits(
            logged.workflow or UNNAMED, logged.model, endpoint_of(logged), logged.tags, logged.key
        )
        ruling = self.policy.ruling(traits, logged.at)
        found = self._way(ruling, logged)
        due = None if found.barred else self.due.of(ruling, logged.at)
        if found.barred or due is None:
            meant = f"without a deadline that rule {ruling.rule!r} could mean then"
            self._leave_out(logged, found.barred or meant)
            self.plan.rules_left_out[ruling.rule] += 1
            return
        acts = ruling.percent == 100.0 or ruling.acts(self._id(logged))
        if not acts:  # its deadline is real time's then
            found, due = Way(found.stream), AtOnce()
        self._send(logged, ruling, found, due, acts=acts)

    def _send(
        self, logged: Logged, ruling: Ruling, found: Way, due: Deadline, *, acts: bool
    ) -> None:
        self.plan.rules[ruling.rule] += 1
        if acts and self.repeats.repeats(logged, ruling):
            self._count(logged)
            self.plan.copies[int(logged.at // 3_600)] += 1
            return
        at_once = isinstance(due, AtOnce) or found.held or found.lanes == _ONLY_NOW
        if self.budgets is not None:
            lane = REALTIME if at_once else self.first.of(found, due, logged.at)
            cost = self.costs.nano(found.stream, logged, lane)
            if not self.budgets.takes(ruling, logged.at, cost):
                self._refuse(logged, ruling)
                return
        self._count(logged)
        self.plan.observed += not acts
        if at_once:
            self._send_at_once(logged, found, due)
        else:
            self._let_wait(logged, found, due)

    def _leave_out(self, logged: Logged, why: str) -> None:
        aside = self.plan.unfit.setdefault(why, Aside())
        aside.add(logged.requests, self.costs.aside(logged))

    def _refuse(self, logged: Logged, ruling: Ruling) -> None:
        rule = f"rule {ruling.rule!r}" if ruling.rule else "[default]"
        whose = f"the monthly budget of {rule}"
        sent = self.costs.as_sent(self._asked(logged), logged)
        self.plan.refused.setdefault(whose, Aside()).add(1, sent)

    def done(self) -> Plan:
        """When all have come."""
        work = []
        for stream, columns in sorted(self.streams.items()):
            busiest = self.busiest.get((stream.provider, stream.model), Busiest())
            known = self.plan.known
            sold = menu(stream, columns.first, self.costs, known, busiest)
            limits = limits_of(stream, known, busiest)
            kinds, cached = tuple(columns.kinds), columns.cached
            work.append(Work(stream, sold, columns.arrivals(), kinds, cached, limits))
        self.plan.work = tuple(work)
        return self.plan

    def _way(self, ruling: Ruling, logged: Logged) -> Way:
        key = (ruling.rule, logged.provider, logged.model, int(logged.at // 86_400))
        found = self.ways.get(key)
        if found is None:
            found = self.ways[key] = way(ruling, logged, self.costs)
        return found

    def _id(self, logged: Logged) -> str:
        """What a rollout goes by, as logs have no ids: what a request is like, and which of its like.

        Equal ones come one after another.
        """
        like = logged.like
        self.alike = self.alike + 1 if like == self.before else 0
        self.before = like
        return f"{like!r}:{self.alike}"

    def _asked(self, logged: Logged) -> Stream:
        return Stream(logged.provider, endpoint_of(logged), logged.model)

    def _count(self, logged: Logged) -> None:
        plan, asked = self.plan, self._asked(logged)
        plan.requests += 1
        plan.first, plan.last = min(plan.first, logged.at), max(plan.last, logged.at)
        today = self.costs.as_sent(asked, logged)
        plan.today[logged.lane] += today
        plan.today_requests[logged.lane] += 1
        name = logged.workflow or UNNAMED
        plan.workflows[name] += today
        plan.workflow_requests[name] += 1
        if not logged.workflow and logged.key:
            plan.keys[logged.key] += 1
        plan.realtime_nano += self.costs.nano(asked, logged, REALTIME)
        if logged.lane == REALTIME:
            minute = self.busiest.setdefault((logged.provider, logged.model), Busiest())
            minute.add(logged.at, logged.input + logged.output)

    def _send_at_once(self, logged: Logged, found: Way, due: Deadline) -> None:
        sums, nano = self.plan.at_once, self.costs.nano(found.stream, logged, REALTIME)
        sent = found.held.opens(logged.at) if found.held else logged.at
        sums.requests += 1
        sums.nano += nano
        sums.workflows[logged.workflow or UNNAMED] += nano
        sums.hours[int(sent // 3_600)] += 1
        if isinstance(due, By):
            sums.deadlines += 1
            if sent + _CALL > due.at:
                held = "its rule holds it for hours that come too late"
                sums.late[held if found.held else TOO_SOON] += 1

    def _let_wait(self, logged: Logged, found: Way, due: Deadline) -> None:
        columns = self.streams.get(found.stream)
        if columns is None:
            columns = self.streams[found.stream] = self._columns(found.stream, logged.at)
        lanes = found.lanes & frozenset(columns.costs) or _ONLY_NOW
        columns.add(logged, due.at if isinstance(due, By) else inf, lanes)
        for lane, costs in columns.costs.items():
            costs.append(self.costs.nano(found.stream, logged, lane))
        for lane, less in columns.cached.items():
            cached = self.costs.if_cached(found.stream, logged, lane) if logged.cached else 0
            less.append(columns.costs[lane][-1] - cached if logged.cached else 0)

    def _columns(self, stream: Stream, at: float) -> _Columns:
        sold = menu(stream, at, self.costs, self.plan.known, Busiest())
        waiting = [one.offer.lane for one in sold.lanes if one.offer.lane not in CALLED]
        return _Columns(
            at,
            {one.offer.lane: array("q") for one in sold.lanes},
            {lane: array("q") for lane in waiting},
        )
