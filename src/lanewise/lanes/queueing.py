"""Batches wait for room at the provider in our own queue: nothing fails because a quota is full.

Limits are documented (creations in an hour) or learned from a refusal: of the tokens or requests in batches
that have not ended, of the bytes of files that are kept, of creations. What we count need not be what the
provider counts, and others may use the account. So a refusal also teaches that what was there and the batch
that was refused are too much as counted here, and what was taken proves that there is room for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from lanewise.domain.batches import Batch, Creating, Packed, Submitted, Uploaded
from lanewise.domain.ids import AccountId, BatchId
from lanewise.domain.lanes import BATCH
from lanewise.lanes.clean import make_room
from lanewise.lanes.shift import BYTES_PER_TOKEN, Shift, tokens_of
from lanewise.policy.quotas import ALL_MODELS, Quota, Unit, Wanting, admit, doubted
from lanewise.store.nouns import BatchRow, Contents, Lesson
from lanewise.store.protocol import Store

QUEUE_LOOK: Final = 5.0  # seconds until what waits for room looks again; as often as polls, if set
LONGEST_LOOK: Final = 60.0
_LOOKS_A_SECOND: Final = 200  # each is a write: where many wait, they look less often
_HOUR: Final = 3_600.0
_AT_PROVIDER: Final = ("uploading", "creating", "unknown", "submitted")
NAMES: Final = {  # of what is learned
    Unit.TOKENS: "enqueued_tokens",
    Unit.REQUESTS: "queued_requests",
    Unit.BYTES: "stored_bytes",
    Unit.CREATIONS: "creations_per_hour",
}
UNITS: Final = {name: unit for unit, name in NAMES.items()}
BATCH_BYTES: Final = "batch_bytes"


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account has at its provider, or on its way there."""

    rows: tuple[BatchRow, ...]  # batches that have not ended
    stored: int  # bytes of input files that are kept there
    created: int  # batches, in the last hour

    def used(self, subject: str, unit: Unit) -> int:
        """What counts against a quota."""
        mine = [row for row in self.rows if subject in (row.key.model, ALL_MODELS)]
        match unit:
            case Unit.TOKENS:
                return sum(tokens_of(row.bytes) for row in mine)
            case Unit.REQUESTS:
                return sum(row.requests for row in mine)
            case Unit.BYTES:
                coming = [row for row in mine if row.batch.state in ("packed", "uploading")]
                return self.stored + sum(row.bytes for row in coming)
            case Unit.CREATIONS:
                return self.created
            case _:
                assert_never(unit)


def standing(store: Store, account: AccountId, rows: Iterable[BatchRow], now: float) -> Standing:
    """What is there, beside these batches that count as there."""
    made = [
        attempt
        for attempt in store.attempts(account, now - _HOUR)
        if attempt.outcome in ("open", "accepted")
    ]
    return Standing(tuple(rows), store.stored_bytes(account), len(made))


def at_provider(row: BatchRow) -> bool:
    """Whether a batch counts against the quotas of a provider's queue."""
    return row.lane == BATCH and row.batch.state in _AT_PROVIDER


def quotas(
    there: Standing, lessons: Iterable[Lesson], creations: int | None, now: float
) -> list[Quota]:
    """What is known of an account's room; `creations`: what the provider documents for an hour."""
    found = {
        (lesson.subject, UNITS[lesson.name]): (lesson.value, doubted(lesson.at, now))
        for lesson in lessons
        if lesson.name in UNITS
    }
    if creations is not None:
        found.setdefault((ALL_MODELS, Unit.CREATIONS), (creations, False))
    return [
        Quota(subject, unit, limit, there.used(subject, unit), old)
        for (subject, unit), (limit, old) in found.items()
    ]


def with_room(shift: Shift, due: Sequence[Batch]) -> list[Batch]:
    """Those of these batches that may take their step now; others wait, and look again soon."""
    asking = {batch.id for batch in due if isinstance(batch, Packed | Uploaded)}
    if not asking:
        return list(due)
    rows = [row for row in shift.store.live(shift.account) if row.lane == BATCH]
    if not any(row.batch.id in asking for row in rows):
        return list(due)
    rank = _admitted(shift, rows, asking)
    held = [
        row
        for row in rows
        if row.batch.id in asking
        and row.batch.id not in rank
        and not shift.store.contents(row.batch.id).cancelled  # it only wants to be given up
    ]
    if held:
        batches = [row.batch for row in held if isinstance(row.batch, Packed | Uploaded)]
        _hold(shift, batches)
        _free_storage(shift, rows, held)
    kept_back = {row.batch.id for row in held}
    ranked = sorted(due, key=lambda batch: rank.get(batch.id, -1))
    return [batch for batch in ranked if batch.id not in kept_back]


def _admitted(shift: Shift, rows: Sequence[BatchRow], asking: set[BatchId]) -> dict[BatchId, int]:
    """The batches that may be created now, with their rank. What asked lately and was held still asks."""
    now = shift.now()
    queue: list[BatchRow] = []
    counted: list[BatchRow] = []
    for row in rows:
        if not isinstance(row.batch, Packed | Uploaded):
            counted += [row] if at_provider(row) else []
        elif row.batch.id in asking or now < row.batch.due_at <= now + LONGEST_LOOK:
            queue.append(row)
        elif row.batch.due_at <= now:  # due and not asking: it is on its way already
            counted.append(row)
    there = standing(shift.store, shift.account, counted, now)
    lessons = _proved(shift, there)
    room = quotas(there, lessons, shift.provider.limits("").creations_per_hour, now)
    served = _served(shift, queue, counted)
    found = admit([_wanting(shift, row, now) for row in queue], room, served=served)
    return {batch: rank for rank, batch in enumerate(found)}


