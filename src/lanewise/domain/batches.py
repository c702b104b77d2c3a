"""Each state of a batch is a class, each legal step a method; nothing else exists.

    packed -> uploading -> uploaded -> creating -> submitted -> ended -> collected -> settled
      |           ^            ^          |  ^          ^                    ^
      |           |            |          v  |          |                    |
      |           +------------+------- unknown --------+                    |
      +------------------------------- sending ------------------------------+

`rejected` ends a batch that the provider refused whole, `cancelled` one that never left this machine.
A provider without uploads goes from `packed` straight to `creating`. Where a lane takes no batches, lanewise
sends the requests itself: `packed` leads to `sending`, and what was answered is on this disk at once.

The one step that costs money is the create call, and no provider makes it idempotent. Therefore
`creating` is written down before the call. Whoever finds `creating` left behind, or gets an answer
that proves nothing, moves the batch to `unknown`; from there only a look at the provider leads on:
found, it is `submitted`; absent for certain, it may be created anew under another attempt.
`lanewise.lanes.submit` tells the whole protocol.

Every class has `step`, the number of steps taken so far: the store changes a row only if the step it
holds is still the one that was read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar, Final, TypeAlias

from lanewise.domain.ids import AttemptId, BatchId

GONE: Final = "gone"  # stands in `files` for results that the provider no longer holds


class Ending(StrEnum):
    """How a batch ended at the provider. None of them says that every request was answered."""

    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"  # refused as a whole; no request was executed


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider's promise: its id for the batch, and until when it works on it."""

    provider_id: str
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Packed:
    """Requests chosen; nothing has left this machine. The packer makes it, the submitter moves it on."""

    state: ClassVar[str] = "packed"
    id: BatchId
    due_at: float  # not to be touched before
    troubles: int = 0  # failures in a row, for back-off
    step: int = 0

    def upload(self, attempt: AttemptId, now: float) -> Uploading:
        """Begin to send the bodies; an abandoned upload is harmless and is swept up."""
        return Uploading(self.id, attempt, due_at=now, troubles=self.troubles, step=self.step + 1)

    def create(self, attempt: AttemptId, *, now: float, give_up_at: float) -> Creating:
        """Record the intent to create (providers that take the bodies with the call)."""
        return Creating(
            self.id,
            attempt,
            file_id=None,
            sent_at=now,
            give_up_at=give_up_at,
            due_at=now,
            troubles=self.troubles,
            step=self.step + 1,
        )

    def send(self, attempt: AttemptId, now: float) -> Sending:
        """Begin to send its requests one by one (lanes that take no batches)."""
        return Sending(self.id, attempt, due_at=now, step=self.step + 1)

    def hold(self, until: float) -> Packed:
        """Wait for room: our own queue has it, and nothing went wrong."""
        return replace(self, due_at=until, step=self.step + 1)

    def postpone(self, until: float) -> Packed:
        """Try later: the provider, or a quota, said not now."""
        return replace(self, due_at=until, troubles=self.troubles + 1, step=self.step + 1)

    def reject(self, why: str) -> Rejected:
        """It can never be accepted as it is; what is fit in it is packed again."""
        return Rejected(self.id, why, step=self.step + 1)

    def cancel(self) -> Cancelled:
        """Give it up before anything was sent."""
        return Cancelled(self.id, step=self.step + 1)


@dataclass(frozen=True, slots=True)
class Sending:
    """lanewise sends its requests one by one; each call is written down before it is made, each answer
    before anybody hears of it. The sender moves it on; left behind by a crash, it is gone on with.
    """

    state: ClassVar[str] = "sending"
    id: BatchId
    attempt: AttemptId
    due_at: float
    troubles: int = 0
    step: int = 0

    def go_on(self, at: float, *, troubles: int = 0) -> Sending:
        """Nothing to do before `at`: the provider works, or said not now (`troubles` times in a row)."""
        return replace(self, due_at=at, troubles=troubles, step=self.step + 1)

    def sent(self, now: float, files: tuple[str, ...]) -> Collected:
        """Nothing more is sent or awaited: the answers are in `files` on this machine's disk."""
        return Collected(
            self.id,
            self.attempt,
            None,
            None,
            Ending.COMPLETED,
            files,
            due_at=now,
            step=self.step + 1,
        )


