"""One call for one request: written down before it is made, its answer durable before it counts.

What an ending of a call leads to:

====================================  ==========================================================
an answer, or a final no              kept as the request's result line
accepted in the background            kept under the provider's id, and asked after
a rate limit (429)                    taken back; goes through the gate again, which now is slower
no capacity (flex, 529)               taken back; asked again a few times, then the lane is held out
                                      in or left (`lanewise.policy.capacity`)
500, 503                              taken back and asked again a few times, then counted as a try
no connection                         taken back; the batch pauses
a refused credential, an unpaid bill  taken back; the account is held
anything else                         nobody knows whether it was charged: not asked again here, booked
                                      as an upper bound, and asked again as another try
====================================  ==========================================================

500 and 503 are the providers' own words for "we failed on it" and "we are overloaded"; both bill tokens of
answers, and with these there is none, so they are taken as uncharged [assumed; no provider says it]. 502 and
504 are said by whatever stands between: behind it the answer may have been written and charged.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from lanewise.domain.allowances import Load
from lanewise.domain.batches import Sending
from lanewise.domain.lanes import FLEX, HELD, REALTIME
from lanewise.domain.packing import PackingKey
from lanewise.domain.results import ResultLine, Verdict
from lanewise.domain.usage import Usage
from lanewise.failpoints import reach
from lanewise.lanes.paces import Gate
from lanewise.lanes.shift import Shift, load_of_body
from lanewise.policy import capacity, waiting
from lanewise.policy.breadth import work
from lanewise.policy.draining import ANSWER_TOKENS, ASSUMED_ANSWER, PLACES
from lanewise.policy.options import FLEX_NEEDS
from lanewise.policy.pacing import MOST_IN_FLIGHT
from lanewise.providers import dialects, registry
from lanewise.providers.calling import TIMEOUTS, Accepted, Answered, CallTag
from lanewise.providers.protocol import Doubtful, NotSent, ProviderError, RefusalKind, Refused
from lanewise.store.nouns import Ask, Contents
from lanewise.store.protocol import Outbox

UNCHARGED: Final = frozenset({500, 503})
_IN_PLACE: Final = 3  # how often a call is made again at once
_IN_A_ROW: Final = 8  # endings without an answer between them: it is the lane, and not a request
_ROUNDS: Final = 8  # pauses of a batch until its requests are blamed for what the provider fails on
_RECENT: Final = 8.0  # answers that tell how long the next will be
_HOPELESS: Final = (RefusalKind.CREDENTIAL, RefusalKind.BILLING)

Outcome: TypeAlias = Answered | Accepted | ProviderError


@dataclass(frozen=True, slots=True)
class Halt:
    """Why no more of a batch is sent for now. `at`: when it goes on; None: not in this lane."""

    why: str
    at: float | None
    trouble: bool = True  # something failed, rather than had to wait
    refused: Refused | None = None  # the account as such


class Journal:
    """The outbox of one batch, made durable for all calls that wait for it at once."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self._lock = asyncio.Lock()
        self._wanted = self._done = 0

    async def durable(self) -> None:
        """Return when everything that was written down before is on disk; raises `LeaseLost`."""
        self._wanted += 1
        mine = self._wanted
        async with self._lock:
            if self._done < mine:
                reached = self._wanted
                await asyncio.to_thread(self.outbox.sync)
                self._done = reached