def _served(shift: Shift, queue: Sequence[BatchRow], there: Iterable[BatchRow]) -> Counter[str]:
    """Tokens of each workflow, there or gone within an hour: they take turns where one batch fits, too."""
    served: Counter[str] = Counter()
    if len({row.workflow for row in queue}) > 1:
        lately = shift.store.served_since(shift.account, shift.now() - _HOUR)
        served.update({workflow: tokens_of(size) for workflow, size in lately.items()})
    for row in there:
        served[row.workflow] += tokens_of(row.bytes)
    return served


def _wanting(shift: Shift, row: BatchRow, now: float) -> Wanting[BatchId]:
    uploads = shift.provider.uploads and isinstance(row.batch, Packed)
    return Wanting(
        row.batch.id,
        row.key.model,
        row.workflow,
        None if row.deadline is None else row.deadline - now,
        tokens_of(row.bytes),
        row.requests,
        row.bytes if uploads else 0,
    )


def _hold(shift: Shift, batches: Sequence[Packed | Uploaded]) -> None:
    now, fixed = shift.now(), shift.rules.poll_seconds
    look = QUEUE_LOOK if fixed is None else fixed
    look = max(look, min(len(batches) / _LOOKS_A_SECOND, LONGEST_LOOK))
    shift.store.hold(shift.lease, batches, now + look, now, "for room at the provider")


def _free_storage(shift: Shift, rows: Sequence[BatchRow], held: Sequence[BatchRow]) -> None:
    """Where uploads may wait for storage, files that are only kept for a while are deleted now."""
    learned = shift.store.learned(shift.account)
    if (ALL_MODELS, NAMES[Unit.BYTES]) not in learned:
        return
    needed = sum(row.bytes for row in rows if getattr(row.batch, "file_id", None))
    size = sum(row.bytes for row in held if isinstance(row.batch, Packed))
    if size and shift.store.stored_bytes(shift.account) > needed:
        make_room(shift, size)


# -- what is learned --------------------------------------------------------------------------------
def learn_queue(shift: Shift, batch: Creating | Submitted, contents: Contents, limit: int) -> bool:
    """The provider's queue had no room for a batch; returns whether work of ours was in it.

    `limit`: of tokens, in the provider's own words; 0 where it counts requests and states none. A batch may
    be refused some time after it was taken: what ended meanwhile was there then.
    """
    unit = Unit.TOKENS if isinstance(batch, Submitted) else Unit.REQUESTS
    subject = contents.key.model if unit is Unit.TOKENS else ALL_MODELS
    attempt = shift.store.attempt(batch.attempt)
    since = shift.now() if attempt is None else attempt.sent_at
    found = shift.store.queued_since(shift.account, subject, since, besides=batch.id)
    had, asked = found[1], contents.requests
    if unit is Unit.TOKENS:
        had, asked = tokens_of(found[0]), tokens_of(contents.size)
    _learn(shift, (subject, unit), had + asked - 1 if had else 0, stated=limit)
    return had > 0


def learn_creations(shift: Shift) -> None:
    """A create was refused for their number in an hour. It is written down itself."""
    there = standing(shift.store, shift.account, (), shift.now())
    _learn(shift, (ALL_MODELS, Unit.CREATIONS), there.created - 1)


def learn_storage(shift: Shift, size: int) -> None:
    """An upload of so many bytes was refused for want of storage."""
    stored = shift.store.stored_bytes(shift.account)
    _learn(shift, (ALL_MODELS, Unit.BYTES), stored + size - 1 if stored else 0)
    make_room(shift, size)


def _learn(shift: Shift, of: tuple[str, Unit], too_much: int, *, stated: int = 0) -> None:
    """Keep the least of what is known; where nothing of ours was there, others fill it: 0."""
    subject, name = of[0], NAMES[of[1]]
    known = stated or shift.store.learned(shift.account).get((subject, name), 0)
    bounds = [bound for bound in (known, too_much) if bound > 0]
    if bounds:
        shift.store.learn(shift.account, subject, name, min(bounds), shift.now())


def _proved(shift: Shift, there: Standing) -> list[Lesson]:
    """What was learned, and more where the provider meanwhile took more."""
    lessons = shift.store.lessons(shift.account)
    under_way = sum(row.batch.state in ("creating", "unknown") for row in there.rows)
    taken = Standing(
        tuple(row for row in there.rows if _taken(shift, row)),
        there.stored,
        there.created - under_way,
    )
    proofs = [
        (lesson, used)
        for lesson in lessons
        if lesson.name in UNITS
        and (used := taken.used(lesson.subject, UNITS[lesson.name])) > lesson.value
    ]
    for lesson, used in proofs:
        _widen(shift, lesson, used)
    return shift.store.lessons(shift.account) if proofs else lessons


def _taken(shift: Shift, row: BatchRow) -> bool:
    """Whether the provider has certainly taken it: one that takes files validates them afterwards."""
    if row.batch.state != "submitted":
        return False
    return not shift.provider.uploads or (row.done or 0) > 0


def _widen(shift: Shift, lesson: Lesson, proved: int) -> None:
    """The limit is higher than it was; since it is as old as before, more can be tried at once."""
    store, account = shift.store, shift.account
    store.learn(account, lesson.subject, lesson.name, proved, lesson.at)
    smaller = store.learned(account).get((lesson.subject, BATCH_BYTES))
    half = proved * BYTES_PER_TOKEN // 2
    if lesson.name == NAMES[Unit.TOKENS] and smaller is not None and smaller < half:
        store.learn(account, lesson.subject, BATCH_BYTES, half, shift.now())
    store.note("quota.raised", account, f"{lesson.subject} {lesson.name}: {proved:,}", shift.now())
