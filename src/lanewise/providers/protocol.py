"""What lanewise asks of a provider's batch lane, and the words in which the answers come.

An adapter translates: one call of ours is one HTTP exchange, or one walk through a listing. It never
retries, logs, sleeps or remembers, and the provider's own words (status strings, error codes) stop
here. Whether to try again is decided in `lanewise.policy`, by the class of what was raised:

====================  =========================================================================
`NotSent`             the request provably never reached the provider: sending again is safe
`Refused`             the provider answered no: nothing was accepted, nothing is charged
`Doubtful`            anything else: time-out, reset, 5xx. Of a create, nobody knows the outcome
====================  =========================================================================
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from lanewise.domain.allowances import NOTHING_SAID, Allowance
from lanewise.domain.batches import Ending, Receipt
from lanewise.domain.ids import AccountId, AttemptId, BatchId
from lanewise.domain.packing import Limits, PackingKey
from lanewise.domain.results import ResultLine, Unreadable
from lanewise.domain.usage import Usage
from lanewise.secret import Secret


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the provider bills, and where it is reached."""

    id: AccountId
    provider: str
    base_url: str  # without a trailing slash; OpenAI's ends in /v1
    key: Secret
    headers: Mapping[str, str] = field(default_factory=dict)  # organisation, project, version


class RefusalKind(StrEnum):
    """Why a provider said no, as far as it matters for what to do next."""

    BUSY = "busy"  # rate limit, overload, quota of queued work: later
    NO_CAPACITY = "no_capacity"  # this lane is full for the moment, whoever asks; uncharged
    NOT_YET = "not_yet"  # it does not see the uploaded file (yet)
    CREDENTIAL = "credential"  # 401, 403: nothing will work until somebody acts
    BILLING = "billing"  # out of money or over a spend limit: likewise
    INVALID = "invalid"  # this batch, as it is, will never be accepted
    ABSENT = "absent"  # what was asked for does not exist (or not yet, or no longer)


class ProviderError(Exception):
    """A call to a provider that did not succeed. The message has no body and no credential in it."""


class NotSent(ProviderError):
    """The request provably never reached the provider."""


