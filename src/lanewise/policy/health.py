"""Whether calls should go to a server, judged by how the last ones went: a circuit breaker, and rests.

A server that fails too often gets no calls for a while, then a single one: if that goes well it gets all
of them again, if not it is left alone for twice as long. A server that names a time at which to come back
is left alone until then, for the model it said so of. `now` is passed, in seconds of any clock that only
moves forward.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import Final, Protocol, TypeVar

LAST: Final = 20  # calls that are judged by
SPAN_SECONDS: Final = 60.0  # and no older than this
LEAST_FAILED: Final = 5
FIRST_REST_SECONDS: Final = 5.0
LONGEST_REST_SECONDS: Final = 300.0
TRIAL_SECONDS: Final = 60.0  # of a trial nothing was heard of: another may go
SAID_NOTHING_SECONDS: Final = 1.0  # a rate limit without a time to come back
_MOST_RESTING: Final = 1_000  # models: callers name them


class Outcome(Enum):
    """How a call went, as far as its server is concerned."""

    WELL = "well"  # whatever it answered, it works
    LATER = "later"  # a limit was met; another server may have room
    ELSEWHERE = "elsewhere"  # not executed, and of no use to try here again: another may do it
    FAILED = "failed"  # a failure of the server after which nobody knows whether it was executed


_LATER: Final = frozenset({429, 503, 529})
_ELSEWHERE: Final = frozenset({401, 403, 404})  # a credential or a model that this server lacks


def outcome(status: int) -> Outcome:
    """What a status says; the statuses of OpenAI, Anthropic (529: overloaded) and servers like theirs.

    >>> outcome(200), outcome(400), outcome(429), outcome(500)
    (<Outcome.WELL: 'well'>, <Outcome.WELL: 'well'>, <Outcome.LATER: 'later'>, <Outcome.FAILED: 'failed'>)
    """
    if status in _LATER:
        return Outcome.LATER
    if status in _ELSEWHERE:
        return Outcome.ELSEWHERE
    return Outcome.FAILED if status >= 500 else Outcome.WELL


class Health:
    """Of one server."""

    __slots__ = ("_last", "_rest", "_rests", "_trial_at", "shut_until")

    def __init__(self) -> None:
        self._last: deque[tuple[float, bool]] = deque(maxlen=LAST)
        self._rest = FIRST_REST_SECONDS
        self._rests: dict[str, float] = {}  # by model: until when
        self._trial_at = -math.inf  # when the trial under way went
        self.shut_until = 0.0  # 0: open to all

    def takes(self, now: float) -> bool:
        """Whether a call may go there now; one that is a trial is counted as gone."""
        if not self.shut_until:
            return True
        if now < self.shut_until or now < self._trial_at + TRIAL_SECONDS:
            return False
        self._trial_at = now
        return True

    def rests(self, model: str, now: float) -> float:
        """Seconds for which it asked to be spared calls for a model."""
        until = self._rests.get(model, 0.0) if self._rests else 0.0
        return max(until - now, 0.0)

    def wait(self, now: float) -> float:
        """Seconds until a trial, where it is shut."""
        return max(self.shut_until - now, 0.0)

    def well(self, now: float) -> None:
        """A call was answered."""
        if self.shut_until:
            self.shut_until, self._rest = 0.0, FIRST_REST_SECONDS
            self._trial_at = -math.inf
            self._last.clear()
        if self._last:  # as long as all goes well there is nothing to keep
            self._last.append((now, False))

    def failed(self, now: float) -> None:
        """A call failed, or was never taken."""
        if self.shut_until:
            if (
                self._trial_at > -math.inf
            ):  # the trial, or one that went before it: too early either way
                self._rest = min(self._rest * 2.0, LONGEST_REST_SECONDS)
                self._shut(now)
            return
        self._last.append((now, True))
        recent = [bad for at, bad in self._last if at > now - SPAN_SECONDS]
        bad = sum(recent)
        if bad >= LEAST_FAILED and 2 * bad >= len(recent):
            self._shut(now)

    def spare(self, model: str, now: float, seconds: float | None) -> None:
        """It asks to be spared for so long; None where it does not say how long."""
        if len(self._rests) >= _MOST_RESTING:
            self._rests = {name: until for name, until in self._rests.items() if until > now}
        if len(self._rests) < _MOST_RESTING:
            asked = SAID_NOTHING_SECONDS if seconds is None else seconds
            self._rests[model] = now + min(asked, LONGEST_REST_SECONDS)

    def _shut(self, now: float) -> None:
        self.shut_until, self._trial_at = now + self._rest, -math.inf


class Weighed(Protocol):
    """Something that has a share of the calls."""

    @property
    def weight(self) -> int:
        """Its share, against those of the others."""
        ...


W = TypeVar("W", bound=Weighed)


class Rotation:
    """Takes turns by weight, evenly spread: of weights 2 and 1, a b a a b a.

    >>> from types import SimpleNamespace as Server
    >>> turns, a, b = Rotation(), Server(weight=2), Server(weight=1)
    >>> [turns.next([a, b]) is a for _ in range(6)]
    [True, False, True, True, False, True]
    """

    def __init__(self) -> None:
        self._credit: dict[int, int] = {}

    def next(self, among: Sequence[W]) -> W:
        """Whose turn it is; those without weight have one only where no other is there."""
        total = sum(one.weight for one in among)
        if not total:
            return among[0]
        for one in among:
            self._credit[id(one)] = self._credit.get(id(one), 0) + one.weight
        chosen = max(among, key=lambda one: self._credit[id(one)])
        self._credit[id(chosen)] -= total
        return chosen