@dataclass(frozen=True, slots=True)
class Uploading:
    """The bodies are on their way. Left behind by a crash, it is begun again under a new attempt."""

    state: ClassVar[str] = "uploading"
    id: BatchId
    attempt: AttemptId
    due_at: float
    troubles: int = 0
    step: int = 0

    def uploaded(self, file_id: str, now: float) -> Uploaded:
        """The provider holds the bodies under `file_id`."""
        return Uploaded(self.id, self.attempt, file_id, due_at=now, step=self.step + 1)

    def again(self, until: float) -> Packed:
        """The upload failed or was abandoned: back to the start, not before `until`."""
        return Packed(self.id, due_at=until, troubles=self.troubles + 1, step=self.step + 1)

    def reject(self, why: str) -> Rejected:
        """The provider will never take these bodies; what is fit in them is packed again."""
        return Rejected(self.id, why, step=self.step + 1)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The provider holds the bodies and does nothing with them yet."""

    state: ClassVar[str] = "uploaded"
    id: BatchId
    attempt: AttemptId
    file_id: str
    due_at: float
    troubles: int = 0
    step: int = 0

    def create(self, *, now: float, give_up_at: float) -> Creating:
        """Record the intent to create, before the call."""
        return Creating(
            self.id,
            self.attempt,
            self.file_id,
            sent_at=now,
            give_up_at=give_up_at,
            due_at=now,
            troubles=self.troubles,
            step=self.step + 1,
        )

    def hold(self, until: float) -> Uploaded:
        """Wait for room: our own queue has it, and nothing went wrong."""
        return replace(self, due_at=until, step=self.step + 1)

    def postpone(self, until: float) -> Uploaded:
        """Try later: the provider, or a quota, said not now."""
        return replace(self, due_at=until, troubles=self.troubles + 1, step=self.step + 1)

    def again(self, until: float) -> Packed:
        """The uploaded file is gone or unusable: begin anew, not before `until`."""
        return Packed(self.id, due_at=until, troubles=self.troubles + 1, step=self.step + 1)

    def reject(self, why: str) -> Rejected:
        """Given up before it was created; what is fit in it is packed again."""
        return Rejected(self.id, why, step=self.step + 1)


@dataclass(frozen=True, slots=True)
class Creating:
    """Intent recorded. The caller may be in the middle of the call: whoever else finds this state
    looks, and never sends again. Looking does no harm, so it is due at once.
    """

    state: ClassVar[str] = "creating"
    id: BatchId
    attempt: AttemptId
    file_id: str | None
    sent_at: float
    give_up_at: float
    due_at: float
    troubles: int = 0
    step: int = 0

    def accepted(self, receipt: Receipt, now: float) -> Submitted:
        """The provider answered with its id."""
        return Submitted(
            self.id, self.attempt, receipt, self.file_id, due_at=now, step=self.step + 1
        )

    def refused(self, until: float) -> Packed | Uploaded:
        """The provider certainly did not take it: the step before, not before `until`."""
        troubles = self.troubles + 1
        if self.file_id is None:
            return Packed(self.id, due_at=until, troubles=troubles, step=self.step + 1)
        return Uploaded(
            self.id, self.attempt, self.file_id, due_at=until, troubles=troubles, step=self.step + 1
        )

    def reject(self, why: str) -> Rejected:
        """The provider refuses the batch as such; what is fit in it is packed again."""
        return Rejected(self.id, why, step=self.step + 1)

    def doubtful(self, why: str, look_at: float) -> Unknown:
        """The answer proves nothing, or there was none: look from `look_at` on."""
        return Unknown(
            self.id,
            self.attempt,
            self.file_id,
            sent_at=self.sent_at,
            give_up_at=self.give_up_at,
            due_at=look_at,
            why=why,
            step=self.step + 1,
        )


@dataclass(frozen=True, slots=True)
class Unknown:
    """The provider may or may not hold this batch. Only looking leads out of here."""

    state: ClassVar[str] = "unknown"
    id: BatchId
    attempt: AttemptId
    file_id: str | None
    sent_at: float
    give_up_at: float
    due_at: float
    why: str
    troubles: int = 0  # looks so far
    step: int = 0

    def found(self, receipt: Receipt, now: float, *, provisional: bool) -> Submitted:
        """It is there. `provisional` until its results prove it, where nothing in the listing can."""
        return Submitted(
            self.id,
            self.attempt,
            receipt,
            self.file_id,
            due_at=now,
            provisional=provisional,
            step=self.step + 1,
        )

    def look_again(self, at: float) -> Unknown:
        """Not seen, and it may still turn up."""
        return replace(self, due_at=at, troubles=self.troubles + 1, step=self.step + 1)

    def absent(self, now: float) -> Packed:
        """It is not there and can no longer arrive: begin anew, under another attempt."""
        return Packed(self.id, due_at=now, step=self.step + 1)


@dataclass(frozen=True, slots=True)
class Submitted:
    """The provider works on it. The poller moves it on."""

    state: ClassVar[str] = "submitted"
    id: BatchId
    attempt: AttemptId
    receipt: Receipt
    file_id: str | None
    due_at: float
    provisional: bool = False
    troubles: int = 0
    step: int = 0

    def poll_again(self, at: float, *, troubles: int) -> Submitted:
        """Not done yet, or no usable answer (`troubles` of them in a row)."""
        return replace(self, due_at=at, troubles=troubles, step=self.step + 1)

    def end(self, ending: Ending, files: tuple[str, ...], now: float) -> Ended:
        """The provider is done; `files` is what there is to collect."""
        return Ended(
            self.id,
            self.attempt,
            self.receipt,
            self.file_id,
            ending,
            files,
            due_at=now,
            provisional=self.provisional,
            step=self.step + 1,
        )

    def reject(self, why: str) -> Rejected:
        """The provider took it and then failed it whole: nothing executed, nothing charged."""
        return Rejected(self.id, why, step=self.step + 1)

    def lost(self, until: float) -> Packed:
        """The provider says for certain, and for long, that it has no such batch."""
        return Packed(self.id, due_at=until, step=self.step + 1)


@dataclass(frozen=True, slots=True)
class Ended:
    """The provider is done and holds the results. The collector moves it on."""

    state: ClassVar[str] = "ended"
    id: BatchId
    attempt: AttemptId
    receipt: Receipt
    file_id: str | None
    ending: Ending
    files: tuple[str, ...]
    due_at: float
    provisional: bool = False
    troubles: int = 0
    step: int = 0

    def collect_again(self, at: float) -> Ended:
        """A download failed; it is resumed."""
        return replace(self, due_at=at, troubles=self.troubles + 1, step=self.step + 1)

    def collected(self, now: float, files: tuple[str, ...]) -> Collected:
        """The results, as the provider wrote them, are on this machine's disk (`GONE` where lost)."""
        return Collected(
            self.id,
            self.attempt,
            self.receipt,
            self.file_id,
            self.ending,
            files,
            due_at=now,
            step=self.step + 1,
        )

    def disproved(self, look_at: float, *, sent_at: float, give_up_at: float) -> Unknown:
        """It was adopted by its looks, and its results are somebody else's: look again."""
        return Unknown(
            self.id,
            self.attempt,
            self.file_id,
            sent_at=sent_at,
            give_up_at=give_up_at,
            due_at=look_at,
            why="adopted another's batch",
            step=self.step + 1,
        )


