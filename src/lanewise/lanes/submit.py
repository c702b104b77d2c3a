"""From packed to submitted: how a batch is bought once.

What is at stake
----------------
The call that creates a batch at a provider is the one call that costs money, and no major provider
makes it idempotent: sent twice, it is charged twice, and the official SDKs send it again on their own
after a time-out or a 5xx. An answer can also be lost on our side: the process is killed between the
provider's yes and our commit, frozen, or cut off from the disk. This module sends that call so that
every outcome, including "nobody knows", leads to one charge.

The steps
---------
1.  ``packed``. A batch is a fixed list of requests of one packing key. Each request travels under a
    ``custom_id`` that names its segment and ordinal, 80 random bits of it, so a result line proves
    what it answers whoever reads it.
2.  ``uploading -> uploaded`` (providers that take files). Uploads cost nothing, so they may be repeated.
    Every attempt uploads its own file: the file's id belongs to one attempt only.
3.  ``creating``. Before the call, one transaction writes down the attempt: its random id, when it was
    sent and when it is given up. Only the holder of the account's lease can write it, and the write is
    compare-and-set on the batch's step, so two workers can never both be in here for one batch.
4.  The call goes out once. Retries are off at every level, and the call is abandoned for good at
    ``give_up_at``: the adapter stops handing over the body when that moment has passed, so a process
    that was frozen does not finish an old call late. Where the provider has metadata, it carries the
    attempt's id.
5.  The answer decides:

    =============================================  ===========================================
    an id                                          ``submitted``
    connection never made                          back; safe to send again
    a definite no (4xx, 429)                       back, set aside, or held: nothing was taken
    anything else, or no answer, or we died        ``unknown``
    =============================================  ===========================================

6.  ``unknown`` is left by looking, never by trying. Whoever finds a batch in ``creating`` that it is not
    itself sending (a restart, a new lease holder) also treats it as ``unknown``.

    *   A provider with tags (OpenAI: ``metadata`` and ``input_file_id``): the listing is walked back to
        an hour before the call (clocks differ). A match is certain. A second match is surplus: it is
        cancelled and its cost booked as waste.
    *   A provider without (Anthropic: no metadata, no input echo): creates are sent one at a time per
        account, so at most one is in doubt. A candidate is a batch created since an hour before the
        call, of exactly as many requests, that no other batch of ours owns. It is adopted
        *provisionally*; the ``custom_id`` of its first result line proves or disproves it, and a
        disproved one sends the batch back to ``unknown`` with that candidate struck off. A candidate that
        a sibling holds provisionally forbids the verdict "absent".
    *   No match is believed only from ``give_up_at`` plus the provider's listing lag on (ten minutes,
        unless set otherwise); until then the batch waits and is looked for again. What counts is when
        the look began: a worker that is frozen before it judges knows nothing newer. Then the attempt is
        recorded as absent, its input file is deleted, so that a create which is still under way
        somewhere fails for want of input, and the batch begins anew under a new attempt.

7.  The sweep (`lanewise.lanes.sweep`) walks the listing every hour for batches that carry our tag, or
    our custom_ids, and that no row owns. An orphan is cancelled, its results are read, and what it cost
    is booked as waste and reported: never silently dropped.

Why nothing is paid twice
-------------------------
A second create for the same requests can only follow the verdict "absent" or a definite no. A definite
no took nothing. "Absent" is given after the attempt can no longer be sent (point 4) and after the
provider's listing had its lag to show it (point 6).

What is not promised
--------------------
*   A call that was already handed to the network may be accepted by the provider later than
    ``give_up_at`` plus the listing lag. No provider states a bound. The deleted input file stops it at
    OpenAI (assumed, not documented); otherwise the sweep finds it, and the cost shows as waste.
*   A process that is frozen between the last look at the clock and the write to the socket, for longer
    than the whole window, and then goes on, has the same effect.
*   So: each request has at most one accepted answer, every batch that was paid for becomes known, and
    no request is lost. Spending exactly once cannot be promised by anybody while creates are not
    idempotent; spending twice needs one of the two events above.
"""

from __future__ import annotations

from typing import assert_never

