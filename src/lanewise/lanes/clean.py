"""What a settled batch leaves behind at the provider is deleted after a safe hold."""

from __future__ import annotations

from lanewise.domain.batches import GONE, Settled
from lanewise.lanes.shift import Shift
from lanewise.providers.protocol import ProviderError


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
