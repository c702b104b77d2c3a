"""Whom to rescue, when, and how: the latest safe moment of everything that is not answered, taken together.

A straggler by itself can wait until one call before its deadline. A thousand of them cannot: the faster lane
drains at a rate. So the latest starts come from one schedule, built backwards: the work that is due last ends
at its deadline, what is due before it ends where that begins, and so on; work that is in the faster lane
already has its place in it too. A batch is left in time to end its cancellation before its start.

What cancelling would throw away is not cancelled: it runs on while the rescue is sent beside it. The first
answer wins; a second one that was paid for is waste.

Times are seconds since the epoch, durations seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from lanewise.domain.lanes import LaneName
from lanewise.policy.choosing import Hope, Ladder, Option, Outlook, Tail
from lanewise.policy.saying import dollars, lane_said, percent, span

GRACE: Final = 0.01  # a last call that was missed by so much of the lead is still taken
_STUCK_CHANCE: Final = 0.9  # silent for so long that this share of those like it would have ended
_FINALIZING: Final = (
    3_600.0  # writing results takes seconds to minutes; an incident took five hours
)
_TRY_AGAIN: Final = 60.0
LONGEST_WAIT: Final = (
    10.0  # a lane that may refuse is left alone while the rate limit makes calls wait longer
)
_NEVER_QUIET: Final = 1_800.0  # silence for less than this says nothing


@dataclass(frozen=True, slots=True)
class Load:
    """Work that is due: a batch or a parcel of requests without answers."""

    id: str
    deadline: float
    requests: int
    tokens: int  # as the rate limit counts them
    ahead: bool = False  # of what is due at the same time: it is being sent, or goes next


@dataclass(frozen=True, slots=True)
class Drain:
    """What the fastest lane really does, as measured, for all work that shares its limits."""

    requests_per_second: float
    tokens_per_second: float
    call_seconds: float  # one call, at a high quantile
    margin: float = 30.0  # kept free before every deadline
    committed: tuple[Load, ...] = ()  # in that lane already

    @property
    def lead(self) -> float:
        """Seconds before its deadline at which the last request must be sent."""
        return self.margin + self.call_seconds

    def seconds(self, load: Load) -> float:
        """How long sending it takes."""
        return max(load.requests / self.requests_per_second, load.tokens / self.tokens_per_second)

    def requests_of(self, tokens: float) -> float:
        """Requests of so many tokens each that go in a second."""
        return min(self.requests_per_second, self.tokens_per_second / max(tokens, 1.0))


def latest_starts(loads: Iterable[Load], drain: Drain) -> dict[str, float]:
    """When sending each must begin at the latest, if none of them is answered otherwise.

    Due first, sent first, and of what is due at once what is ahead already; each is sent as late as the
    others allow. A start in the past means that there is more work than the lane can do in time. Committed
    work takes its place and is in the result.

    >>> drain = Drain(requests_per_second=1, tokens_per_second=1_000, call_seconds=20, margin=10)
    >>> loads = [Load("a", 1_000, 100, 0), Load("b", 1_010, 100, 0), Load("c", 5_000, 100, 0)]
    >>> latest_starts(loads, drain)
    {'c': 4870.0, 'b': 880.0, 'a': 780.0}
    """
    starts: dict[str, float] = {}
    after = float("inf")
    for load in reversed(_due_first((*loads, *drain.committed))):
        after = min(load.deadline - drain.lead, after) - drain.seconds(load)
        starts[load.id] = after
    return starts


def _due_first(loads: Iterable[Load]) -> list[Load]:
    return sorted(loads, key=lambda load: (load.deadline, not load.ahead, load.id))


def fits(loads: Iterable[Load], drain: Drain, now: float) -> bool:
    """Whether all of it could still be sent in time by the fastest lane alone."""
    return min(latest_starts(loads, drain).values(), default=now) >= now


def earliest_promise(load: Load, others: Sequence[Load], drain: Drain, now: float) -> float:
    """The earliest deadline of `load` that can be kept without breaking those of `others`.

    With `fits`, for refusing what cannot be met even in real time. Its own deadline does not matter. Where
    the others alone are too much, it comes after all of them.

    >>> drain = Drain(requests_per_second=1, tokens_per_second=1_000, call_seconds=20, margin=10)
    >>> earliest_promise(Load("new", 0, 100, 0), [Load("a", 150, 100, 0)], drain, now=0)
    230.0
    """
    starts = latest_starts(others, drain)
    before, passed = drain.seconds(load), now
    for other in _due_first((*others, *drain.committed)):
        at = max(now + before + drain.lead, passed)
        if at <= other.deadline and now + before <= starts[other.id]:
            return at
        before += drain.seconds(other)
        passed = max(passed, other.deadline)
    return max(now + before + drain.lead, passed)


@dataclass(frozen=True, slots=True)
class Live:
    """A batch, or a background response, that is not answered, as rescue sees it."""

    load: Load  # what is missing, with its deadline
    option: Option  # the lane that has it
    started_at: float
    unsent: bool = False  # still here: there is nothing to cancel
    cancelling_since: float | None = None
    ended: bool = False  # at the provider; its results are not here yet
    stuck: str | None = None  # what `stuck` said: it is not expected to end by itself

    def option_at(self, now: float) -> Option:
        """Its lane as it looks now, after so long without an end."""
        outlook: Outlook = Never()
        if self.stuck is None and not self.unsent:
            outlook = self.option.outlook.given(max(now - self.started_at, 0.0))
        return Option(self.option.offer, self.option.cost_nano, outlook, self.option.needs)


@dataclass(frozen=True, slots=True)
class Never:
    """The outlook of what is stuck."""

    def done_within(self, seconds: float) -> float:
        """Never."""
        return 0.0

    def given(self, elapsed: float) -> Outlook:
        """Still never."""
        return self


@dataclass(frozen=True, slots=True)
class Stay:
    """Left where it is; look again at `until`."""

    until: float
    why: str


@dataclass(frozen=True, slots=True)
class Move:
    """What is missing goes to these lanes, in this order."""

    order: tuple[LaneName, ...]
    cancel: (
        bool  # the batch first, and its partial results are kept; else it runs on beside the rescue
    )
    waits: bool  # for the cancellation to end; else what is missing is sent now
    why: str


Verdict: TypeAlias = Stay | Move


def decide(
    live: Sequence[Live], faster: Mapping[str, Ladder], drain: Drain, now: float
) -> dict[str, Verdict]:
    """What becomes of each live batch; `faster` has the lanes that each may move to, by the load's id.

    The loads are taken together; ladders may be shared.
    """
    starts = latest_starts((one.load for one in live), drain)
    return {
        one.load.id: review(one, faster[one.load.id], starts[one.load.id], drain, now)
        for one in live
    }


def review(live: Live, faster: Ladder, start: float, drain: Drain, now: float) -> Verdict:
    """What becomes of one batch whose missing requests must be sent in real time from `start` on.

    It is looked at whenever a faster lane makes its last call. Waiting until the next one costs nothing,
    so it moves only at a last call, and only if that is expected to cost less than waiting on.
    """
    if live.ended or live.cancelling_since is not None:
        return _ending(live, faster, start, now)
    crowd = max(live.load.deadline - start - faster.quickest.needs, 0.0)
    slack = live.load.deadline - now - crowd
    option = live.option_at(now)
    leaving = 0.0 if live.unsent else option.leaving
    waits = [
        (tail, patience)
        for tail in faster.tails
        if tail.options and (patience := slack - tail.lead - leaving) > -GRACE * tail.lead
    ]
    if not waits:
        # called back late, it may still end in time: cancelling seldom takes as long as it may
        why = _capacity_why(faster, slack)
        return _move(live, (faster.quickest.lane,), why, waits=now < start)
    hopes = [(tail, patience, tail.hope.after(option, patience)) for tail, patience in waits]
    tail, patience, hope = min(hopes, key=lambda found: (faster.weigh(found[2]), -found[1]))
    if patience <= GRACE * tail.lead:
        return _move(live, tail.lanes, _move_why(live, tail, hopes, now), waits=True)
    until = now + min(left for other, left in waits if left > GRACE * other.lead)
    return Stay(until, _stay_why(option, tail, patience, hope))


def _ending(live: Live, faster: Ladder, start: float, now: float) -> Verdict:
    """There is nothing left to call back; what does not arrive by the latest start is asked elsewhere."""
    awaited = "reading its results" if live.ended else "the cancellation"
    if now < start:
        return Stay(start, f"waits for {awaited} to end")
    since = None if live.ended else live.cancelling_since
    after = "" if since is None else f" after {span(now - since)}"
    why = f"{awaited} has not ended{after}, and this is the last moment"
    return Move((faster.quickest.lane,), cancel=False, waits=False, why=why)


def _move(live: Live, order: tuple[LaneName, ...], why: str, *, waits: bool) -> Move:
    offer = live.option.offer
    cancel = offer.cancellable and not offer.lets_run and not live.unsent
    return Move(order, cancel, cancel and waits, why)


def next_try(now: float, start: float, call_seconds: float) -> float | None:
    """When a lane that refused is asked again; None once real time must have the work, from `start` on.

    What it accepts may take `call_seconds`, and may then still fail.

    >>> next_try(0.0, 1_000.0, 600.0), next_try(400.0, 1_000.0, 600.0)
    (60.0, None)
    """
    again = now + _TRY_AGAIN
    return again if again + call_seconds <= start else None


def stuck(live: Live, now: float, *, moved_at: float, finalizing_since: float | None) -> str | None:
    """Why a batch is not expected to end by itself; None while it may.

    `moved_at`: when more of it was last seen done, its start where the provider shows no progress.
    """
    if finalizing_since is not None and now - finalizing_since > _FINALIZING:
        return f"writing its results for {span(now - finalizing_since)}"
    quiet = now - moved_at
    if quiet < _NEVER_QUIET:
        return None
    ended = live.option.outlook.given(max(moved_at - live.started_at, 0.0)).done_within(quiet)
    if ended < _STUCK_CHANCE:
        return None
    return f"no progress for {span(quiet)}; {percent(ended)} of those like it end in that time"


def _capacity_why(faster: Ladder, slack: float) -> str:
    lane = lane_said(faster.quickest.lane)
    return f"{lane}: its last call was {span(max(faster.quickest.needs - slack, 0.0))} ago"


def _stay_why(option: Option, tail: Tail, patience: float, hope: Hope) -> str:
    done = percent(option.delivers(patience))
    return (
        f"stays in {lane_said(option.lane)}: {done} of those like it end within {span(patience)}, "
        f"{dollars(hope.nano)} expected; else {_said(tail.lanes)}"
    )


def _move_why(live: Live, tail: Tail, hopes: Sequence[tuple[Tail, float, Hope]], now: float) -> str:
    text = f"{_said(tail.lanes)}: last call after {span(now - live.started_at)} without an end"
    if live.stuck:
        text += f" ({live.stuck})"
    others = [hope.nano for other, _, hope in hopes if other is not tail]
    if others:
        text += f"; {dollars(tail.hope.nano)} against {dollars(min(others))} expected of waiting on"
    return text


def _said(lanes: tuple[LaneName, ...]) -> str:
    return " then ".join(lane_said(lane) for lane in lanes)
