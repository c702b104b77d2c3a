"""What may have been charged for requests whose results the provider no longer holds.

They were executed or not, and nobody can say any more. What they cost at most is booked as
`unknown_upper_bound`, so that a ledger that is short of the invoice says by how much.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from lanewise.domain.usage import Usage
from lanewise.lanes.booking import Booking, Priced
from lanewise.lanes.marked import read_caching
from lanewise.store.nouns import Contents
from lanewise.store.places import Places
from lanewise.store.protocol import Payload
from lanewise.store.records import RecordTable
from lanewise.tokens import measure_alone


class _Line(msgspec.Struct):
    custom_id: str
    body: msgspec.Raw = msgspec.Raw(b"")
    params: msgspec.Raw = msgspec.Raw(b"")


class _Body(msgspec.Struct):
    model: str = ""


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_body = msgspec.json.Decoder(_Body).decode


def upper_bounds(
    contents: Contents,
    payload: Payload,
    records: RecordTable,
    prices: Priced,
    *,
    only: frozenset[int] | None = None,
) -> Booking:
    """Books, for each request without a result (`only` at these positions), the most it may have used.

    Its input as counted here, on the safe side; its output up to the limit it sets, or to what is assumed
    where it sets none.
    """
    booking, places = Booking(contents, prices), Places(contents)
    for line in _lines(payload):
        found = _decode_line(line)
        place = places.find(found.custom_id)
        assert place is not None, "a batch's own line is in the batch"
        if records.is_final(place[0]) or (only is not None and place[0] not in only):
            continue
        body = bytes(found.body) or bytes(found.params)
        model = _decode_body(body).model or contents.key.model
        most_in, most_out = measure_alone(contents.key.endpoint, model, body)
        booking.add(place[1], model, _most(contents.caching, most_in, most_out))
    return booking


def _most(caching: str, most_in: int, most_out: int) -> Usage:
    """A marked request may have written all of its input to the cache, which is dearer than reading it."""
    ttl = read_caching(caching).ttl if caching else None
    if ttl is None:
        return Usage(input=most_in, output=most_out)
    if ttl == "5m":
        return Usage(cache_write_5m=most_in, output=most_out)
    return Usage(cache_write_1h=most_in, output=most_out)


def _lines(payload: Payload) -> Iterator[bytes]:
    held = b""
    for chunk in payload.chunks():
        *whole, held = (held + chunk).split(b"\n")
        yield from whole
    if held:
        yield held
