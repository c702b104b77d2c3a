"""What the rest of lanewise asks of its memory. SQLite is one answer; nothing above knows it.

Writing operations that act for an account take a `Lease` and refuse with `LeaseLost` when another
worker holds the account by now. `advance` is compare-and-set: it raises `Overtaken` when the row is no
longer in the state that was read, so a caller that was overtaken stops that step and records nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from lanewise.domain.batches import Batch, Collected, Packed, Settled, Uploaded
from lanewise.domain.decisions import Decision
from lanewise.domain.ids import AccountId, AttemptId, BatchId, RunId, SegmentId, WorkerId
from lanewise.domain.lanes import LaneName
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.packing import Frame, Limits, PackingKey
from lanewise.domain.usage import Usage
from lanewise.domain.webhooks import Kind
from lanewise.store.books import Cap, Entry, LedgerRow, Money, Observation, Standing
from lanewise.store.forecasts import Duration
from lanewise.store.keys import KeySecret, VirtualKey
from lanewise.store.nouns import (
    UNDECIDED,
    AccountRow,
    Answer,
    Ask,
    Attempt,
    BatchRow,
    Claimed,
    Contents,
    Event,
    Lease,
    Lesson,
    NewBatch,
    NewRun,
    Observed,
    Outcome,
    RequestTrace,
    Route,
    Run,
    Settlement,
    Sized,
    Stray,
    Waiting,
    WaitingGroup,
    WorkerRow,
)
from lanewise.store.orders import Order, OrderState, Upload, Wrong
from lanewise.store.outstanding import Outstanding, Spent
from lanewise.store.records import Records
from lanewise.store.responses import ResponseStore
from lanewise.store.webhooks import WebhookStore


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
        route: Route = UNDECIDED,
        deadline: float | None = None,
        prefix: int = 0,
        rate_tokens: int = 0,
    ) -> int:
        """Add one request; `tokens` is its input as counted here, 0 if it was not.

        `prefix`: the group of requests that share a beginning which providers cache, 0 for none.
        `rate_tokens`: as the rate limits of real time count it.

        Returns its place in the draft, for `copy`. Raises `BadInput` when it can never fit a batch.
        """
        ...

    def copy(self, place: int, *, number: int, caller_id: str) -> None:
        """Add a request that is not asked itself: it gets the answer of the one at `place`."""
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


class Outbox(Protocol):
    """What was sent of a batch, and what was answered. Appended to; nothing is durable before `sync`.

    Positions are those of the batch. A new holder of the lease goes on from what earlier holders made
    durable; an answer of theirs that came later is not seen, and its call counts as unknown.
    """

    @property
    def asked(self) -> frozenset[int]:
        """Positions that this batch sends no more: what became of them is known, awaited, or never known."""
        ...

    @property
    def answered(self) -> frozenset[int]:
        """Positions with a result line."""
        ...

    @property
    def accepted(self) -> Mapping[int, tuple[str, float]]:
        """Positions that the provider works on in the background: its id for each, and since when."""
        ...

    @property
    def unknown(self) -> frozenset[int]:
        """Positions that were sent by an earlier holder, with nothing known of what became of them."""
        ...

    def send(self, positions: Sequence[int], now: float) -> None:
        """These are about to be sent."""
        ...

    def accept(self, position: int, provider_id: str, now: float) -> None:
        """The provider works on it in the background."""
        ...

    def unsend(self, position: int) -> None:
        """The provider certainly did not take it: it may be sent again."""
        ...

    def answer(self, position: int, line: bytes) -> None:
        """The result, in the provider's own form for results of batches."""
        ...

    def lost(self, position: int) -> None:
        """Nobody will ever know what became of it: it is not sent again here."""
        ...

    def sync(self) -> None:
        """Make all of it durable; may be called from another thread.

        Raises `LeaseLost`, and has kept it all the same, if another worker acts for the account by now: a
        call that was written down is made only after this returns.
        """
        ...

    def finish(self) -> tuple[str, ...]:
        """Make the answers the result files of the batch; returns their names, for `Sending.sent`."""
        ...

    def close(self) -> None:
        """Let go; what is durable stays."""
        ...


