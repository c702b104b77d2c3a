"""Orphans: batches of ours at the provider that no row owns. Found, stopped, read, booked as waste.

They come from a create that was given up as absent and was accepted after all (see
`lanewise.lanes.submit`). What they answered is not used: each request already has another attempt.
But it was paid for, so its cost is read from its results and booked, and a person can see it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from lanewise.domain.batches import Ending, Receipt
from lanewise.domain.counts import counted
from lanewise.domain.ids import parse_custom_id
from lanewise.domain.results import ResultLine, Verdict
from lanewise.domain.usage import Usage
from lanewise.lanes.booking import Booking, charged_at
from lanewise.lanes.prices import Prices
from lanewise.lanes.shift import Shift, logger
from lanewise.policy.waiting import next_poll
from lanewise.providers.protocol import Done, Failed, ProviderError, RefusalKind, Refused, Seen
from lanewise.store.books import LedgerRow
from lanewise.store.nouns import Attempt, Stray
from lanewise.store.places import Places

_LOOK_BACK = 30 * 86_400.0
_CLOCK_SLACK = 3_600.0


async def sweep(shift: Shift) -> int:
    """Walk the provider's listing once; returns how many new orphans were found."""
    now = shift.now()
    given_up = [
        attempt
        for attempt in shift.store.attempts(shift.account, now - _LOOK_BACK)
        if attempt.outcome == "absent"
    ]
    if not given_up:
        return 0
    since = min(attempt.sent_at for attempt in given_up) - _CLOCK_SLACK
    found = 0
    async for seen in shift.provider.listing(since):
        if seen.provider_id in shift.store.known_provider_ids(shift.account):
            continue
        if (attempt := await _ours(shift, seen, given_up)) is not None:
            found += _remember(shift, seen, attempt)
    return found


async def _ours(shift: Shift, seen: Seen, given_up: list[Attempt]) -> Attempt | None:
    """The given-up attempt that made it: by its tag, else by whom its results answer.

    An attempt that is still open is no orphan: its batch is being created, or looked for.
    """
    if seen.attempt is not None or shift.provider.uploads:
        return next((attempt for attempt in given_up if attempt.id == seen.attempt), None)
    by_count = [a for a in given_up if shift.store.contents(a.batch).requests == seen.requests]
    if not by_count or not seen.ended or shift.store.unresolved(shift.account):
        return None
    line = await _first_line(shift, seen)
    named = None if line is None else parse_custom_id(line.custom_id)
    for attempt in by_count:
        if named and named[0] in {
            part.segment for part in shift.store.contents(attempt.batch).parts
        }:
            return attempt
    return None


async def _first_line(shift: Shift, seen: Seen) -> ResultLine | None:
    head = b""
    try:
        progress = await shift.provider.check(seen.receipt)
        if not isinstance(progress, Done) or not progress.files:
            return None
        download = await shift.provider.download(seen.receipt, progress.files[0])
        async for chunk in download.chunks:
            head += chunk
            if b"\n" in head:
                break
    except ProviderError:
        return None
    line = shift.provider.unwrap(head.split(b"\n", 1)[0])
    return line if isinstance(line, ResultLine) else None


def _remember(shift: Shift, seen: Seen, attempt: Attempt) -> int:
    now = shift.now()
    new = shift.store.add_stray(
        shift.lease, Stray(shift.account, seen.provider_id, attempt.batch, "found", now, now)
    )
    if new:
        logger.warning(
            "found a batch at the provider that nothing here owns: %s",
            seen.provider_id,
            extra={"batch": attempt.batch, "account": shift.account},
        )
    return int(new)


async def attend(shift: Shift, stray: Stray) -> None:
    """Stop an orphan, wait for its end, book what it cost."""
    now = shift.now()
    receipt = Receipt(stray.provider_id)
    try:
        progress = await shift.provider.check(receipt)
        if isinstance(progress, Done):
            await _book(shift, stray, receipt, progress)
        elif isinstance(progress, Failed):
            _finish(shift, stray, [], "it was refused by the provider and cost nothing")
        else:
            if not progress.cancelling:
                await shift.provider.cancel(receipt)
            pause = next_poll(
                now - stray.found_at,
                fixed=shift.rules.poll_seconds,
                retry_after=progress.retry_after,
            )
            _wait(shift, stray, now + pause)
    except ProviderError as error:
        if (
            isinstance(error, Refused)
            and error.kind is RefusalKind.ABSENT
            and _long_ago(shift, stray)
        ):
            _finish(shift, stray, [], "the provider no longer has it; what it cost is not known")
            return
        _wait(shift, stray, shift.later(3, error))


def _long_ago(shift: Shift, stray: Stray) -> bool:
    return shift.now() > stray.found_at + shift.rules.listing_lag_seconds


async def _book(shift: Shift, stray: Stray, receipt: Receipt, done: Done) -> None:
    contents = shift.store.contents(stray.batch)
    booking, places = (
        Booking(contents, Prices(shift.book, contents, region=shift.provider.region)),
        Places(contents),
    )
    count = 0
    for name in done.files:
        async for line in _lines(shift, receipt, name):
            if line.verdict is not Verdict.ANSWERED:
                continue
            count += 1
            found = places.find(line.custom_id)
            part = contents.parts[0] if found is None else found[1]
            booking.add(part, line.model or contents.key.model, line.usage or Usage())
    at = charged_at(done.ended_at, shift.now())
    rows = list(booking.rows("waste", stray.provider_id, at))
    word = "cancelled" if done.ending is Ending.CANCELLED else done.ending.value
    _finish(shift, stray, rows, f"{word}; charged for {counted(count, 'answer')} that nobody needs")


async def _lines(shift: Shift, receipt: Receipt, name: str) -> AsyncIterator[ResultLine]:
    """Result lines of a file, streamed."""
    download = await shift.provider.download(receipt, name)
    held = b""
    async for chunk in download.chunks:
        *whole, held = (held + chunk).split(b"\n")
        for raw in whole:
            line = shift.provider.unwrap(raw)
            if isinstance(line, ResultLine):
                yield line


def _wait(shift: Shift, stray: Stray, until: float) -> None:
    waiting = Stray(
        stray.account, stray.provider_id, stray.batch, "cancelling", stray.found_at, until
    )
    shift.store.update_stray(shift.lease, waiting, [], shift.now(), "")


def _finish(shift: Shift, stray: Stray, rows: list[LedgerRow], detail: str) -> None:
    booked = Stray(stray.account, stray.provider_id, stray.batch, "booked", stray.found_at, None)
    shift.store.update_stray(shift.lease, booked, rows, shift.now(), detail)