from lanewise.domain.batches import Creating, Packed, Unknown, Uploaded, Uploading
from lanewise.domain.ids import AttemptId, fresh_id
from lanewise.failpoints import reach
from lanewise.lanes.marked import payload_of
from lanewise.lanes.queueing import learn_creations, learn_queue, learn_storage
from lanewise.lanes.reject import refuse_whole, requeue, shrink
from lanewise.lanes.shift import Shift
from lanewise.policy.reconcile import Absent, Adopt, LookAgain, judge
from lanewise.providers.protocol import (
    Doubtful,
    NotSent,
    ProviderError,
    RefusalKind,
    Refused,
    Sighting,
    Tag,
    Wanted,
)
from lanewise.store.nouns import Contents, Stray

STORAGE_FULL = "storage quota"  # [assumed wording, as in `providers.transport`]
_TRIES_PER_FILE = 5  # how often "no such file" is believed to be the provider's lag


async def submit(shift: Shift, batch: Packed | Uploaded) -> None:
    """Take a batch one step nearer to the provider."""
    contents = shift.store.contents(batch.id)
    if contents.cancelled or contents.rescued:
        requeue(shift, batch, contents, "called back before it was sent")
    elif isinstance(batch, Packed) and shift.provider.uploads:
        await _upload(shift, batch, contents)
    else:
        await _create(shift, batch, contents)


def must_wait_for_doubt(shift: Shift) -> bool:
    """Whether a create must wait until the outcome of another is known (providers without tags)."""
    return not shift.provider.uploads and shift.store.unresolved(shift.account) > 0


def abandon_upload(shift: Shift, batch: Uploading) -> None:
    """Nobody is sending this any more: begin again. What arrived is swept up by its expiry."""
    shift.advance(batch, batch.again(shift.now()), "the upload was abandoned")


def doubt(shift: Shift, batch: Creating) -> None:
    """Nobody is waiting for this call's answer any more: find out what became of it."""
    shift.advance(batch, batch.doubtful("found unfinished", shift.now()), "found unfinished")


async def _upload(shift: Shift, batch: Packed, contents: Contents) -> None:
    uploading = batch.upload(AttemptId(fresh_id()), shift.now())
    shift.advance(batch, uploading)
    tag = Tag(uploading.attempt, batch.id, shift.store.home_id)
    try:
        file_id = await shift.provider.upload(payload_of(shift, contents), tag)
    except Refused as error:
        _upload_refused(shift, uploading, contents, error)
    except ProviderError as error:
        shift.advance(uploading, uploading.again(shift.later(batch.troubles, error)), str(error))
    else:
        reach("upload.sent")
        uploaded = uploading.uploaded(file_id, shift.now())
        shift.advance(uploading, uploaded, file_id)
        await _create(shift, uploaded, contents)


def _upload_refused(shift: Shift, batch: Uploading, contents: Contents, error: Refused) -> None:
    if error.status == 413 or "too large" in str(error).lower():
        shrink(shift, batch, contents, str(error))
        return
    if error.kind is RefusalKind.INVALID:
        refuse_whole(shift, batch, contents, error.code or "invalid_file", str(error))
        return
    if STORAGE_FULL in str(error).lower():
        learn_storage(shift, contents.size)
    shift.advance(batch, batch.again(shift.later(batch.troubles, error)), str(error))
    shift.hold_if_hopeless(error)


async def _create(shift: Shift, batch: Packed | Uploaded, contents: Contents) -> None:
    timeout = shift.rules.create_timeout_seconds or shift.provider.create_timeout(contents.size)
    creating = _intend(batch, shift.now(), timeout)
    shift.advance(batch, creating, creating.attempt)
    reach("create.intent")
    tag = Tag(creating.attempt, batch.id, shift.store.home_id)
    left = creating.give_up_at - shift.now()  # less than the time-out if this process was frozen
    if left <= 0:
        late = "the time to send was over before the call began"
        shift.advance(creating, creating.doubtful(late, shift.now()), late)
        return
    try:
        receipt = await shift.provider.create(
            contents.key,
            tag,
            file_id=creating.file_id,
            payload=payload_of(shift, contents),
            timeout=left,
        )
    except Refused as error:
        _create_refused(shift, creating, contents, error)
    except NotSent as error:
        shift.advance(creating, creating.refused(shift.later(batch.troubles, error)), str(error))
    except Doubtful as error:
        unknown = creating.doubtful(str(error), shift.now())
        shift.advance(creating, unknown, str(error))
        await look(shift, unknown)
    else:
        reach("create.answered")
        shift.advance(creating, creating.accepted(receipt, shift.now()), receipt.provider_id)