class Doubtful(ProviderError):
    """The answer proves nothing, or there was none. `status` is 0 where there was no answer."""

    def __init__(self, message: str, *, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Refused(ProviderError):
    """The provider said no."""

    def __init__(
        self,
        kind: RefusalKind,
        message: str,
        *,
        status: int,
        code: str = "",
        retry_after: float | None = None,
        allowance: Allowance = NOTHING_SAID,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.allowance = allowance  # of calls: what the refusal says about limits


class Payload(Protocol):
    r"""The lines of a batch, in the provider's own line format, each ending in one `\n`."""

    @property
    def requests(self) -> int:
        """How many lines."""
        ...

    @property
    def size(self) -> int:
        """Their bytes, line ends included."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """The bytes from the start, in pieces of any size; may be called more than once."""
        ...


@dataclass(frozen=True, slots=True)
class Tag:
    """What we write on a batch, where the provider lets us, to know it again."""

    attempt: AttemptId
    batch: BatchId
    home: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for when the outcome of a create is not known."""

    attempt: AttemptId
    file_id: str | None
    sent_at: float  # by our clock
    requests: int
    owned: frozenset[str]  # provider ids that certainly belong to other batches


@dataclass(frozen=True, slots=True)
class Seen:
    """A batch in the provider's listing."""

    provider_id: str
    created_at: float  # by the provider's clock
    requests: int | None  # None while the provider has not counted yet
    expires_at: float | None = None
    attempt: AttemptId | None = None  # from our tag, where there is one
    home: str | None = None
    file_id: str | None = None
    ended: bool = False

    @property
    def receipt(self) -> Receipt:
        """What a create would have answered."""
        return Receipt(self.provider_id, self.expires_at)


@dataclass(frozen=True, slots=True)
class Sighting:
    """The answer to a search: candidates, oldest first, and whether they are certain.

    `certain`: matched by a tag or file that only this attempt carries. Otherwise a candidate is
    only compatible (time, count), and its results must prove it.
    """

    candidates: tuple[Seen, ...]
    certain: bool


class RejectionKind(StrEnum):
    """Why a provider failed a batch as a whole, as far as it matters for what to do next."""

    QUOTA = "quota"  # too much queued work: wait, and learn the limit
    LINES = "lines"  # the named lines are at fault: set them aside, pack the rest again
    WHOLE = "whole"  # every line is at fault in the same way, e.g. an unknown model
    BILLING = "billing"  # nothing will work until somebody acts
    TRANSIENT = "transient"  # no fault of the batch


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason for a rejection. `line` counts from 1, None where the whole batch is meant."""

    line: int | None
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Working:
    """Not done. Counts are None where the provider does not tell."""

    done: int | None = None
    total: int | None = None
    finalizing: bool = False
    cancelling: bool = False
    retry_after: float | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """Ended with whatever results there are. `files` are handed back to `download`."""

    ending: Ending
    files: tuple[str, ...]
    usage: Usage | None = None  # the provider's own sum, where it gives one
    expires_at: float | None = None
    ended_at: float | None = None  # by the provider's clock: the day its invoice names


@dataclass(frozen=True, slots=True)
class Failed:
    """Refused as a whole after it was accepted: nothing executed, nothing charged."""

    kind: RejectionKind
    problems: tuple[Problem, ...]
    limit: int | None = None  # the queued-work limit, where the message names it


Progress: TypeAlias = Working | Done | Failed


@dataclass(frozen=True, slots=True)
class Download:
    """A file on its way. `start` is 0 where the provider ignored the wish to resume."""

    start: int
    size: int | None  # of the whole file, where known
    chunks: AsyncIterator[bytes]


class BatchProvider(Protocol):
    """One account at one provider. Not safe to share between event loops."""

    @property
    def account(self) -> Account:
        """Whom it bills."""
        ...

    @property
    def region(self) -> str | None:
        """Where the account's address asks the provider to process; None where it is free to choose."""
        ...

    @property
    def uploads(self) -> bool:
        """Whether bodies are uploaded before the create call, rather than with it."""
        ...

    def create_timeout(self, size: int) -> float:
        """Seconds after which an unanswered create is given up; `size`: bytes of the batch's lines."""
        ...

    def limits(self, endpoint: str) -> Limits:
        """What one batch for this endpoint may hold."""
        ...

    async def upload(self, payload: Payload, tag: Tag) -> str:
        """Send the bodies, named after the attempt; returns the provider's file id."""
        ...

    async def create(
        self, key: PackingKey, tag: Tag, *, file_id: str | None, payload: Payload, timeout: float
    ) -> Receipt:
        """The call that can cost money: sent once, given up for good after `timeout` seconds."""
        ...

    async def find(self, wanted: Wanted) -> Sighting:
        """Walk through the listing back to an hour before `wanted.sent_at`: clocks differ."""
        ...

    async def check(self, receipt: Receipt) -> Progress:
        """How far it is."""
        ...

    async def download(self, receipt: Receipt, file: str, *, start: int = 0) -> Download:
        """Results as the provider wrote them, from byte `start` where it can resume."""
        ...

    async def cancel(self, receipt: Receipt) -> None:
        """Ask it to stop; what is done by then is still delivered and charged."""
        ...

    async def delete_file(self, file_id: str) -> None:
        """Remove an input or result file; one that is gone already is no error."""
        ...

    def listing(self, since: float) -> AsyncIterator[Seen]:
        """Every batch created after `since` (the provider's clock), newest first."""
        ...

    def files_of(self, batch_file: str | None, files: Iterable[str]) -> tuple[str, ...]:
        """Which provider files a finished batch leaves behind, for `delete_file`."""
        ...

    def unwrap(self, line: bytes) -> ResultLine | Unreadable:
        """One line of a downloaded file. Pure, and quick: it runs for every result."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