class Calls:
    """Makes the calls of one batch for one step."""

    def __init__(self, shift: Shift, batch: Sending, contents: Contents, journal: Journal) -> None:
        self._shift, self._batch, self._contents = shift, batch, contents
        self._journal, self._outbox = journal, journal.outbox
        self.halt: Halt | None = None
        self.made = self.refusals = self.heard = 0  # heard: answered or accepted
        learned = shift.store.learned(shift.account)
        self.answer: float = learned.get(
            (contents.key.model, ANSWER_TOKENS), ASSUMED_ANSWER
        )  # tokens of one, as a rule
        self._fruitless = 0  # endings since the last answer

    def stop(self, halt: Halt) -> None:
        """Send no more; the first reason counts, but for one that concerns the whole account."""
        if self.halt is None or halt.refused is not None:
            self.halt = halt

    @property
    def in_doubt(self) -> bool:
        """Whether the lane has refused for want of capacity and answered nothing yet."""
        return self.refusals > 0 and not self.heard

    def tag(self, custom_id: str) -> CallTag:
        """What a call is known by."""
        return CallTag(custom_id, self._batch.attempt, self._shift.store.home_id)

    async def make(self, ask: Ask, gate: Gate, load: Load, wanted: Callable[[Ask], bool]) -> None:
        """Call until the request is answered, accepted, lost, or not to be asked again in this step.

        The gate has let the first call in. `wanted`: whether it is still to be asked from here; while it
        waits for another try, it may be given to another batch.
        """
        failures = 0
        while True:
            outcome = await self._exchange(ask, gate)
            pause = await self._take(ask, outcome, failures)
            if pause is None or self.halt is not None:
                return
            if pause:
                failures += 1
                await self._shift.clock.sleep(pause)
            back = await self.enter(gate, load, ask)
            if back is not None:
                self.stop(Halt("waits for its turn", back, trouble=False))
                return
            if not wanted(ask):
                gate.left()
                return

    async def enter(self, gate: Gate, load: Load, ask: Ask) -> float | None:
        """Wait for a request's turn; see `Gate.enter`. Flex, slow or refusing, leaves it to a rescue.

        What is due at the same time in real time has no other way any more; what flex does not take has.
        """
        due, room = self._contents.deadline, math.inf
        if self._contents.lane == FLEX:
            room = MOST_IN_FLIGHT - PLACES
            due = None if due is None else due + FLEX_NEEDS
        return await gate.enter(load, due=due, workflow=ask.workflow, room=room)

    async def _exchange(self, ask: Ask, gate: Gate) -> Outcome:
        """One call; the gate hears of its end."""
        lane, key, began = self._contents.lane, self._contents.key, self._shift.now()
        try:
            self._outbox.send([ask.position], began)
            await self._journal.durable()
            reach("call.sent")
            self.made += 1
            outcome = await self._shift.caller().call(
                key, ask.body, lane, tag=self.tag(ask.custom_id), timeout=TIMEOUTS[lane]
            )
        except ProviderError as error:
            self._tell(gate, error, self._shift.now() - began)
            return error
        except BaseException:
            gate.left()
            raise
        usage, took = self._usage(outcome), self._shift.now() - began
        if usage is not None:
            self.answer += (usage.output - self.answer) / _RECENT
        of_server = (
            None if gate.own is None or usage is None else work(usage.total_input, usage.output)
        )
        gate.left(outcome.allowance, took=took, work=of_server)
        if lane in (REALTIME, HELD) and usage is not None:  # a refusal comes quickly
            gate.answered(took)
        return outcome

    def _tell(self, gate: Gate, error: ProviderError, took: float) -> None:
        """What a call that was not answered says about how many there may be."""
        match error:
            case Refused(kind=RefusalKind.BUSY):
                gate.refused(error.allowance, took=took)
            case Refused(kind=RefusalKind.NO_CAPACITY):
                gate.failed(error.allowance, took=took)
            case Refused():
                gate.left(error.allowance)
            case _:
                gate.failed(took=took)

    def _usage(self, outcome: Answered | Accepted) -> Usage | None:
        """What an answer says that it used; None of a refusal, which uses nothing."""
        if not isinstance(outcome, Answered) or not 200 <= outcome.status < 300:
            return None
        found = registry.unwrap(self._contents.key.provider)(outcome.line)
        usage = found.usage if isinstance(found, ResultLine) else None
        return Usage() if usage is None else usage

    async def _take(self, ask: Ask, outcome: Outcome, failures: int) -> float | None:
        """Write down how a call ended; the pause before the next one, None where there is none."""
        match outcome:
            case Answered():
                reach("call.answered")
                self._outbox.answer(ask.position, outcome.line)
                await self._heard()
            case Accepted():
                reach("call.answered")
                self._outbox.accept(ask.position, outcome.receipt_id, self._shift.now())
                await self._heard()
            case Doubtful() if outcome.status not in UNCHARGED:
                self._fruitless += 1
                self._lost(ask, outcome)
            case _:
                self._fruitless += 1
                self._outbox.unsend(ask.position)
                return self._not_taken(ask, outcome, failures)
        return None

    async def _heard(self) -> None:
        await self._journal.durable()
        self.heard += 1
        self._fruitless = 0

    def _lost(self, ask: Ask, error: Doubtful) -> None:
        self._outbox.lost(ask.position)
        if self._fruitless >= _IN_A_ROW:
            self.stop(Halt(str(error), self._later(error)))

    def _not_taken(self, ask: Ask, error: ProviderError, failures: int) -> float | None:
        """The provider did nothing, and charged nothing."""
        match error:
            case Refused(kind=RefusalKind.BUSY):
                return 0.0
            case Refused(kind=RefusalKind.NO_CAPACITY):
                self.refusals += 1
                return self._no_capacity(error, failures)
            case Refused() if error.kind in _HOPELESS:
                self.stop(Halt(str(error), self._later(error), refused=error))
            case Doubtful():
                return self._failed(ask, error, failures)
            case _:
                self.stop(Halt(str(error), self._later(error)))
        return None

    def _no_capacity(self, error: Refused, failures: int) -> float | None:
        if failures < _IN_PLACE or not self._barren():
            return self._soon(failures)
        now, deadline = self._shift.now(), self._contents.deadline
        left = None if deadline is None else deadline - now
        pause = capacity.hold_out(self._batch.troubles, left)
        self.stop(Halt(str(error), None if pause is None else now + pause))
        return None

    def _failed(self, ask: Ask, error: Doubtful, failures: int) -> float | None:
        if failures < _IN_PLACE:
            return self._soon(failures)
        if self._barren() and self._batch.troubles < _ROUNDS:
            self.stop(Halt(str(error), self._later(error)))
            return None
        line = dialects.unanswered(
            self._contents.key.provider, ask.custom_id, Verdict.FAILED, "server_error", str(error)
        )
        self._outbox.send([ask.position], self._shift.now())
        self._outbox.answer(ask.position, line)
        return None

    def _barren(self) -> bool:
        """Whether nobody gets an answer here, rather than one request."""
        return not self.heard or self._fruitless >= _IN_A_ROW

    def _soon(self, failures: int) -> float:
        return waiting.backoff(min(failures, _IN_PLACE) + 1, noise=self._shift.noise.random())

    def _later(self, error: ProviderError) -> float:
        first = 1.0 if isinstance(error, NotSent) else 5.0
        return self._shift.later(self._batch.troubles, error, first=first)


class _Asked(msgspec.Struct):
    model: str = ""
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None


def model_and_load(key: PackingKey, body: bytes, *, answer: int = 0) -> tuple[str, Load]:
    """Which model a body asks, and how much it takes of the limits; `answer`: tokens, as a rule.

    >>> key = PackingKey("openai", "an-account", "/v1/responses", "m")
    >>> model_and_load(key, b'{"model":"m","input":"x","max_output_tokens":400}')
    ('m', Load(input=12, output=388, requests=1))
    """
    try:
        asked = msgspec.json.decode(body, type=_Asked)
    except msgspec.ValidationError:  # the provider refuses it in its own words
        asked = _Asked()
    limit = asked.max_completion_tokens or asked.max_output_tokens or asked.max_tokens or 0
    return asked.model or key.model, load_of_body(key.provider, len(body), limit, answer=answer)