class Store(WebhookStore, ResponseStore, Protocol):
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

    def rules_of(self, run: RunId) -> list[str]:
        """The names of the rules that requests of a run came under when they were accepted."""
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
    def accounts(self) -> list[AccountRow]:
        """Everyone that requests were ever accepted for."""
        ...

    def accounts_with_work(self) -> list[AccountRow]:
        """Those with anything waiting, live or to be cleaned."""
        ...

    def waiting(self, account: AccountId, now: float) -> list[WaitingGroup]:
        """What can be packed, oldest run first."""
        ...

    def sizes(self, segment: SegmentId, ordinals: Ordinals) -> Iterator[Sized]:
        """What each of these requests counts, in order."""
        ...

    def copies(self, segment: SegmentId) -> Mapping[int, int]:
        """How many copies there are of each of its requests that has any, by ordinal."""
        ...

    def line(self, segment: SegmentId, ordinal: int) -> bytes:
        """One request as it was accepted, in the provider's form for batches."""
        ...

    def pack(self, lease: Lease, batches: Sequence[NewBatch], now: float) -> None:
        """Take the requests out of the queue and into batches."""
        ...

    def decisions(self) -> dict[int, Decision]:
        """What policy decided, by number."""
        ...

    def live(self, account: AccountId) -> list[BatchRow]:
        """Batches of an account that have not come to their end."""
        ...

    def let_go(self, lease: Lease, primer: BatchId, now: float) -> None:
        """Let the batches go that waited for this one."""
        ...

    def unmark(self, lease: Lease, batch: BatchId, now: float, why: str) -> None:
        """A batch is sent without the marks that were planned."""
        ...

    def rescue(self, lease: Lease, batch: BatchId, now: float, why: str) -> int:
        """Give what a batch has not answered to the queue while it goes on; returns how many requests.

        From then on the first final outcome of each of them counts. Once for a batch; 0 after that.
        """
        ...

    def withdraw(self, lease: Lease, batch: BatchId, now: float, why: str) -> None:
        """Ask for its cancellation: the poller tells the provider, and what was done is collected."""
        ...

    def progressed(self, batch: BatchId, done: int | None, now: float, *, finalizing: bool) -> None:
        """Keep how far the provider says that a batch is, and since when."""
        ...

    def final_elsewhere(self, contents: Contents) -> dict[SegmentId, Ordinals]:
        """Requests of a batch that have their final result from another batch, or an outcome."""
        ...

    def outbox(self, lease: Lease, batch: BatchId) -> Outbox:
        """The calls of a batch that lanewise sends one by one."""
        ...

    def asks(self, contents: Contents, skip: frozenset[int]) -> Iterator[Ask]:
        """The requests of a batch as they are asked one by one, but for these positions; streamed."""
        ...

    def unknown_calls(self, batch: BatchId) -> frozenset[int]:
        """Positions in a sent batch of which nobody knows whether the provider answered."""
        ...

    def unasked(self, batch: BatchId) -> frozenset[int] | None:
        """Positions that were never sent; None for a batch that a provider executes."""
        ...

    def due(self, account: AccountId, now: float) -> list[Batch]:
        """Batches that want a step, the most overdue first."""
        ...

    def next_due(
        self, account: AccountId, *, besides: Sequence[BatchId] = (), packed_at: float = -math.inf
    ) -> float | None:
        """When the next batch (but for those named) or stray wants a step, or waiting may be packed.

        What could be packed by `packed_at` does not count: it was looked at then, and waits for company.
        """
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

    def hold(
        self,
        lease: Lease,
        batches: Sequence[Packed | Uploaded],
        until: float,
        now: float,
        why: str,
    ) -> None:
        """Keep batches back, in one commit; it is told once of each that never moved."""
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
    ) -> bool:
        """Results, ledger, queue and state in one commit; outcomes and waiting where nobody else has them.

        False, and nothing is changed, where by now more has its final result elsewhere than the
        settlement says: it is to be made again.
        """
        ...

    def learn(self, account: AccountId, subject: str, name: str, value: int, now: float) -> None:
        """Remember a limit the provider let slip."""
        ...

    def learned(self, account: AccountId) -> dict[tuple[str, str], int]:
        """(subject, name) -> value."""
        ...

    def lessons(self, account: AccountId) -> list[Lesson]:
        """The same, with when each was learned."""
        ...

    def queued_since(
        self, account: AccountId, model: str, since: float, *, besides: BatchId
    ) -> tuple[int, int]:
        """Bytes and requests of batches of a model ("*" for all) that were at the provider since then.

        Some may have ended meanwhile, so at no one moment was more there.
        """
        ...

    def served_since(self, account: AccountId, since: float) -> dict[str, int]:
        """Bytes of batches of each workflow that left the provider's queue since then."""
        ...

    def stored_bytes(self, account: AccountId) -> int:
        """Bytes of the input files of this home that the provider still keeps."""
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

    def book_calls(self, rows: Sequence[LedgerRow], now: float) -> None:
        """Append what calls came to that lanewise passed through, in one commit; each row is its own."""
        ...

    def correct(self, rows: Sequence[LedgerRow], now: float) -> None:
        """Append corrections; the rows they correct stay as they are."""
        ...

    def settled(self) -> list[BatchRow]:
        """Batches whose results were read and are still kept, oldest first."""
        ...

    def landed_at(self, batch: BatchId) -> float | None:
        """When a batch ended that wrote or read the prompt cache, as its usage shows; else None."""
        ...

    def warmed(
        self, account: AccountId, lane: LaneName, since: float
    ) -> list[tuple[BatchId, str, float]]:
        """Marked batches that wrote or read the prompt cache, how they were marked, and when they ended."""
        ...

    def marked_usage(self, workflow: str, model: str, *, since: float) -> tuple[int, int, Usage]:
        """Answers of requests that were marked for the prompt cache, those that went ahead, and tokens.

        Of groups that are over: those that went ahead only write.
        """
        ...

    def records_of(self, batch: BatchId) -> Records:
        """The result records of a settled batch."""
        ...

    def observations(self, workflow: str, *, limit: int) -> Iterator[Observation]:
        """Answers of a workflow whose input was counted before, newest batches first."""
        ...

    def durations(self, *, since: float, now: float, limit: int) -> list[Duration]:
        """Batches that providers took on since then, the newest `limit` of them, as they stand at `now`."""
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
        """Every request's final result, in the order of the caller's input, streamed.

        Raises `NotFound` where they were deleted.
        """
        ...

    def trace(self, run: RunId, caller_id: str) -> list[RequestTrace]:
        """What happened to the requests of that id."""
        ...

    def trace_ours(self, run: RunId, segment: SegmentId, ordinal: int) -> list[RequestTrace]:
        """The same, by the id that providers see; empty if it is not of this run."""
        ...

    # -- virtual keys -----------------------------------------------------------------------------
    def add_key(self, key: VirtualKey) -> None:
        """Keep a new key. Raises `NameTaken`."""
        ...

    def virtual_keys(self) -> list[VirtualKey]:
        """Every key there is or was, oldest first."""
        ...

    def keys_version(self) -> int:
        """A number that every change of a key changes."""
        ...

    def rotate_key(self, name: str, secret: KeySecret, now: float, *, until: float) -> None:
        """Let a key be recognised by `secret`, and by what it was before no longer than `until`.

        Raises `BadInput` for a key that was revoked or has expired.
        """
        ...

    def revoke_key(self, name: str, now: float) -> None:
        """End a key for good; nothing happens to one that was revoked before."""
        ...

    def draw(self, name: str, month: str, *, least: int, wanted: int) -> int:
        """Set aside up to `wanted` nano-USD of a key's budget in a month; 0 where `least` is not left."""
        ...

    def give_back(self, name: str, month: str, nano: int) -> None:
        """What was drawn and not spent; below zero, what was spent beyond it."""
        ...

    def drawn(self, month: str) -> dict[str, int]:
        """What each key has spent or set aside of its budget in a month, nano-USD.

        What its open runs may still cost is set aside in whatever month it is asked for.
        """
        ...

    # -- asked over HTTP --------------------------------------------------------------------------
    def tenant_of(self, run: RunId) -> str | None:
        """Whose run it is; None for one that did not come in over HTTP, and for none."""
        ...

    def claimed(self, tenant: str, name: str, now: float) -> Claimed | None:
        """The request that was accepted under this idempotency key within a day."""
        ...

    def alike(self, tenant: str, content: bytes, now: float) -> list[Claimed]:
        """The tenant's requests of this content within a day, newest first."""
        ...

    def origin(self, run: RunId, sequence: int) -> tuple[str, float] | None:
        """The trace that a request was asked in, and when; None after a day, or if it has no claim."""
        ...

    def newest_event(self) -> int:
        """The number of the last event; 0 where nothing ever happened."""
        ...

    def answers_at(self, run: RunId, sequences: Collection[int]) -> Iterator[Answer]:
        """The final results of these requests of a run, as far as there are any; in no order."""
        ...

    def place(self, run: RunId, sequence: int) -> tuple[SegmentId, int] | None:
        """Where a request of a run is kept; None where the run has no such request any more."""
        ...

    def cancel_request(self, run: RunId, sequence: int, now: float) -> bool:
        """End a request that still waits here; False where it is at a provider, has ended or is not there."""
        ...

    def upload_path(self, upload: str) -> Path:
        """Where the bytes of a file are, or are to be put; `upload` is an id of ours."""
        ...

    def add_upload(self, upload: Upload) -> None:
        """Make a file known whose bytes are on disk."""
        ...

    def upload(self, tenant: str, upload: str, now: float) -> Upload | None:
        """A tenant's file, unless it has expired."""
        ...

    def uploads(self, tenant: str, now: float, *, after: str | None, limit: int) -> list[Upload]:
        """A tenant's files, newest first."""
        ...

    def drop_upload(self, upload: str) -> None:
        """Forget a file."""
        ...

    def drop_expired_uploads(self, now: float) -> None:
        """Forget the files that have expired and that nothing reads."""
        ...

    def add_order(self, order: Order, kind: Kind = "batch", webhook: str | None = None) -> None:
        """Write down what was ordered, and that the tenant's webhooks are told of its end."""
        ...

    def order(self, tenant: str, order: str) -> Order | None:
        """A tenant's order."""
        ...

    def orders(self, tenant: str, kind: str, *, after: str | None, limit: int) -> list[Order]:
        """A tenant's orders whose ids begin with `kind`, newest first."""
        ...

    def order_like(self, tenant: str, content: bytes, since: float) -> Order | None:
        """The newest order that the same call made since then."""
        ...

    def validating(self) -> list[Order]:
        """Orders of all tenants that have not become runs yet, oldest first."""
        ...

    def decide_order(
        self, order: str, state: OrderState, now: float, errors: Sequence[Wrong] = ()
    ) -> None:
        """An order became a run, or will not."""
        ...

    def cancel_order(self, order: str, now: float) -> None:
        """Note that it is not wanted any more."""
        ...

    def drop_order(self, order: str) -> None:
        """Forget an order; the run that it became stays."""
        ...

    # -- numbers for those who look often ---------------------------------------------------------
    def outstanding(self) -> Outstanding:
        """What waits, and what is in batches that have not come to their end."""
        ...

    def spent(self, after: int) -> tuple[dict[str, Spent], int]:
        """What ledger rows behind a number come to, by lane, and the number of the last of them."""
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
