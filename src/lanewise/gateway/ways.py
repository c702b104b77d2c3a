"""Where calls in real time go: the servers of one API, which is tried first, and which after it.

A call goes to another server only where the first certainly did not execute it: no connection came about, a
limit was met (429, 503, 529), or a server lacks the credential or the model (401, 403, 404). After any
other failure nobody knows whether it was executed, and what may have been paid for is not sent again.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from lanewise.app.accounts import Member
from lanewise.gateway.asked import Refused
from lanewise.gateway.upstream import Answer, Upstream, UpstreamFailed
from lanewise.gateway.wire import Head
from lanewise.policy.health import Health, Outcome, Rotation, outcome
from lanewise.providers.protocol import Account
from lanewise.providers.rate_headers import retry_after_of
from lanewise.upstreams import NamedUpstream

logger: Final = logging.getLogger("lanewise.gateway")
MOST_UNDER_WAY: Final = 2_000  # calls to one upstream
_MOST_TRIES: Final = 3
_LACKS_SECONDS: Final = 30.0  # a server without the credential or the model is spared its calls
_TIMES: Final = (b"retry-after", b"retry-after-ms")


@dataclass(slots=True, eq=False)
class Way:
    """One server: who pays there, and how it has been lately."""

    member: Member
    account: Account  # as it is reached
    upstream: Upstream
    health: Health = field(default_factory=Health)

    @property
    def weight(self) -> int:
        """Its share of calls."""
        return self.member.weight

    @property
    def named(self) -> NamedUpstream | None:
        """What settings say of it; None where it takes every model."""
        return self.member.named

    @property
    def full(self) -> bool:
        """Whether it has as many calls as it may."""
        return self.upstream.under_way >= MOST_UNDER_WAY


class Ways:
    """The servers of one API. Of one event loop."""

    def __init__(self, ways: Sequence[Way]) -> None:
        self.all = tuple(ways)
        self._rotation = Rotation()

    def order(self, model: str, now: float) -> Sequence[Way]:
        """Those to try, best first; raises `Refused` where none has the model, has room, or is well.

        `now`: seconds of the loop's clock.
        """
        only = self.all[0]
        if (
            len(self.all) == 1
            and only.named is None
            and not only.full
            and not only.health.shut_until
        ):
            return self.all
        fit = [way for way in self.all if way.member.takes(model)]
        if not fit:
            message = f"no upstream of this gateway has the model {model[:200]!r}"
            raise Refused(404, message, code="model_not_found")
        roomy = [way for way in fit if not way.full]
        if not roomy:
            raise Refused(429, f"{MOST_UNDER_WAY} calls are under way; try again in a second")
        if len(roomy) == 1 and not roomy[0].health.shut_until:
            return roomy
        found = self._ordered(roomy, model, now)
        if not found:
            wait = min(way.health.wait(now) for way in roomy)
            after = (b"retry-after", b"%d" % max(math.ceil(wait), 1))
            raise Refused(503, "the upstream keeps failing and is left alone", headers=[after])
        return found[:_MOST_TRIES]

    def _ordered(self, roomy: Sequence[Way], model: str, now: float) -> list[Way]:
        on_trial = next((w for w in roomy if w.health.shut_until and w.health.takes(now)), None)
        up = [way for way in roomy if not way.health.shut_until]
        well = [way for way in up if not way.health.rests(model, now)]
        weighed = [way for way in well if way.weight]
        found = [] if on_trial is None else [on_trial]
        if weighed:
            found.append(self._rotation.next(weighed))
        found += [way for way in (*weighed, *well) if way not in found]
        resting = sorted(set(up) - set(well), key=lambda way: way.health.rests(model, now))
        return list(dict.fromkeys([*found, *resting]))


@dataclass(slots=True)
class Tries:
    """One call, sent to one server after another until one takes it."""

    order: Sequence[Way]
    model: str
    now: Callable[[], float]  # the loop's clock
    tied: bool = False  # it goes on from what one server keeps, and the others know nothing of
    way: Way = field(init=False)  # the one that is being tried, or took it

    def __post_init__(self) -> None:
        self.way = self.order[0]

    async def send(self, ask: Callable[[Way], Awaitable[Answer]]) -> Answer:
        """The answer of the first that takes it, or else of the last; raises `UpstreamFailed`."""
        for way in self.order[:-1]:
            self.way = way
            try:
                answer = await ask(way)
            except UpstreamFailed as failed:
                way.health.failed(self.now())
                if failed.sent:
                    raise
                logger.warning("upstream %s: %s; the next is tried", way.member.name, failed)
                continue
            if not self._elsewhere(way, answer.head):
                return answer
            answer.close()
        self.way = way = self.order[-1]
        try:
            answer = await ask(way)
        except UpstreamFailed:
            way.health.failed(self.now())
            raise
        self._elsewhere(way, answer.head)
        return answer

    def broke_off(self) -> None:
        """The answer did not come to its end, by the server's fault."""
        self.way.health.failed(self.now())

    def _elsewhere(self, way: Way, head: Head) -> bool:
        """Note how the server is; whether another may still take the call."""
        found = outcome(head.status)
        if found is Outcome.FAILED:
            way.health.failed(self.now())
            return False
        way.health.well(self.now())
        if self.tied and head.status in (400, 404):  # what is kept elsewhere
            return True
        if found is Outcome.LATER:
            said = {
                name.decode(): v.decode("latin-1") for name, v in head.headers if name in _TIMES
            }
            way.health.spare(self.model, self.now(), retry_after_of(said))
        elif found is Outcome.ELSEWHERE:
            way.health.spare(self.model, self.now(), _LACKS_SECONDS)
        return found is not Outcome.WELL
