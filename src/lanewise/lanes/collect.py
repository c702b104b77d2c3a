"""The results of an ended batch come to this machine's disk, byte for byte as the provider wrote them."""

from __future__ import annotations

from lanewise.domain.batches import GONE, Ended
from lanewise.domain.ids import parse_custom_id
from lanewise.failpoints import reach
from lanewise.lanes.shift import Shift
from lanewise.policy.waiting import LONGEST_BACKOFF
from lanewise.providers.protocol import ProviderError, RefusalKind, Refused
from lanewise.store.nouns import Contents
from lanewise.store.protocol import ResultFile

_ABSENCES_BEFORE_GONE = 10  # "no such file" in a row before it is believed
_TRIES_FOR_A_WHOLE_FILE = 3  # a file that keeps ending in mid-line is taken as it is


class _NotOurs(Exception):
    """The first result line belongs to another batch."""


class _CutOff(Exception):
    """The connection or the file ended in the middle of a line."""


async def collect(shift: Shift, batch: Ended) -> None:
    """Download what is there, from where an earlier try of this shift stopped."""
    contents = shift.store.contents(batch.id)
    files: list[str] = []
    for index, name in enumerate(batch.files):
        try:
            await _fetch(shift, batch, contents, index, name)
        except _NotOurs as error:
            _disprove(shift, batch, str(error))
            return
        except (_CutOff, ProviderError) as error:
            if not _is_gone(batch, error):
                _again(shift, batch, error)
                return
            files.append(GONE)
            detail = f"{name}: the provider no longer holds these results"
            shift.store.note("results.gone", batch.id, detail, shift.now())
        else:
            files.append(name)
    reach("collect.done")
    shift.advance(batch, batch.collected(shift.now(), tuple(files)))


async def _fetch(shift: Shift, batch: Ended, contents: Contents, index: int, name: str) -> None:
    file = shift.store.result_file(shift.lease, batch.id, index)
    if file is None:  # complete since an earlier try
        return
    try:
        await _download(shift, batch, contents, file, name)
        if not file.ends_with_newline() and batch.troubles < _TRIES_FOR_A_WHOLE_FILE:
            file.restart()
            raise _CutOff("the file ends in the middle of a line")
        file.finish()
    finally:
        file.close()


async def _download(
    shift: Shift, batch: Ended, contents: Contents, file: ResultFile, name: str
) -> None:
    download = await shift.provider.download(batch.receipt, name, start=file.size)
    if download.start != file.size:
        file.restart()
    proven = not batch.provisional or file.size > 0
    head = b""
    async for chunk in download.chunks:
        if not proven:
            head += chunk
            if b"\n" not in head:
                continue
            _prove(shift, contents, head)
            proven, piece = True, head
        else:
            piece = chunk
        file.write(piece)
        reach("collect.chunk")
    if not proven and head:
        file.write(head)
    if download.size is not None and file.size < download.size:
        raise _CutOff(f"{file.size:,} of {download.size:,} bytes arrived")


def _prove(shift: Shift, contents: Contents, head: bytes) -> None:
    """An adopted batch is ours if its results answer our requests."""
    line = shift.provider.unwrap(head.split(b"\n", 1)[0])
    name = getattr(line, "custom_id", "")
    named = parse_custom_id(name)
    if named is None or named[0] not in {part.segment for part in contents.parts}:
        raise _NotOurs("its results answer other requests")


def _disprove(shift: Shift, batch: Ended, why: str) -> None:
    attempt = shift.store.attempt(batch.attempt)
    assert attempt is not None, "an adopted batch has an attempt"
    now = shift.now()
    unknown = batch.disproved(now, sent_at=attempt.sent_at, give_up_at=attempt.give_up_at)
    shift.advance(batch, unknown, f"{batch.receipt.provider_id}: {why}")


def _is_gone(batch: Ended, error: Exception) -> bool:
    absent = isinstance(error, Refused) and error.kind is RefusalKind.ABSENT
    return absent and batch.troubles >= _ABSENCES_BEFORE_GONE


def _again(shift: Shift, batch: Ended, error: Exception) -> None:
    known = error if isinstance(error, ProviderError) else None
    fixed = shift.rules.poll_seconds
    first = 1.0 if fixed is None else min(1.0, fixed)
    at = min(shift.later(batch.troubles, known, first=first), shift.now() + LONGEST_BACKOFF)
    shift.advance(batch, batch.collect_again(at), f"download stopped: {error}")
    if known is not None:
        shift.hold_if_hopeless(known)
