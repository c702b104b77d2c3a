"""When work will be done, as far as anybody can say: a chance for every time, and what it rests on."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Final, Protocol

_ROUNDING: Final = 1e-12  # a share that is reached but for this is reached


class Outlook(Protocol):
    """When work will be done, as far as anybody can say. Seconds and shares."""

    def done_within(self, seconds: float) -> float:
        """P(T <= seconds), never decreasing, from 0 to 1."""
        ...

    def given(self, elapsed: float) -> Outlook:
        """The outlook of what still runs after `elapsed` seconds; its time counts from then."""
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """The own observations behind a curve."""

    finished: int
    censored: int  # still running, cancelled by us or expired when last seen


@dataclass(frozen=True, slots=True)
class Curve:
    """The share still running after so many seconds, linear in between and level after the last.

    >>> curve = Curve((0.0, 60.0, 3_600.0), (1.0, 0.5, 0.1), "made up", Sample(0, 0))
    >>> curve.done_within(30.0), curve.done_within(86_400.0)
    (0.25, 0.9)
    >>> curve.quantile(0.5), curve.quantile(0.99)
    (60.0, None)
    >>> round(curve.given(60.0).done_within(3_540.0), 6)
    0.8
    """

    times: tuple[float, ...]  # seconds, ascending from 0
    survival: tuple[float, ...]  # never increasing from 1
    basis: str  # what it rests on, for people
    sample: Sample
    assumed: float = 1.0  # what the prior weighs in it
    elapsed: float = 0.0
    left: float = 1.0  # the share still running after `elapsed`

    def done_within(self, seconds: float) -> float:
        """P(T <= seconds), never decreasing, from 0 to 1; 0 where nothing is known of so late a time."""
        if seconds <= 0.0 or self.left <= 0.0:
            return 0.0
        return 1.0 - self._running(self.elapsed + seconds) / self.left

    def given(self, elapsed: float) -> Curve:
        """The curve of what still runs after `elapsed` seconds more; its time counts from then."""
        at = self.elapsed + max(elapsed, 0.0)
        same = (self.times, self.survival, self.basis, self.sample, self.assumed)
        return Curve(*same, at, self._running(at))

    def quantile(self, p: float) -> float | None:
        """The seconds within which a share `p` is done; None where the curve never reaches it."""
        if p <= 0.0:
            return 0.0
        wanted = self.left * (1.0 - p)
        after = bisect_left(self.survival, -wanted - _ROUNDING, key=lambda share: -share)
        if after == len(self.survival) or self.left <= 0.0:
            return None
        if after == 0:
            return 0.0
        high, low = self.survival[after - 1], self.survival[after]
        begin, end = self.times[after - 1], self.times[after]
        part = min((high - wanted) / (high - low), 1.0)
        return max(begin + (end - begin) * part - self.elapsed, 0.0)

    def _running(self, at: float) -> float:
        after = bisect_right(self.times, at)
        if after == len(self.times):
            return self.survival[-1]
        high, low = self.survival[after - 1], self.survival[after]
        begin, end = self.times[after - 1], self.times[after]
        return min(high, max(low, high - (high - low) * (at - begin) / (end - begin)))
