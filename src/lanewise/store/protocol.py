"""What the rest of lanewise asks of its memory. SQLite is one answer; nothing above knows it.

Writing operations that act for an account take a `Lease` and refuse with `LeaseLost` when another
worker holds the account by now. `advance` is compare-and-set: it raises `LeaseLost` as well when the
row is no longer in the state that was read, so a caller that was overtaken stops and records nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from lanewise.domain.batches import Batch, Collected, Settled
from lanewise.domain.ids import AccountId, AttemptId, BatchId, RunId, SegmentId, WorkerId
from lanewise.domain.lanes import LaneName
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.packing import Frame, Limits, PackingKey
from lanewise.domain.results import Verdict
from lanewise.domain.usage import Usage
from lanewise.errors import LanewiseError
from lanewise.store.books import Cap, Entry, LedgerRow, Money, Observation, Standing
from lanewise.store.records import Record, Records, RecordTable


class ConflictingReceipt(LanewiseError):
    """A provider's batch was to be recorded for one of ours, and belongs to another."""


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

    @property
    def remaining(self) -> int:
        """Requests without a final result."""
        return self.requests - self.answered - self.refused - self.unanswered


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
    caps: tuple[Cap, ...] = ()  # refused with `OverBudget` if it does not fit into each of them


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account that requests were accepted for."""

    id: AccountId
    provider: str
    base_url: str


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


@dataclass(frozen=True, slots=True)
class PlacedPart:
    """A part with its place in the batch and what accounting needs."""

    segment: SegmentId
    run: RunId
    workflow: str
    ordinals: Ordinals
    tries: int
    start: int  # position of its first request in the batch


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
    """How many requests of a run got their final result in one commit."""

    answered: int = 0
    refused: int = 0
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class Settlement:
    """Everything that settling a batch changes, in one commit."""

    records: RecordTable
    ledger: tuple[LedgerRow, ...]
    tallies: Mapping[RunId, Tally]
    waiting: tuple[Waiting, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    notes: tuple[str, ...] = ()  # oddities a person should be able to read


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
    """A batch as people want to see it."""

    batch: Batch
    key: PackingKey
    lane: LaneName
    requests: int
    bytes: int
    created_at: float


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


@dataclass(frozen=True, slots=True)
class Trace:
    """One try of a request: where it went and what became of it."""

    batch: BatchRow
    tries: int
    record: Record | None


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


class Payload(Protocol):
    """The lines of a batch, streamed."""

    @property
    def requests(self) -> int:
        """How many lines."""
        ...

    @property
    def size(self) -> int:
        """Their bytes."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """The bytes; may be called more than once."""
        ...


class Draft(Protocol):
    """A run that is being written. Nobody else sees it before it is committed."""

    @property
    def id(self) -> RunId:
        """What the run will be called inside."""
        ...

    @property
    def requests(self) -> int:
        """How many were appended so far."""
        ...

    def append(
        self,
        key: PackingKey,
        frame: Frame,
        limits: Limits,
        body: bytes,
        digest: bytes,
        *,
        number: int,
        caller_id: str,
        units: int,
        tokens: int = 0,
    ) -> None:
        """Add one request; `tokens` is its input as counted here, 0 if it was not.

        Raises `BadInput` when it can never fit a batch.
        """
        ...

    def commit(self, run: NewRun, accounts: Sequence[AccountRow]) -> tuple[Run, bool]:
        """Make it durable and visible; False if the same run was there already (and this is dropped)."""
        ...

    def discard(self) -> None:
        """Forget it; nothing remains."""
        ...


class ResultFile(Protocol):
    """A provider's result file on its way to this machine's disk."""

    @property
    def size(self) -> int:
        """Bytes held so far."""
        ...

    def write(self, chunk: bytes) -> None:
        """Append."""
        ...

    def restart(self) -> None:
        """Drop what is held: the provider starts over."""
        ...

    def ends_with_newline(self) -> bool:
        """Whether what is held ends a line (an empty file does)."""
        ...

    def finish(self) -> None:
        """Make it durable under its final name."""
        ...

    def close(self) -> None:
        """Let go; what is held stays for the next try of this worker."""
        ...


class Store(Protocol):
    """The memory of one home."""

    @property
    def home_id(self) -> str:
        """Sixteen characters that no other home has."""
        ...

    # -- runs -------------------------------------------------------------------------------------
    def draft(self) -> Draft:
        """Begin to accept a run."""
        ...

    def run_named(self, name: str) -> Run | None:
        """The run of that name or id."""
        ...

    def run_like(self, workflow: str, digest: str) -> Run | None:
        """The newest run of this workflow with this content."""
        ...

    def accounts_of(self, run: RunId) -> list[AccountRow]:
        """The accounts that a run's requests are filed under."""
        ...

    def runs(self, *, limit: int = 50, open_only: bool = False) -> list[Run]:
        """Newest first."""
        ...

    def cancel_run(self, run: RunId, now: float) -> Run:
        """Stop asking: what waits is unanswered at once, what is out is cancelled and collected."""
        ...

    def retry_run(self, run: RunId, now: float, *, refused: bool, caps: Sequence[Cap] = ()) -> int:
        """Ask again what ended without an answer (and what was refused); returns how many.

        Raises `OverBudget`, and changes nothing, where a cap has no room for what they may cost.
        """
        ...

    # -- who acts ---------------------------------------------------------------------------------
    def register_worker(self, worker: WorkerId, now: float) -> AbstractContextManager[None]:
        """Be seen as alive until the context ends or the process does."""
        ...

    def heartbeat(self, worker: WorkerId, accounts: Iterable[AccountId], now: float) -> None:
        """Still here, able to act for these accounts."""
        ...

    def workers(self, now: float) -> list[WorkerRow]:
        """Those alive."""
        ...

    def acquire(self, account: AccountId, worker: WorkerId, now: float, ttl: float) -> Lease | None:
        """The lease, or a longer one; None while another worker holds it."""
        ...

    def release(self, lease: Lease) -> None:
        """Let another worker act at once."""
        ...

    # -- work -------------------------------------------------------------------------------------
    def accounts_with_work(self) -> list[AccountRow]:
        """Those with anything waiting, live or to be cleaned."""
        ...

    def waiting(self, account: AccountId, now: float) -> list[WaitingGroup]:
        """What can be packed, oldest run first."""
        ...

    def sizes(self, segment: SegmentId, ordinals: Ordinals) -> Iterator[tuple[int, int]]:
        """Bytes and units of each of these requests, in order."""
        ...

    def pack(self, lease: Lease, batches: Sequence[NewBatch], now: float) -> None:
        """Take the requests out of the queue and into batches."""
        ...

    def due(self, account: AccountId, now: float) -> list[Batch]:
        """Batches that want a step, the most overdue first."""
        ...

    def next_due(self, account: AccountId, *, besides: Sequence[BatchId] = ()) -> float | None:
        """When the next batch (but for those named) or stray wants a step, or waiting may be packed."""
        ...

    def unresolved(self, account: AccountId) -> int:
        """How many creates have an outcome that is not known."""
        ...

    def contents(self, batch: BatchId) -> Contents:
        """What a batch holds."""
        ...

    def payload(self, contents: Contents) -> Payload:
        """Its lines, streamed."""
        ...

    def advance(
        self, lease: Lease, before: Batch, after: Batch, now: float, detail: str = ""
    ) -> None:
        """From this state to that, if nobody was faster; one event, one commit."""
        ...

    def postpone(self, lease: Lease, before: Batch, after: Batch) -> None:
        """Like `advance`, within one state and worth no event: only `due_at` and `troubles` change."""
        ...

    def observe(self, batch: BatchId, seen: Observed) -> None:
        """Keep what the provider says of a batch that has ended."""
        ...

    def observed(self, batch: BatchId) -> Observed:
        """What it said."""
        ...

    def reject(
        self,
        lease: Lease,
        before: Batch,
        after: Batch,
        now: float,
        *,
        outcomes: Sequence[Outcome],
        waiting: Sequence[Waiting],
        detail: str,
    ) -> None:
        """A batch the provider refused whole: some set aside for good, the rest waiting again."""
        ...

    def result_file(self, lease: Lease, batch: BatchId, index: int) -> ResultFile | None:
        """Where to put result file `index`; None if it is complete already."""
        ...

    def result_lines(self, batch: BatchId, index: int) -> Iterator[tuple[int, bytes]]:
        """Offset and line of a collected result file, line ends included."""
        ...

    def settle(
        self, lease: Lease, before: Collected, after: Settled, settlement: Settlement, now: float
    ) -> None:
        """Results, ledger, queue and state in one commit."""
        ...

    def learn(self, account: AccountId, subject: str, name: str, value: int, now: float) -> None:
        """Remember a limit the provider let slip."""
        ...

    def learned(self, account: AccountId) -> dict[tuple[str, str], int]:
        """(subject, name) -> value."""
        ...

    # -- recovery ---------------------------------------------------------------------------------
    def attempts(self, account: AccountId, since: float) -> list[Attempt]:
        """Create calls made after `since`."""
        ...

    def attempt(self, attempt: AttemptId) -> Attempt | None:
        """One create call."""
        ...

    def owned(
        self, account: AccountId, *, besides: BatchId
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Provider ids that other batches hold: for certain, and provisionally."""
        ...

    def known_provider_ids(self, account: AccountId) -> frozenset[str]:
        """Provider ids of batches and strays that this home knows."""
        ...

    def in_flight_bytes(self, account: AccountId, model: str) -> int:
        """Bytes of the batches of this model that the provider may be holding (creating to submitted)."""
        ...

    def disproved(self, batch: BatchId) -> frozenset[str]:
        """Provider ids whose results proved to be something else."""
        ...

    def add_stray(self, lease: Lease, stray: Stray) -> bool:
        """Remember an orphan; False if it is known."""
        ...

    def strays(self, account: AccountId) -> list[Stray]:
        """Orphans that are not booked yet."""
        ...

    def update_stray(
        self, lease: Lease, stray: Stray, ledger: Sequence[LedgerRow], now: float, detail: str
    ) -> None:
        """What became of it."""
        ...

    # -- switches ---------------------------------------------------------------------------------
    def pause(self, scope: str, now: float) -> None:
        """Stop packing and sending for `scope` ("all", or an account)."""
        ...

    def resume(self, scope: str) -> None:
        """Go on."""
        ...

    def paused(self) -> frozenset[str]:
        """The scopes that are paused."""
        ...

    # -- looking ----------------------------------------------------------------------------------
    def batches(self, run: RunId | None = None, *, live_only: bool = False) -> list[BatchRow]:
        """Batches (of a run), oldest first."""
        ...

    def money(self, run: RunId | None = None, workflow: str | None = None) -> Money:
        """What the ledger says."""
        ...

    def ledger(self, *, since: float | None = None, until: float | None = None) -> Iterator[Entry]:
        """The rows booked in that time (`until` excluded), oldest first."""
        ...

    def correct(self, rows: Sequence[LedgerRow], now: float) -> None:
        """Append corrections; the rows they correct stay as they are."""
        ...

    def settled(self) -> list[BatchRow]:
        """Batches whose results were read and are still kept, oldest first."""
        ...

    def records_of(self, batch: BatchId) -> Records:
        """The result records of a settled batch."""
        ...

    def observations(self, workflow: str, *, limit: int) -> Iterator[Observation]:
        """Answers of a workflow whose input was counted before, newest batches first."""
        ...

    def standing(self, caps: Sequence[Cap]) -> list[Standing]:
        """Where each cap stands now."""
        ...

    def workflows(self) -> list[str]:
        """Those with any run."""
        ...

    def events(
        self, *, after: int = 0, subject: str | None = None, limit: int = 200
    ) -> list[Event]:
        """In order."""
        ...

    def note(self, kind: str, subject: str, detail: str, now: float) -> None:
        """Record that something happened."""
        ...

    def answers(self, run: RunId) -> Iterator[Answer]:
        """Every request's final result, in the order of the caller's input, streamed."""
        ...

    def trace(self, run: RunId, caller_id: str) -> list[RequestTrace]:
        """What happened to the requests of that id."""
        ...

    def trace_ours(self, run: RunId, segment: SegmentId, ordinal: int) -> list[RequestTrace]:
        """The same, by the id that providers see; empty if it is not of this run."""
        ...

    # -- keeping ----------------------------------------------------------------------------------
    def delete_bodies(self, run: RunId) -> int:
        """Remove bodies and answers of a finished run; returns the bytes freed. Books stay."""
        ...

    def sweep_files(self, now: float) -> int:
        """Remove files that no row names (crashed drafts, half downloads); returns the bytes freed."""
        ...

    def check_integrity(self) -> str:
        """What is wrong with the rows; empty where nothing is."""
        ...

    def backup(self, target: Path) -> None:
        """A consistent copy of the home while workers go on."""
        ...

    def close(self) -> None:
        """Let go."""
        ...
