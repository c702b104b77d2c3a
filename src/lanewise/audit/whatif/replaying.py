"""One seed: every stream of a plan through the lanes, and what became of each request."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from math import inf
from typing import Final, NamedTuple

from lanewise.audit.whatif.hours import HOUR, Hours
from lanewise.audit.whatif.known import Known
from lanewise.audit.whatif.lanes import Stream
from lanewise.audit.whatif.plan import Plan, Work
from lanewise.audit.whatif.planning import TOO_SOON
from lanewise.domain.lanes import BATCH, FLEX, REALTIME, LaneName
from lanewise.policy.outlook import Curve
from lanewise.providers.offers import offers
from lanewise.replay.engine import Replay
from lanewise.replay.learned import LearnedBelief, LearnedWorld
from lanewise.replay.nouns import Late
from lanewise.replay.worlds import WORLDS, Conditions, World

LEARNED: Final = "learned"
MODELS: Final = (*WORLDS, LEARNED)
NO_ROOM: Final = "real time had no room for all that was due"
NO_RESCUE: Final = "its rule allows no real time, which is what rescues"
RESCUED_LATE: Final = "it was rescued, and yet too late"


class Use(NamedTuple):
    """The most that was used at once of what a provider sells of a model."""

    created: int  # batches in one hour
    tokens: int  # of input, in batches that had not ended
    requests: int  # in them
    held: int  # batches that waited for room in the provider's queue
    calls: int  # requests that waited for a call


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
    cached_nano: int = 0  # less, if what waited read from caches as it did when it was sent
    use: dict[Stream, Use] = field(default_factory=dict)
    created: Counter[tuple[str, int]] = field(default_factory=Counter)  # by provider and hour
    hours: Hours = field(default_factory=Hours)

    @property
    def cost_nano(self) -> int:
        """All that was paid."""
        return sum(self.lanes.values()) + self.waste_nano


def replayed(plan: Plan, number: int, model: str) -> Seed:
    """A plan on one day of a completion model. Same plan, same number, same day."""
    seed = Seed(number)
    _send_at_once(seed, plan)
    for work in plan.work:
        _replay(seed, work, model, plan.known)
    return seed


def _send_at_once(seed: Seed, plan: Plan) -> None:
    sums = plan.at_once
    if sums.requests:
        seed.lanes[REALTIME] += sums.nano
        seed.lane_requests[REALTIME] += sums.requests
    seed.workflows.update(sums.workflows)
    seed.late.update(sums.late)
    seed.hours.calls.update(sums.hours)
    for hours in (sums.hours, plan.copies):
        seed.hours.accepted.update(hours)
        seed.hours.answered.update(hours)


def _replay(seed: Seed, work: Work, model: str, known: Known) -> None:
    conditions = _day(seed.number, work.stream, model, known)
    replay = Replay(
        work.arrivals, work.menu, conditions, belief(work.stream, known), allowed=work.allowed
    )
    outcome = replay.run()
    seed.lanes.update(outcome.lanes)
    seed.waste_nano += outcome.waste_nano
    seed.late.update(_reason(late, work) for late in outcome.late)
    seed.rescued += outcome.rescued
    seed.batches += outcome.batches
    seed.cancelled += outcome.cancelled
    seed.use[work.stream] = Use(
        outcome.most_created,
        outcome.most_tokens,
        outcome.most_requests,
        outcome.most_held,
        outcome.most_queued,
    )
    _count(seed, work, replay)


def _day(number: int, stream: Stream, model: str, known: Known) -> Conditions:
    """Models of different names have days of their own, the same under every policy."""
    digest = blake2b(f"{number}:{stream.provider}:{stream.model}".encode(), digest_size=6).digest()
    own = int.from_bytes(digest)
    if model != LEARNED:
        return World(model, own)
    return LearnedWorld(lambda lane: known.curves(stream.provider, stream.model, lane), own)


def belief(stream: Stream, known: Known) -> LearnedBelief:
    """What the lanes go by, whatever the day is like."""

    def curve(lane: LaneName) -> Curve:
        return known.curves(stream.provider, stream.model, lane)

    flex = next((offer for offer in offers(stream.provider) if offer.lane == FLEX), None)
    refuses = 0.0 if flex is None else known.refuses(stream.provider, stream.model, flex)
    return LearnedBelief(curve, refuses)


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
    seed.cached_nano += sum(
        less[one]
        for place, lane in enumerate(books.lanes)
        if (less := work.cached.get(lane)) is not None and any(less)
        for one, answered in enumerate(books.lane)
        if answered == place
    )
    seed.hours.add_requests(arrivals.at, books)
    for flight in replay.flights:
        tokens = sum(arrivals.input[one] for one in flight.which)
        seed.hours.add_flight(flight, tokens)
        if flight.sold.offer.lane == BATCH:
            seed.created[work.stream.provider, int(flight.started_at // HOUR)] += 1
    assert all(at < inf for at in books.answered_at), "an answer was lost"
