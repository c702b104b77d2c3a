"""What lanewise asks of the lanes that take one request at a time: real time, flex, background.

An adapter translates: one call of ours is one HTTP exchange. It never retries, logs, sleeps or remembers.
What a call ends with, and what each ending proves:

====================  =========================================================================
`Answered`            the provider is done with this request: a result, or its final no (400, 413 ...)
`Accepted`            background only: it works on it, and hands the result out under the receipt
`NotSent`             the request provably never reached the provider: sending again is safe
`Refused`             BUSY a rate limit, NO_CAPACITY the lane is full for the moment: nothing is charged,
                      and nothing is wrong with the request; CREDENTIAL, BILLING: somebody must act
`Doubtful`            time-out, reset, 5xx: it may have been worked on and charged, and is not answered
====================  =========================================================================

OpenAI has no list of background responses: one whose receipt was lost cannot be found again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from lanewise.domain.allowances import NOTHING_SAID, Allowance
from lanewise.domain.ids import AttemptId
from lanewise.domain.lanes import BACKGROUND_2H, BACKGROUND_8H, FLEX, HELD, REALTIME, LaneName
from lanewise.domain.packing import PackingKey
from lanewise.providers.protocol import Account

# Seconds after which a call is given up. OpenAI advises 15 minutes for flex; its SDK and Anthropic's
# give up after 10. A background call is only accepted on the connection.
TIMEOUTS: Final[dict[LaneName, float]] = {
    REALTIME: 600.0,
    HELD: 600.0,
    FLEX: 900.0,
    BACKGROUND_2H: 60.0,
    BACKGROUND_8H: 60.0,
}


@dataclass(frozen=True, slots=True)
class CallTag:
    """What the result line is to be known by; written on a background response as well."""

    custom_id: str
    attempt: AttemptId
    home: str


@dataclass(frozen=True, slots=True)
class Answered:
    r"""The provider is done with the request.

    `line` is in the form of the provider's own batch output, with our custom_id and the provider's body byte
    for byte (line breaks between its members become spaces), ending in one `\n`: `unwrap` reads it.
    `status` is the HTTP status, 400 and more for a final no; 0 for a background response that was cancelled.
    """

    line: bytes
    status: int
    allowance: Allowance = NOTHING_SAID


@dataclass(frozen=True, slots=True)
class Accepted:
    """A background response has begun; nothing is charged before it has ended."""

    receipt_id: str
    allowance: Allowance = NOTHING_SAID


@dataclass(frozen=True, slots=True)
class Running:
    """A background response that has not ended. `retry_after`: seconds, where the provider says."""

    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The provider has no such background response (any more)."""

    why: str


Progress: TypeAlias = Answered | Running | Lost


class CallProvider(Protocol):
    """One account at one provider. Not safe to share between event loops."""

    @property
    def account(self) -> Account:
        """Whom it bills."""
        ...

    async def call(
        self, key: PackingKey, body: bytes, lane: LaneName, *, tag: CallTag, timeout: float
    ) -> Answered | Accepted:
        """Send one request, given up after `timeout` seconds (see `TIMEOUTS`)."""
        ...

    async def check(self, receipt_id: str, *, tag: CallTag) -> Progress:
        """How far a background response is; `tag` as it was given to `call`."""
        ...

    async def cancel(self, receipt_id: str) -> None:
        """Ask a background response to stop. One that has ended, or is gone, is no error."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
