"""Submitted batches are asked how they are until the provider says they have ended."""

from __future__ import annotations

from typing import assert_never

from lanewise.domain.batches import Submitted
from lanewise.lanes.reject import rejected
from lanewise.lanes.shift import Shift
from lanewise.policy.waiting import next_poll
from lanewise.providers.protocol import (
    Done,
    Failed,
    ProviderError,
    RefusalKind,
    Refused,
    Wanted,
    Working,
)
from lanewise.store.nouns import Contents, Observed

_CANCEL_POLL = 5.0  # seconds: what is called back is waited for
_ABSENCES_BEFORE_DOUBT = 8  # "no such batch" in a row; one or two are a known hiccup of providers


async def poll(shift: Shift, batch: Submitted) -> None:
    """Ask once, and record what that leads to."""
    contents = shift.store.contents(batch.id)
    try:
        progress = await shift.provider.check(batch.receipt)
    except ProviderError as error:
        await _no_answer(shift, batch, contents, error)
        return
    match progress:
        case Working():
            await _working(shift, batch, contents, progress)
        case Done():
            shift.store.observe(batch.id, Observed(progress.usage, progress.ended_at))
            ended = batch.end(progress.ending, progress.files, shift.now())
            shift.advance(batch, ended, progress.ending.value)
        case Failed():
            rejected(shift, batch, contents, progress)
        case _:
            assert_never(progress)


async def _working(shift: Shift, batch: Submitted, contents: Contents, progress: Working) -> None:
    stops = contents.cancelled or _is_superfluous(shift, contents)
    if stops and not progress.cancelling:
        await _cancel(shift, batch)
    now = shift.now()
    shift.store.progressed(batch.id, progress.done, now, finalizing=progress.finalizing)
    pause = next_poll(
        0.0 if stops else now - contents.created_at,
        fixed=shift.rules.poll_seconds,
        retry_after=progress.retry_after or (_CANCEL_POLL if stops else None),
    )
    shift.store.postpone(shift.lease, batch, batch.poll_again(now + pause, troubles=0))


def _is_superfluous(shift: Shift, contents: Contents) -> bool:
    """Whether others have answered all of it: what it did not do yet need not be paid."""
    if not contents.rescued:
        return False
    final = shift.store.final_elsewhere(contents)
    return sum(len(ordinals) for ordinals in final.values()) == contents.requests


async def _cancel(shift: Shift, batch: Submitted) -> None:
    """Ask the provider to stop. What it did by then is still collected: it was paid for."""
    try:
        await shift.provider.cancel(batch.receipt)
    except ProviderError as error:
        shift.store.note("batch.cancel_failed", batch.id, str(error), shift.now())
        shift.hold_if_hopeless(error)


async def _no_answer(
    shift: Shift, batch: Submitted, contents: Contents, error: ProviderError
) -> None:
    """The poll failed. That says nothing about the batch, unless the provider keeps denying it."""
    absent = isinstance(error, Refused) and error.kind is RefusalKind.ABSENT
    if (
        absent
        and batch.troubles >= _ABSENCES_BEFORE_DOUBT
        and await _is_lost(shift, batch, contents)
    ):
        shift.advance(batch, batch.lost(shift.now()), "the provider no longer has this batch")
        return
    first = 1.0 if shift.rules.poll_seconds is None else min(1.0, shift.rules.poll_seconds)
    at = min(shift.later(batch.troubles, error, first=first), shift.now() + 300.0)
    shift.advance(batch, batch.poll_again(at, troubles=batch.troubles + 1), f"poll failed: {error}")
    shift.hold_if_hopeless(error)


async def _is_lost(shift: Shift, batch: Submitted, contents: Contents) -> bool:
    """Denied again and again: is it missing from the listing as well, long after it was made?"""
    attempt = shift.store.attempt(batch.attempt)
    if attempt is None or shift.now() < attempt.give_up_at + shift.rules.listing_lag_seconds:
        return False
    owned, _ = shift.store.owned(shift.account, besides=batch.id)
    wanted = Wanted(batch.attempt, batch.file_id, attempt.sent_at, contents.requests, owned)
    try:
        sighting = await shift.provider.find(wanted)
    except ProviderError:
        return False
    return batch.receipt.provider_id not in {seen.provider_id for seen in sighting.candidates}