@dataclass(frozen=True, slots=True)
class Collected:
    """The results are on this machine's disk. The settler moves it on."""

    state: ClassVar[str] = "collected"
    id: BatchId
    attempt: AttemptId
    receipt: Receipt | None  # None: lanewise sent its requests itself
    file_id: str | None
    ending: Ending
    files: tuple[str, ...]
    due_at: float
    troubles: int = 0
    step: int = 0

    def settled(self, now: float, *, clean_at: float) -> Settled:
        """Every line is read and booked; the provider's files go at `clean_at`."""
        return Settled(
            self.id,
            self.attempt,
            self.receipt,
            self.file_id,
            self.ending,
            self.files,
            due_at=clean_at,
            settled_at=now,
            step=self.step + 1,
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """Read, booked, done. The cleaner deletes the provider's files when `due_at` has come."""

    state: ClassVar[str] = "settled"
    id: BatchId
    attempt: AttemptId
    receipt: Receipt | None  # None: lanewise sent its requests itself
    file_id: str | None
    ending: Ending
    files: tuple[str, ...]
    due_at: float | None
    settled_at: float
    troubles: int = 0
    step: int = 0

    def clean_again(self, at: float) -> Settled:
        """The provider did not let go of its files yet."""
        return replace(self, due_at=at, troubles=self.troubles + 1, step=self.step + 1)

    def cleaned(self) -> Settled:
        """The provider's files are gone."""
        return replace(self, due_at=None, step=self.step + 1)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Refused whole by the provider: nothing executed, nothing charged. What was fit is waiting again."""

    state: ClassVar[str] = "rejected"
    id: BatchId
    why: str
    step: int = 0
    due_at: None = field(default=None)


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Given up before it left this machine."""

    state: ClassVar[str] = "cancelled"
    id: BatchId
    step: int = 0
    due_at: None = field(default=None)


Batch: TypeAlias = (
    Packed
    | Sending
    | Uploading
    | Uploaded
    | Creating
    | Unknown
    | Submitted
    | Ended
    | Collected
    | Settled
    | Rejected
    | Cancelled
)

STATES: tuple[type[Batch], ...] = Batch.__args__
LIVE = frozenset(
    cls.state
    for cls in (
        Packed,
        Sending,
        Uploading,
        Uploaded,
        Creating,
        Unknown,
        Submitted,
        Ended,
        Collected,
    )
)
