"""Traffic under a policy, before anything is replayed: what its rules say of each request, once."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Final

from lanewise.audit.whatif.due import Dues, Zones
from lanewise.audit.whatif.lanes import Busiest, Costs, Stream, Way, endpoint_of, menu, way
from lanewise.audit.whatif.traffic import Logged
from lanewise.domain.deadlines import AtOnce, By, Deadline
from lanewise.domain.lanes import REALTIME, LaneName
from lanewise.policy.rules import Policy, Ruling, Traits
from lanewise.pricing import PriceBook
from lanewise.replay.nouns import Arrivals, Menu

UNNAMED: Final = "default"  # the workflow of requests that name none, as the lanes have it
TOO_SOON: Final = "it was due sooner than a call in real time takes"
_ONLY_NOW: Final = frozenset({REALTIME})
_CALL: Final = 60.0  # seconds before its deadline at which a call must begin, its margin included


@dataclass(slots=True)
class AtOnceSums:
    """Requests that go in real time whatever the day is like, with what they come to."""

    requests: int = 0
    nano: int = 0
    deadlines: int = 0
    late: Counter[str] = field(default_factory=Counter)  # by reason
    workflows: Counter[str] = field(default_factory=Counter)  # nano-USD
    hours: Counter[int] = field(default_factory=Counter)  # requests by the hour since the epoch


@dataclass(frozen=True, slots=True)
class Work:
    """What waits, or may: the requests of one model that the policy has to choose for."""

    stream: Stream
    menu: Menu
    arrivals: Arrivals
    allowed: tuple[frozenset[LaneName], ...]  # by kind


@dataclass(slots=True)
class Plan:
    """A policy held against traffic. Money in nano-USD."""

    work: tuple[Work, ...] = ()
    at_once: AtOnceSums = field(default_factory=AtOnceSums)
    requests: int = 0
    today: Counter[LaneName] = field(default_factory=Counter)  # money, by the lane that was taken
    today_requests: Counter[LaneName] = field(default_factory=Counter)
    workflows: Counter[str] = field(default_factory=Counter)  # money today
    workflow_requests: Counter[str] = field(default_factory=Counter)
    realtime_nano: int = 0  # all of it in real time
    rules: Counter[str] = field(default_factory=Counter)  # requests; "" where none fits
    observed: int = 0  # decided, but not acted on: the rollout's other side
    unfit: Counter[str] = field(default_factory=Counter)  # rows that are not replayed, by reason
    first: float = inf
    last: float = -inf

    @property
    def deadlines(self) -> int:
        """Requests that are due at a time."""
        waiting = sum(due < inf for work in self.work for due in work.arrivals.deadline)
        return self.at_once.deadlines + waiting

    @property
    def today_nano(self) -> int:
        """What the same requests cost as they were sent, by the price book."""
        return sum(self.today.values())


def planned(
    requests: Iterable[Logged], policy: Policy, book: PriceBook, zones: Zones = lambda _: None
) -> Plan:
    """Hold requests, in the order of `traffic`, against a policy. `zones` finds time zones by name."""
    planning = _Planning(policy, Costs(book), Dues(zones))
    for logged in requests:
        planning.add(logged)
    return planning.done()


@dataclass(slots=True)
class _Columns:
    """A stream's requests while they come in."""

    first: float
    costs: dict[LaneName, array[int]]  # of each, in every lane that was sold then
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
    plan: Plan = field(default_factory=Plan)
    streams: dict[Stream, _Columns] = field(default_factory=dict)
    busiest: dict[tuple[str, str], Busiest] = field(default_factory=dict)
    ways: dict[tuple[str, str, str, int], Way] = field(default_factory=dict)
    before: Logged | None = None  # whose rollout was asked for last
    alike: int = 0  # how many equal ones were before it

    def add(self, logged: Logged) -> None:
        """One request more."""
        if logged.unfit:
            self.plan.unfit[logged.unfit] += logged.requests
            return
        traits = Traits(
            logged.workflow or UNNAMED, logged.model, endpoint_of(logged), logged.tags, logged.key
        )
        ruling = self.policy.ruling(traits, logged.at)
        found = self._way(ruling, logged)
        if found.barred:
            self.plan.unfit[found.barred] += 1
            return
        due = self.due.of(ruling, logged.at)
        if due is None:
            self.plan.unfit[f"without a deadline that rule {ruling.rule!r} could mean then"] += 1
            return
        self._count(logged, ruling)
        acts = ruling.percent == 100.0 or ruling.acts(self._id(logged))
        if not acts:  # its deadline is real time's then
            self.plan.observed += 1
            found, due = Way(found.stream), AtOnce()
        if isinstance(due, AtOnce) or found.held or found.lanes == _ONLY_NOW:
            self._send_at_once(logged, found, due)
        else:
            self._let_wait(logged, found, due)

    def done(self) -> Plan:
        """When all have come."""
        work = []
        for stream, columns in sorted(self.streams.items()):
            busiest = self.busiest.get((stream.provider, stream.model), Busiest())
            sold = menu(stream, columns.first, self.costs, busiest)
            work.append(Work(stream, sold, columns.arrivals(), tuple(columns.kinds)))
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
        self.alike = self.alike + 1 if logged == self.before else 0
        self.before = logged
        return f"{logged!r}:{self.alike}"

    def _count(self, logged: Logged, ruling: Ruling) -> None:
        plan, asked = self.plan, Stream(logged.provider, endpoint_of(logged), logged.model)
        plan.requests += 1
        plan.rules[ruling.rule] += 1
        plan.first, plan.last = min(plan.first, logged.at), max(plan.last, logged.at)
        today = self.costs.as_sent(asked, logged)
        plan.today[logged.lane] += today
        plan.today_requests[logged.lane] += 1
        name = logged.workflow or UNNAMED
        plan.workflows[name] += today
        plan.workflow_requests[name] += 1
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
            sold = menu(found.stream, logged.at, self.costs, Busiest())
            columns = _Columns(logged.at, {one.offer.lane: array("q") for one in sold.lanes})
            self.streams[found.stream] = columns
        lanes = found.lanes & frozenset(columns.costs) or _ONLY_NOW
        columns.add(logged, due.at if isinstance(due, By) else inf, lanes)
        for lane, costs in columns.costs.items():
            costs.append(self.costs.nano(found.stream, logged, lane))
