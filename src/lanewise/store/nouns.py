"""What the store is asked about and answers with: runs, waiting requests, batches, results, events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from lanewise.domain.batches import Batch
from lanewise.domain.decisions import Decision
from lanewise.domain.ids import AccountId, AttemptId, BatchId, RunId, SegmentId, WorkerId
from lanewise.domain.lanes import BATCH, REALTIME, LaneName
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.packing import PackingKey
from lanewise.domain.results import Verdict
from lanewise.domain.usage import Usage
from lanewise.domain.webhooks import Kind
from lanewise.errors import LanewiseError
from lanewise.store.books import Cap, LedgerRow
from lanewise.store.records import Record, RecordTable


class ConflictingReceipt(LanewiseError):
    """A provider's batch was to be recorded for one of ours, and belongs to another."""


class AlreadyClaimed(LanewiseError):
    """A request was to be accepted under an idempotency key that another call has taken meanwhile."""


@dataclass(frozen=True, slots=True)
class Run:
    """One submission of requests by one caller."""

    id: RunId
    name: str
    workflow: str
    digest: str
    source: str
    requests: int
    bytes: int
    state: Literal["open", "cancelling", "finished"]
    created_at: float
    finished_at: float | None
    answered: int
    refused: int
    unanswered: int
    asked: str = ""  # the deadline in the caller's words
    deadline: float | None = None  # the earliest of its requests; None for whenever
    late: int = 0  # answered after their deadline
    copies: int = 0  # of its requests: those that get the answer of another, of the same content

    @property
    def remaining(self) -> int:
        """Requests without a final result."""
        return self.requests - self.answered - self.refused - self.unanswered


@dataclass(frozen=True, slots=True)
class Route:
    """Which way requests go: what policy decided, and the class of deadlines that they share.

    Requests of different routes never share a segment. Compared by identity where a million pass.
    """

    decision: Decision
    deadline_class: int = 0
    once: bool = False  # whether those of the same content are asked once


UNDECIDED: Final = Route(
    Decision(BATCH, BATCH, (BATCH, REALTIME), "", "", "the batch lane: nothing was asked of policy")
)


class Claim(NamedTuple):
    """By what a repeated call finds the request that it made: a name it gave, and what it asked.

    And who is told of its end.
    """

    name: str | None  # its idempotency key
    content: bytes  # a digest of where it was sent and of its body
    webhook: str | None = None  # which of the tenant's is told of its end, besides those for all
    kind: Kind = "request"
    traceparent: str = ""  # the trace that it was asked in, for who hands out its answer


@dataclass(frozen=True, slots=True)
class Claimed:
    """A request that a call made before."""

    run: RunId
    sequence: int
    content: bytes
    at: float


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a draft becomes. Without a `name`, one is made of the workflow and the digest."""

    workflow: str
    digest: str
    source: str
    now: float
    name: str | None = None
    again: bool = False  # accept it although the same content was accepted before
    tags: Mapping[str, str] = field(default_factory=dict)
    reserve_nano: int = 0  # the most that it may cost, as far as anybody can say
    asked: str = ""  # the deadline in the caller's words
    caps: tuple[Cap, ...] = ()  # refused with `OverBudget` if it does not fit into each of them
    tenant: str | None = None  # who asked over HTTP
    key: str = ""  # the tenant's key, whose budget pays for it; "" where it has none
    claims: Sequence[Claim] = ()  # one for each request, where a tenant asked


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account that requests were accepted for."""

    id: AccountId
    provider: str
    base_url: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """A limit that the provider let slip."""

    subject: str  # a model, or "*"
    name: str
    value: int
    at: float  # when it last said so


@dataclass(frozen=True, slots=True)
class Waiting:
    """Requests of one segment that wait to be packed, all asked equally often before."""

    segment: SegmentId
    tries: int
    ordinals: Ordinals
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class WaitingGroup:
    """Waiting requests with what the packer needs to know."""

    key: PackingKey
    run: RunId
    waiting: Waiting
    whole: tuple[int, int, int]  # requests, bytes and units of the whole segment
    workflow: str = ""
    since: float = 0.0  # when its run was accepted
    deadline: float | None = None
    decision: Decision = UNDECIDED.decision  # as it was accepted
    prefixes: int = 0  # how many of the segment's requests belong to a prefix group
    rate_tokens: int = 0  # of the whole segment, as the rate limits of real time count them


@dataclass(frozen=True, slots=True)
class Sized:
    """What the packer needs to know of one request."""

    bytes: int
    units: int
    tokens: int  # 0 where they were not counted
    prefix: int  # its prefix group, 0 for none
    deadline: float  # as `lanewise.domain.deadlines.kept` keeps it, 0 for none


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a batch: requests of one segment, in order."""

    segment: SegmentId
    ordinals: Ordinals
    tries: int


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch that policy decided to make."""

    id: BatchId
    key: PackingKey
    lane: LaneName
    parts: tuple[Part, ...]
    requests: int
    bytes: int
    decision: Decision | None = None
    deadline: float | None = None  # the earliest of its requests
    caching: str = ""  # how its requests are marked for the provider's prompt cache, as JSON
    after: BatchId | None = None  # the batch that warms the cache for it
    due_at: float | None = None  # not to be sent before; None: at once


