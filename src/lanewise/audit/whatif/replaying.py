"""One seed: every stream of a plan through the lanes, and what became of each request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from math import inf
from typing import Final, TypeAlias

from lanewise.audit.whatif.hours import Hours
from lanewise.audit.whatif.planning import TOO_SOON, Plan, Work
from lanewise.domain.lanes import REALTIME, LaneName
from lanewise.policy.outlook import Curve
from lanewise.replay.beliefs import Belief, Prior
from lanewise.replay.engine import Replay
from lanewise.replay.learned import LearnedBelief, LearnedWorld
from lanewise.replay.nouns import Late
from lanewise.replay.worlds import Conditions, World

Curves: TypeAlias = Callable[[str, str, LaneName], Curve]  # by provider, model and lane
NO_ROOM: Final = "real time had no room for all that was due"
NO_RESCUE: Final = "its rule allows no real time, which is what rescues"
RESCUED_LATE: Final = "it was rescued, and yet too late"


@dataclass(slots=True)
class Seed:
    """What one seed comes to. Money in nano-USD."""

    number: int
    lanes: Counter[LaneName] = field(default_factory=Counter)  # paid for answers that were used
    lane_requests: Counter[LaneName] = field(default_factory=Counter)
    workflows: Counter[str] = field(default_factory=Counter)  # waste is in none of them
    waste_nano: int = 0
    late: Counter[str] = field(default_factory=Counter)  # by reason
    rescued: int = 0
    batches: int = 0
    cancelled: int = 0
    most_created: int = 0  # batches in one hour
    most_held: int = 0  # batches that waited for room in the provider's queue
    most_calls: int = 0  # requests that waited for a call
    hours: Hours = field(default_factory=Hours)

    @property
    def cost_nano(self) -> int:
        """All that was paid."""
        return sum(self.lanes.values()) + self.waste_nano


def replayed(plan: Plan, number: int, model: str, curves: Curves | None = None) -> Seed:
    """A plan on one day of a completion model; `curves`: what `learned` goes by. Same seed, same day."""
    seed = Seed(number)
    _send_at_once(seed, plan)
    for work in plan.work:
        _replay(seed, work, model, curves)
    return seed


def _send_at_once(seed: Seed, plan: Plan) -> None:
    sums = plan.at_once
    if sums.requests:
        seed.lanes[REALTIME] += sums.nano
        seed.lane_requests[REALTIME] += sums.requests
    seed.workflows.update(sums.workflows)
    seed.late.update(sums.late)
    for hour, requests in sums.hours.items():
        seed.hours.calls[hour] += requests
        seed.hours.accepted[hour] += requests
        seed.hours.answered[hour] += requests


def _replay(seed: Seed, work: Work, model: str, curves: Curves | None) -> None:
    conditions, belief = _day(seed.number, work, model, curves)
    replay = Replay(work.arrivals, work.menu, conditions, belief, allowed=work.allowed)
    outcome = replay.run()
    seed.lanes.update(outcome.lanes)
    seed.waste_nano += outcome.waste_nano
    seed.late.update(_reason(late, work) for late in outcome.late)
    seed.rescued += outcome.rescued
    seed.batches += outcome.batches
    seed.cancelled += outcome.cancelled
    seed.most_created = max(seed.most_created, outcome.most_created)
    seed.most_held = max(seed.most_held, outcome.most_held)
    seed.most_calls = max(seed.most_calls, outcome.most_queued)
    _count(seed, work, replay)


def _day(number: int, work: Work, model: str, curves: Curves | None) -> tuple[Conditions, Belief]:
    """Models of different names have days of their own, the same under every policy."""
    stream = work.stream
    digest = blake2b(f"{number}:{stream.provider}:{stream.model}".encode(), digest_size=6).digest()
    own = int.from_bytes(digest)
    if curves is None:
        return World(model, own), Prior()
    known = curves

    def curve(lane: LaneName) -> Curve:
        return known(stream.provider, stream.model, lane)

    return LearnedWorld(curve, own), LearnedBelief(curve)


def _reason(late: Late, work: Work) -> str:
    arrivals, one = work.arrivals, late.request
    if REALTIME not in work.allowed[arrivals.kind[one]]:
        return NO_RESCUE
    if arrivals.deadline[one] - arrivals.at[one] < work.menu.call_seconds + 30.0:
        return TOO_SOON
    return RESCUED_LATE if late.promised else NO_ROOM


def _count(seed: Seed, work: Work, replay: Replay) -> None:
    """Who was answered by which lane, what it cost by workflow, and what was where at each hour."""
    arrivals, books = work.arrivals, replay.books
    costs = [arrivals.costs[lane] for lane in books.lanes]
    numbers = [0] * len(books.lanes)
    money = [0] * len(arrivals.workflows)
    for one, lane in enumerate(books.lane):
        numbers[lane] += 1
        money[arrivals.workflow[one]] += costs[lane][one]
    seed.lane_requests.update(
        {lane: count for lane, count in zip(books.lanes, numbers, strict=True) if count}
    )
    seed.workflows.update(dict(zip(arrivals.workflows, money, strict=True)))
    seed.hours.add_requests(arrivals.at, books)
    for flight in replay.flights:
        tokens = sum(arrivals.input[one] for one in flight.which)
        seed.hours.add_flight(flight, tokens)
    assert all(at < inf for at in books.answered_at), "an answer was lost"
