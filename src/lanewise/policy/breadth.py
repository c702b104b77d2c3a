"""How many calls at once a server gains from, found out by watching what it does with them.

A server of one's own states no limits. Up to some number of calls it writes more a second with every one
added; beyond that calls only wait for each other, and so does whoever is watched by a person. The number is
found by adding a few calls at a time (their square root) while throughput grows with them, and by cutting a
part where it does not, or where calls fail.

Throughput is reckoned in rounds: so many calls under way, each written at so many tokens a second. Tokens
and not answers, for a long answer takes long on an idle server too. How throughput goes with the number of
calls is the slope of a line through the last rounds, the newest counting most, so that one odd round turns
nothing. A round far off that line is of a server that has changed: what was known of it is forgotten.

A plain structure: `now` is passed, in seconds; nothing here waits or reads a clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

MOST: Final = 256  # calls at once, never more
FIRST: Final = 4
WORTH: Final = 0.3  # the least slope where more calls are worth having: 1 is all gain, 0 is none
CUT: Final = 0.85  # of the breadth, where more calls gained nothing
DEEP_CUT: Final = 0.5  # of the breadth, where the server has too much to do, or became much slower
FAILING: Final = 0.1  # a share of calls that fail: it has too much to do
KEPT: Final = 0.7  # of the weight of earlier rounds, with each new one
CHANGED: Final = 0.5  # off the line (natural logarithm) by so much: another server
LEAST_ROUND: Final = 24  # answers in a round
READ_SHARE: Final = 0.1  # what a token that is read costs of one that is written [assumed]
_TOO_NEAR: Final = 0.05  # of each other (natural logarithm): such rounds tell no slope


def work(tokens_in: int, tokens_out: int) -> float:
    """What an answer took of the server, in written tokens; one that does not say counts as one.

    >>> work(1_000, 50), work(0, 0)
    (150.0, 1.0)
    """
    return tokens_out + READ_SHARE * tokens_in or 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through points of falling weight, by least squares."""

    weight: float = 0.0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    def through(self, x: float, y: float) -> Line:
        """With one more point; those there are weigh less."""
        return Line(
            KEPT * self.weight + 1.0,
            KEPT * self.x + x,
            KEPT * self.y + y,
            KEPT * self.xx + x * x,
            KEPT * self.xy + x * y,
        )

    def slope(self) -> float | None:
        """None while the points tell none."""
        if not self.weight:
            return None
        spread = self.xx - self.x * self.x / self.weight
        if spread < _TOO_NEAR**2:
            return None
        return (self.xy - self.x * self.y / self.weight) / spread

    def slope_to(self, x: float, y: float) -> float | None:
        """From the middle of the points to this one."""
        if not self.weight or abs(x - self.x / self.weight) < _TOO_NEAR:
            return None
        return (y - self.y / self.weight) / (x - self.x / self.weight)

    def off(self, x: float, y: float) -> float:
        """How far above the line a point is, or (less than 0) below.

        Where no slope is known, above or below whatever is between none and 1.
        """
        if not self.weight:
            return 0.0
        slope, step = self.slope(), x - self.x / self.weight
        slopes = (0.0, 1.0) if slope is None else (slope,)
        likely = [self.y / self.weight + step * each for each in slopes]
        return y - min(max(y, min(likely)), max(likely))


class Breadth:
    """The calls at once for one model of one server."""

    def __init__(self, most: int = MOST) -> None:
        """`most`: calls at once, never more."""
        self._most = float(most)
        self._width = min(float(FIRST), self._most)
        self._doubling = True  # until the first round that gained nothing
        self._line = Line()
        self._cut_at = -math.inf
        self._round = _Round()

    @property
    def width(self) -> int:
        """Calls at once, 1 or more."""
        return round(self._width)

    def began(self, now: float, *, full: bool) -> None:
        """A call begins; `full`: with it there are as many as there may be.

        A round counts from when as many calls have begun as there may be: before, the server does not feel
        the number yet.
        """
        told = self._round
        told.full = told.full or full
        told.begun += 1
        if told.since is None and told.full and told.begun >= self.width:
            told.since = now

    def answered(self, began: float, now: float, work: float, beside: int) -> None:
        """An answer came; `work`: see `work`; `beside`: calls that the server had, with this one."""
        told = self._round
        told.ended += 1
        if told.since is None or now <= began or now <= told.since:
            return
        told.came += work
        if began >= told.since:
            told.add(work, now - began, beside)
        if told.answers >= max(2 * self.width, LEAST_ROUND):
            self._turn(now)

    def refused(self, began: float, now: float) -> None:
        """The server said that it has too much to do."""
        if began >= self._cut_at:  # one that was begun before the last cut tells nothing new
            self._cut_at, self._line = now, Line()
            self._cut(DEEP_CUT)

    def failed(self, began: float, now: float) -> None:
        """A call met an error or a time-out; a few may be the fault of their requests."""
        told = self._round
        told.ended += 1
        told.failed += 1
        if told.failed > 1 and told.failed > FAILING * told.ended:
            self.refused(began, now)

    def _turn(self, now: float) -> None:
        """A round is over: more calls, or fewer."""
        x, y = self._round.point(now)
        off = self._line.off(x, y)
        if abs(off) > CHANGED:
            self._line = Line()
        slope = self._slope(x, y)
        self._line = self._line.through(x, y)
        if off < -CHANGED:
            self._cut(max(math.exp(off / 2.0), DEEP_CUT))
        elif slope is not None and slope < WORTH and self._width > 1.0:
            self._cut(CUT)
        else:
            self._raise()

    def _slope(self, x: float, y: float) -> float | None:
        """What more calls gain.

        While they are doubled, two rounds say it. Later, fewer calls that cost throughput say so at once.
        """
        whole, last = self._line.through(x, y).slope(), self._line.slope_to(x, y)
        if whole is None or last is None:
            return whole
        if self._doubling:
            return last
        return max(whole, last) if x < self._line.x / self._line.weight else whole

    def _raise(self) -> None:
        more = self._width if self._doubling else math.sqrt(self._width)
        self._width = min(self._width + more, self._most)
        self._round = _Round()

    def _cut(self, share: float) -> None:
        self._width = max(share * self._width, 1.0)
        self._doubling = False
        self._round = _Round()


@dataclass(slots=True)
class _Round:
    """What was seen since the breadth was changed."""

    since: float | None = None  # calls begun from then on count
    full: bool = False
    begun: int = 0
    ended: int = 0
    failed: int = 0
    came: float = 0.0  # work of every answer since then
    answers: int = 0  # those that were begun since then, and so on
    work: float = 0.0
    took: float = 0.0
    beside: int = 0
    speed: float = 0.0
    speed_squared: float = 0.0

    def add(self, work: float, took: float, beside: int) -> None:
        speed = work / took
        self.answers += 1
        self.work += work
        self.took += took
        self.beside += beside
        self.speed += speed
        self.speed_squared += speed * speed

    def point(self, now: float) -> tuple[float, float]:
        """Calls at once, and throughput, in logarithms.

        Where calls fare alike, throughput is best told by how they fared; where some wait long for little,
        by what came in the time.
        """
        assert self.since is not None, "a round that is over has begun"
        beside = self.beside / self.answers
        fared = math.log(beside * self.work / self.took)
        came = math.log(self.came / (now - self.since))
        mean = self.speed / self.answers
        spread = max(self.speed_squared / self.answers / (mean * mean) - 1.0, 0.0)
        uneven = min(spread, 1.0)
        return math.log(beside), fared + uneven * (came - fared)