def _intend(batch: Packed | Uploaded, now: float, timeout: float) -> Creating:
    if isinstance(batch, Packed):
        return batch.create(AttemptId(fresh_id()), now=now, give_up_at=now + timeout)
    return batch.create(now=now, give_up_at=now + timeout)


def _create_refused(shift: Shift, batch: Creating, contents: Contents, error: Refused) -> None:
    """The provider took nothing. What it says decides what happens to the batch."""
    if error.status == 413:
        shrink(shift, batch, contents, str(error))
        return
    if error.kind is RefusalKind.INVALID:
        refuse_whole(shift, batch, contents, error.code or "invalid_batch", str(error))
        return
    if error.status == 429:
        _learn(shift, batch, contents, error)
    before = batch.refused(shift.later(batch.troubles, error))
    shift.advance(batch, before, str(error))
    if isinstance(before, Uploaded) and _file_is_gone(error, before):
        shift.advance(before, before.again(shift.now()), "uploads the file again")
    shift.hold_if_hopeless(error)


def _learn(shift: Shift, batch: Creating, contents: Contents, error: Refused) -> None:
    """Which quota is full, where the refusal says so [assumed wording]; else it is only too many calls."""
    said = str(error).lower()
    if "queue" in said:
        learn_queue(shift, batch, contents, limit=0)
    elif "creation" in said:
        learn_creations(shift)


def _file_is_gone(error: Refused, batch: Uploaded) -> bool:
    seen_missing = error.kind in (RefusalKind.NOT_YET, RefusalKind.ABSENT)
    return seen_missing and batch.troubles >= _TRIES_PER_FILE


async def look(shift: Shift, batch: Unknown) -> None:
    """Search the provider for a batch whose create has no known outcome."""
    contents = shift.store.contents(batch.id)
    owned, held = shift.store.owned(shift.account, besides=batch.id)
    wanted = Wanted(
        batch.attempt,
        batch.file_id,
        batch.sent_at,
        contents.requests,
        owned | shift.store.disproved(batch.id),
    )
    looked_at = shift.now()  # what a look does not show may have appeared since
    try:
        sighting = await shift.provider.find(wanted)
    except ProviderError as error:
        at = shift.later(batch.troubles, error, first=2.0)
        shift.advance(batch, batch.look_again(at), f"could not look: {error}")
        shift.hold_if_hopeless(error)
        return
    await _judge(shift, batch, sighting, held, looked_at)


async def _judge(
    shift: Shift, batch: Unknown, sighting: Sighting, held: frozenset[str], looked_at: float
) -> None:
    judgement = judge(
        tuple(seen.provider_id for seen in sighting.candidates),
        certain=sighting.certain,
        held=held,
        now=looked_at,
        give_up_at=batch.give_up_at,
        listing_lag=shift.rules.listing_lag_seconds,
    )
    match judgement:
        case Adopt():
            _adopt(shift, batch, sighting, judgement)
        case LookAgain():
            shift.advance(batch, batch.look_again(judgement.at), judgement.why)
        case Absent():
            await _forget_file(shift, batch)
            shift.advance(batch, batch.absent(shift.now()), judgement.why)
        case _:
            assert_never(judgement)


def _adopt(shift: Shift, batch: Unknown, sighting: Sighting, adopt: Adopt) -> None:
    now = shift.now()
    seen = {candidate.provider_id: candidate for candidate in sighting.candidates}
    submitted = batch.found(seen[adopt.provider_id].receipt, now, provisional=adopt.provisional)
    shift.advance(batch, submitted, f"{adopt.provider_id}: {adopt.why}")
    for provider_id in adopt.surplus:
        stray = Stray(shift.account, provider_id, batch.id, "found", now, now)
        shift.store.add_stray(shift.lease, stray)


async def _forget_file(shift: Shift, batch: Unknown) -> None:
    """Take the input away from a create that might still be under way somewhere."""
    if batch.file_id is None:
        return
    try:
        await shift.provider.delete_file(batch.file_id)
    except ProviderError as error:
        shift.store.note("file.kept", batch.file_id, f"could not be deleted: {error}", shift.now())
