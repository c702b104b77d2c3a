"""What a settled batch leaves behind at the provider is deleted after a safe hold."""

from __future__ import annotations

from lanewise.domain.batches import GONE, Settled
from lanewise.lanes.shift import Shift
from lanewise.providers.protocol import ProviderError


def make_room(shift: Shift, size: int) -> None:
    """The provider keeps no more files: those of the longest settled batches go now.

    As many as hold so many bytes; result files, whose size is not known here, come on top.
    """
    now = shift.now()
    for row in shift.store.settled():
        batch = row.batch
        if row.key.account != shift.account or not isinstance(batch, Settled):
            continue
        if batch.file_id is None or batch.due_at is None:
            continue
        if size <= 0:
            return
        size -= row.bytes
        if batch.due_at > now:
            shift.store.postpone(shift.lease, batch, batch.clean_again(now))


async def clean(shift: Shift, batch: Settled) -> None:
    """Delete its input and result files: the results are on this machine's disk and booked."""
    kept = tuple(name for name in batch.files if name != GONE)
    try:
        for file_id in shift.provider.files_of(batch.file_id, kept):
            await shift.provider.delete_file(file_id)
    except ProviderError as error:
        shift.store.postpone(
            shift.lease, batch, batch.clean_again(shift.later(batch.troubles, error))
        )
        return
    shift.advance(batch, batch.cleaned(), "the provider's files are deleted")
