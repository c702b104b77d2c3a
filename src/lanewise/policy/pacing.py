"""How fast calls may go to one model of one account, and which waiting call goes next.

`Pace` keeps a token bucket for each limit that is known, beforehand or from what answers say. A provider
states limits for an account, not for us: where it refuses calls although we kept to its limit, others use
the account too, so a refusal lowers the share of the limit that we take, and time raises it again. Where no
limit is known, the number of calls in flight is what grows and is cut; for a server of one's own
`lanewise.policy.breadth` finds it.

`Queue` orders calls that wait: the earliest due first, and among those due in the same minute workflows take
turns. One that is never due is taken as due a day after it came, so that nothing waits for ever.

Both are plain structures: `now` is passed, in seconds since the epoch; nothing here waits. One pace serves
everything that is sent to its model, whatever the lane, since providers count it together.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from lanewise.domain.allowances import NOTHING_SAID, Allowance, Load, Measure, Rate
from lanewise.policy.breadth import Breadth

T = TypeVar("T")

MOST_IN_FLIGHT: Final = 256
FIRST_WINDOW: Final = 8.0  # calls in flight where no limit is known
BURST_SECONDS: Final = 2.0  # how much of a minute's limit may go at once after a pause
CUT: Final = 0.7  # of the share, on a refusal
LEAST_SHARE: Final = 0.05
RAISED_A_MINUTE: Final = 0.05
CUT_SECONDS: Final = 10.0  # refusals closer together than this tell the same thing
CALL_SECONDS: Final = 10.0  # how long a call takes, until some have been measured [assumed]
SHORTEST_WAIT: Final = 0.001  # instants as floats resolve less than a microsecond
CLASS_SECONDS: Final = 60.0
WHENEVER_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Drain:
    """What a pace really allows, in units a second; infinite where nothing is known to limit it."""

    requests: float
    tokens: float = math.inf
    input_tokens: float = math.inf
    output_tokens: float = math.inf

    def seconds(self, load: Load) -> float:
        """How long it takes to send so much, by the limit that binds.

        >>> Drain(requests=10.0, tokens=1_000.0).seconds(Load(input=50_000, requests=100))
        50.0
        """
        return max(load.of(measure) / self.of(measure) for measure in Measure)

    def of(self, measure: Measure) -> float:
        """Units of one measure a second."""
        rate: float = getattr(self, measure)
        return rate


class _Bucket:
    """What may be sent now, by one limit; below zero after a call that is larger than the burst."""

    __slots__ = ("burst_seconds", "level", "limit")

    def __init__(self, limit: float, burst_seconds: float) -> None:
        self.limit, self.burst_seconds = limit, burst_seconds
        self.level = self.burst

    @property
    def burst(self) -> float:
        return max(self.limit * self.burst_seconds / 60.0, 1.0)

    def missing(self, cost: float) -> float:
        """How much the level must rise before a call of this cost may go."""
        return max(min(cost, self.burst) - self.level, 0.0)


class Pace:
    """The limits of one model for one account. In any minute no more is let through than the limit and,
    once, the burst or the largest single call, whichever is more.
    """

    def __init__(
        self,
        known: Allowance = NOTHING_SAID,
        *,
        most: int = MOST_IN_FLIGHT,
        burst_seconds: float = BURST_SECONDS,
        breadth: Breadth | None = None,
    ) -> None:
        """`known`: limits known beforehand; `most`: calls in flight, never more; `breadth`: how many."""
        self._buckets: dict[Measure, _Bucket] = {}
        self._burst_seconds = burst_seconds
        self._most, self._breadth = most, breadth
        self._window, self._refused_once = FIRST_WINDOW, False
        self._share, self._cut_at = 1.0, -math.inf
        self._took = CALL_SECONDS
        self._at, self._blocked_until = -math.inf, -math.inf
        self.in_flight = 0
        for rate in known.rates:
            self._adopt(rate)

    def reserve(self, load: Load, now: float, *, room: float = math.inf) -> float:
        """0.0 if a call may go now, which is then reckoned as sent; else seconds until to ask again.

        Infinite: not before a call that is in flight has ended, or there is `room` for more of them. Nothing
        is reserved by a call that waits.
        """
        self._pass(now)
        if self.in_flight >= min(self.most_in_flight(), room):
            return math.inf
        wait = max(self._blocked_until - now, 0.0)
        for measure, bucket in self._buckets.items():
            wait = max(wait, bucket.missing(load.of(measure)) / self._a_second(bucket))
        if wait > 0.0:
            return max(wait, SHORTEST_WAIT)
        for measure, bucket in self._buckets.items():
            bucket.level -= load.of(measure)
        self.in_flight += 1
        if self._breadth is not None:
            self._breadth.began(now, full=self.in_flight >= self._breadth.width)
        return 0.0

    def ended(
        self,
        allowance: Allowance,
        now: float,
        *,
        took: float | None = None,
        work: float | None = None,
        live: int = 0,
    ) -> None:
        """A reserved call has ended in any way but a rate limit; `took`: seconds, if it was answered.


        `work`: see `lanewise.policy.breadth`; None: it tells nothing of the server. `live`: calls that the
        server had besides ours.
        """
        beside, self.in_flight = self.in_flight + live, self.in_flight - 1
        self.learn(allowance, now)
        if took is None:
            return
        if self._breadth is not None and work is not None:
            self._breadth.answered(now - took, now, work, beside)
        self._took += (took - self._took) / 8.0
        step = 1.0 / self._window if self._refused_once else 1.0
        self._window = min(self._window + step, self._most)

    def failed(self, allowance: Allowance, now: float, *, took: float) -> None:
        """A reserved call met an error, a time-out or no connection, after so many seconds."""
        self.in_flight -= 1
        self.learn(allowance, now)
        if self._breadth is not None:
            self._breadth.failed(now - took, now)

    def refused(
        self, allowance: Allowance, now: float, *, wait: float = 1.0, took: float = 0.0
    ) -> None:
        """A reserved call met a rate limit: nothing goes for as long as it says, or else `wait` seconds."""
        self.in_flight -= 1
        if self._breadth is not None:
            self._breadth.refused(now - took, now)
        self.learn(allowance, now)
        asked = allowance.retry_after
        self._blocked_until = max(self._blocked_until, now + (wait if asked is None else asked))
        if now - self._cut_at < CUT_SECONDS:
            return
        self._cut_at, self._refused_once = now, True
        if self._buckets:
            self._share = max(self._share * CUT, LEAST_SHARE)
        else:
            self._window = max(min(self._window, self.in_flight + 1) / 2.0, 1.0)

    def learn(self, allowance: Allowance, now: float) -> None:
        """Take over what an answer says, to whomever it was given."""
        self._pass(now)
        for rate in allowance.rates:
            self._adopt(rate)

    def drain(self) -> Drain:
        """What goes through at a stretch: the share of each limit, and what calls in flight can carry."""
        rates = {measure: self._a_second(bucket) for measure, bucket in self._buckets.items()}
        carried = self.most_in_flight() / max(self._took, SHORTEST_WAIT)
        requests = min(rates.get(Measure.REQUESTS, math.inf), carried)
        tokens = (
            rates.get(measure, math.inf) for measure in Measure if measure is not Measure.REQUESTS
        )
        return Drain(requests, *tokens)

    def share(self, now: float) -> float:
        """The part of each limit that is ours, as refusals leave it."""
        self._pass(now)
        return self._share

    def limits(self) -> Iterator[Rate]:
        """The limits as they are known now."""
        for measure, bucket in self._buckets.items():
            yield Rate(measure, int(bucket.limit), max(int(bucket.level), 0))

    def _adopt(self, rate: Rate) -> None:
        """The limit as stated; what remains only where it is less than we reckoned."""
        if rate.limit is not None and rate.limit > 0:
            bucket = self._buckets.setdefault(
                rate.measure, _Bucket(rate.limit, self._burst_seconds)
            )
            bucket.limit = rate.limit
            bucket.level = min(bucket.level, bucket.burst)
        known = self._buckets.get(rate.measure)
        if known is not None and rate.remaining is not None:
            known.level = min(known.level, rate.remaining)

    def _pass(self, now: float) -> None:
        """Let time pass. A clock that was put back moves what was told by it; nothing is gained."""
        passed = now - self._at
        self._at = now
        if passed == math.inf:
            return
        if passed < 0.0:
            self._blocked_until += passed
            self._cut_at += passed
            return
        for bucket in self._buckets.values():
            bucket.level = min(bucket.level + passed * self._a_second(bucket), bucket.burst)
        self._share = min(self._share + passed / 60.0 * RAISED_A_MINUTE, 1.0)

    def _a_second(self, bucket: _Bucket) -> float:
        return bucket.limit * self._share / 60.0

    def most_in_flight(self) -> int:
        """Calls at once, 1 or more."""
        if self._breadth is not None:
            return min(self._breadth.width, self._most)
        return self._most if self._buckets else max(min(int(self._window), self._most), 1)


class _Turns(Generic[T]):
    """Calls due in the same minute: workflows take turns, each in the order in which its calls are due."""

    __slots__ = ("_calls", "_order")

    def __init__(self) -> None:
        self._calls: dict[str, list[tuple[float, int, T]]] = {}
        self._order: deque[str] = deque()

    def put(self, workflow: str, entry: tuple[float, int, T]) -> None:
        if workflow not in self._calls:
            self._calls[workflow] = []
            self._order.append(workflow)
        heapq.heappush(self._calls[workflow], entry)

    def head(self) -> T:
        return self._calls[self._order[0]][0][2]

    def take(self) -> T:
        workflow = self._order.popleft()
        item = heapq.heappop(self._calls[workflow])[2]
        if self._calls[workflow]:
            self._order.append(workflow)
        else:
            del self._calls[workflow]
        return item

    def __bool__(self) -> bool:
        return bool(self._order)


class Queue(Generic[T]):
    """Calls that wait for a pace, in the order in which they go.

    >>> queue = Queue()
    >>> queue.put("later", now=0.0, due=7_200.0, workflow="a")
    >>> queue.put("sooner", now=0.0, due=3_600.0, workflow="b")
    >>> queue.take(), queue.take(), len(queue)
    ('sooner', 'later', 0)
    """

    def __init__(self) -> None:
        self._classes: dict[int, _Turns[T]] = {}
        self._due: list[int] = []  # a heap of the keys of `_classes`
        self._put = 0
        self._length = 0

    def put(self, item: T, *, now: float, due: float | None, workflow: str) -> None:
        """Let a call wait. `due`: the latest safe moment to send it; None: whenever."""
        due = now + WHENEVER_SECONDS if due is None else due
        minute = int(due // CLASS_SECONDS)
        if minute not in self._classes:
            self._classes[minute] = _Turns()
            heapq.heappush(self._due, minute)
        self._put += 1
        self._length += 1
        self._classes[minute].put(workflow, (due, self._put, item))

    def head(self) -> T | None:
        """The call that goes next, left where it is; None where nothing waits."""
        return self._classes[self._due[0]].head() if self._due else None

    def take(self) -> T:
        """Take out the call that goes next."""
        turns = self._classes[self._due[0]]
        item = turns.take()
        self._length -= 1
        if not turns:
            del self._classes[heapq.heappop(self._due)]
        return item

    def __len__(self) -> int:
        return self._length