@dataclass(frozen=True, slots=True)
class PlacedPart:
    """A part with its place in the batch and what accounting needs."""

    segment: SegmentId
    run: RunId
    workflow: str
    ordinals: Ordinals
    tries: int
    start: int  # position of its first request in the batch
    rule: str = ""  # that its requests came under when they were accepted


@dataclass(frozen=True, slots=True)
class Contents:
    """What a batch holds."""

    batch: BatchId
    key: PackingKey
    lane: LaneName
    requests: int
    size: int
    created_at: float
    cancelled: bool  # every run in it is being cancelled, or its cancellation was asked for
    parts: tuple[PlacedPart, ...]
    deadline: float | None = None
    rescued: bool = False  # what it has not answered was given to another batch
    caching: str = ""
    after: BatchId | None = None  # the batch that warms the cache for it


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a batch as it is asked by itself."""

    position: int
    custom_id: str
    workflow: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to act for an account, until somebody else gets a higher fence."""

    account: AccountId
    worker: WorkerId
    fence: int
    until: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """A final result that no result line gives."""

    segment: SegmentId
    ordinals: Ordinals
    verdict: Verdict
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How many requests of a run got their final result in one commit, each with its copies."""

    answered: int = 0
    refused: int = 0
    unanswered: int = 0
    copies: int = 0  # how many of all these are copies

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            self.answered + other.answered,
            self.refused + other.refused,
            self.unanswered + other.unanswered,
            self.copies + other.copies,
        )


@dataclass(frozen=True, slots=True)
class Settlement:
    """Everything that settling a batch changes, in one commit."""

    records: RecordTable
    ledger: tuple[LedgerRow, ...]
    tallies: Mapping[RunId, Tally]  # of what lines gave: outcomes are counted where they are kept
    waiting: tuple[Waiting, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    notes: tuple[str, ...] = ()  # oddities a person should be able to read
    late: Mapping[RunId, int] = field(default_factory=dict)  # of the answered: after their deadline
    # what had its final result from elsewhere when this was made
    elsewhere: Mapping[SegmentId, Ordinals] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a provider says of a batch as a whole, where it does: its sum of tokens, and when it ended."""

    usage: Usage | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A create call that may have reached the provider."""

    id: AttemptId
    batch: BatchId
    file_id: str | None
    sent_at: float
    give_up_at: float
    outcome: Literal["open", "accepted", "refused", "absent"]
    provider_id: str | None


@dataclass(frozen=True, slots=True)
class Stray:
    """A batch of ours at the provider that no row owns."""

    account: AccountId
    provider_id: str
    batch: BatchId
    state: Literal["found", "cancelling", "booked"]
    found_at: float
    due_at: float | None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `detail` never holds a body or a credential."""

    id: int
    at: float
    kind: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch as people and policy want to see it."""

    batch: Batch
    key: PackingKey
    lane: LaneName
    requests: int
    bytes: int
    rate_tokens: int  # as the rate limits of real time count them
    created_at: float
    decision: Decision | None = None
    deadline: float | None = None
    rescued_at: float | None = None
    cancel_asked_at: float | None = None
    done: int | None = None  # how many the provider says are done
    progress_at: float | None = None  # when that last changed
    finalizing_since: float | None = None
    workflow: str = ""  # of its first requests
    marked: bool = False  # for the provider's prompt cache
    after: BatchId | None = None  # the batch that warms the cache for it


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker that is alive."""

    id: WorkerId
    host: str
    pid: int
    started_at: float
    seen_at: float
    accounts: tuple[AccountId, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The final result of one request, in the order of the caller's input."""

    sequence: int
    number: int
    caller_id: str
    segment: SegmentId
    ordinal: int
    endpoint: str
    provider: str
    verdict: Verdict | None  # None: not final yet
    line: bytes | None  # the provider's own result line, where there is one
    outcome: Outcome | None = None
    copy: bool = False  # whether it is the result of another request, of the same content


@dataclass(frozen=True, slots=True)
class Call:
    """What happened to a request that lanewise sent itself; `at` is None where no time is kept of it."""

    what: Literal["sent", "accepted", "not_taken", "lost", "result"]
    at: float | None = None
    provider_id: str = ""  # of what was accepted in the background


@dataclass(frozen=True, slots=True)
class Trace:
    """One try of a request: where it went and what became of it."""

    batch: BatchRow
    tries: int
    record: Record | None
    calls: tuple[Call, ...] = ()  # where lanewise sent it itself
    ended_at: float | None = None  # of its batch, where the provider says so


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """Everything known of one request."""

    run: Run
    caller_id: str
    number: int
    segment: SegmentId
    ordinal: int
    length: int
    waiting: bool
    tries: tuple[Trace, ...]
    outcome: Outcome | None
    deadline: float | None = None
    decision: Decision | None = None
    outcome_at: float | None = None
    copies: int = 0  # other requests of the run that get its answer
    original: str | None = None  # of a copy: the caller's id of what is asked, whose story this is
