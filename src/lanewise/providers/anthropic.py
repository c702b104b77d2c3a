"""How Anthropic's Message Batches speak: one JSON object in, a stream of lines out, no tag of ours.

Source: Anthropic's API reference and official SDK 2.12 (23 November 2026); recorded exchanges.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from typing import Any, Final

import msgspec

from lanewise.domain.batches import Ending, Receipt
from lanewise.domain.packing import Limits, PackingKey
from lanewise.domain.results import ResultLine, Unreadable, Verdict
from lanewise.domain.usage import Usage
from lanewise.providers.protocol import (
    Account,
    Done,
    Doubtful,
    Download,
    Payload,
    Progress,
    Refused,
    Seen,
    Sighting,
    Tag,
    Wanted,
    Working,
)
from lanewise.providers.rate_headers import retry_after_of
from lanewise.providers.transport import Transport, open_download, stream

LIMITS: Final = Limits(
    batch_requests=100_000,
    batch_bytes=255_000_000,  # 256 MB with the wrapping, on the safe side
    line_bytes=64_000_000,
    result_days=29,
)
VERSION: Final = (
    "2023-06-01"  # the version that takes every documented body; pinned per account header
)
_HEAD, _TAIL = b'{"requests":[', b"]}"
_PAGE: Final = 1_000
_CLOCK_SLACK: Final = 3_600.0  # clocks that differ by less do no harm
_CREATE_SECONDS: Final = 60.0
_SLOWEST_UPLOAD: Final = 1_000_000  # bytes a second: below that, a create is given up
_RESULTS: Final = "results"


class AnthropicBatches:
    """One Anthropic workspace."""

    uploads = False
    region = None  # asked for in the bodies (inference_geo), not by the address

    def __init__(self, account: Account) -> None:
        self.account = account
        headers = {"x-api-key": account.key.reveal(), "anthropic-version": VERSION}
        self._http = Transport(account, headers)

    def limits(self, endpoint: str) -> Limits:
        """What one batch may hold."""
        return LIMITS

    def create_timeout(self, size: int) -> float:
        """The bodies go with the call, so large batches get longer."""
        return _CREATE_SECONDS + size / _SLOWEST_UPLOAD

    async def upload(self, payload: Payload, tag: Tag) -> str:
        """There is no upload here: the bodies go with `create`."""
        raise NotImplementedError("Anthropic takes the bodies with the create call")

    async def create(
        self, key: PackingKey, tag: Tag, *, file_id: str | None, payload: Payload, timeout: float
    ) -> Receipt:
        """Create the batch; the body stops short once the time is over, so it cannot arrive late."""
        deadline = asyncio.get_running_loop().time() + timeout
        headers = {
            "content-type": "application/json",
            "content-length": str(wrapped_size(payload)),
            **dict(key.headers),
        }
        pieces = stream(
            wrap(payload.chunks()),
            still_wanted=lambda: asyncio.get_running_loop().time() < deadline,
            failpoint="create.sent",
        )
        try:
            async with asyncio.timeout(timeout):
                answer, _ = await self._http.json(
                    "POST", "/v1/messages/batches", content=pieces, headers=headers
                )
        except TimeoutError as error:
            raise Doubtful(f"POST /v1/messages/batches: no answer in {timeout:g} s") from error
        try:
            return Receipt(str(answer["id"]), _instant(answer.get("expires_at")))
        except (KeyError, TypeError) as error:
            raise Doubtful("POST /v1/messages/batches: the answer has no id") from error

    async def find(self, wanted: Wanted) -> Sighting:
        """Candidates by time, count and ownership; their results must prove them."""
        found = [
            seen
            async for seen in self.listing(wanted.sent_at - _CLOCK_SLACK)
            if seen.provider_id not in wanted.owned and seen.requests == wanted.requests
        ]
        return Sighting(tuple(sorted(found, key=lambda seen: seen.created_at)), certain=False)

    async def listing(self, since: float) -> AsyncIterator[Seen]:
        """Newest first, page by page, until a whole page is older."""
        after: str | None = None
        while True:
            query = {"limit": str(_PAGE)} | ({"after_id": after} if after else {})
            page, _ = await self._http.json("GET", "/v1/messages/batches", params=query)
            items = [_seen(item) for item in page.get("data") or []]
            for item in items:
                if item.created_at >= since:
                    yield item
            if not page.get("has_more") or not items or items[-1].created_at < since:
                return
            after = page.get("last_id") or items[-1].provider_id

    async def check(self, receipt: Receipt) -> Progress:
        """How far it is. Counts stay zero until the whole batch has ended."""
        answer, headers = await self._http.json("GET", _path(receipt))
        expires_at = _instant(answer.get("expires_at"))
        status = answer["processing_status"]
        if status != "ended":
            return Working(
                cancelling=status == "canceling",
                retry_after=retry_after_of(headers),
                expires_at=expires_at,
            )
        return Done(
            _ending(answer.get("request_counts") or {}),
            (_RESULTS,),
            expires_at=expires_at,
            ended_at=_instant(answer.get("ended_at")),
        )

    async def download(self, receipt: Receipt, file: str, *, start: int = 0) -> Download:
        """The results, from byte `start` where the server can resume."""
        headers = {"range": f"bytes={start}-"} if start else {}
        return await open_download(self._http, f"{_path(receipt)}/results", headers, start)

    async def cancel(self, receipt: Receipt) -> None:
        """Ask it to stop; one that has ended already says so with 400 or 409."""
        try:
            await self._http.json("POST", f"{_path(receipt)}/cancel")
        except Refused as error:
            if error.status not in (400, 409):
                raise

    async def delete_file(self, file_id: str) -> None:
        """There are no files: results go with the batch, which the provider archives by itself."""

    def files_of(self, batch_file: str | None, files: Iterable[str]) -> tuple[str, ...]:
        """None."""
        return ()

    def unwrap(self, line: bytes) -> ResultLine | Unreadable:
        """One line of the results."""
        return unwrap(line)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()


def wrapped_size(payload: Payload) -> int:
    """Bytes of the JSON object: every line end but the last becomes a comma, the last one goes."""
    return len(_HEAD) + payload.size - 1 + len(_TAIL)


def wrap(chunks: Iterable[bytes]) -> Iterator[bytes]:
    r"""JSON lines as one JSON object, in pieces; lines hold no line end but their last byte.

    >>> b"".join(wrap([b'{"a":1}\n{"b"', b":2}\n"]))
    b'{"requests":[{"a":1},{"b":2}]}'
    """
    yield _HEAD
    comma = b""
    for chunk in chunks:
        ended = chunk.endswith(b"\n")
        yield comma + chunk.removesuffix(b"\n").replace(b"\n", b",")
        comma = b"," if ended else b""
    yield _TAIL


def _path(receipt: Receipt) -> str:
    return f"/v1/messages/batches/{receipt.provider_id}"


def _instant(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()


def _seen(item: dict[str, Any]) -> Seen:
    created = _instant(item["created_at"])
    assert created is not None, "every batch has a time of creation"
    return Seen(
        provider_id=item["id"],
        created_at=created,
        requests=sum((item.get("request_counts") or {}).values()),
        expires_at=_instant(item.get("expires_at")),
        ended=item["processing_status"] == "ended",
    )


def _ending(counts: dict[str, int]) -> Ending:
    """A batch that was cancelled and had expired requests was cancelled first."""
    if counts.get("canceled"):
        return Ending.CANCELLED
    return Ending.EXPIRED if counts.get("expired") else Ending.COMPLETED


class _Creation(msgspec.Struct):
    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class _Usage(msgspec.Struct):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _Creation | None = None
    service_tier: str | None = None


class _Message(msgspec.Struct):
    model: str | None = None
    usage: _Usage | None = None


class _Details(msgspec.Struct):
    error_code: str | None = None


class _Cause(msgspec.Struct):
    type: str = ""
    message: str = ""
    details: _Details | None = None


class _Error(msgspec.Struct):
    error: _Cause | None = None


class _Result(msgspec.Struct):
    type: str
    message: _Message | None = None
    error: _Error | None = None


class _Line(msgspec.Struct):
    custom_id: str
    result: _Result


class _LooseResult(msgspec.Struct):
    type: str


class _LooseLine(msgspec.Struct):
    custom_id: str
    result: _LooseResult


_decode: Final = msgspec.json.Decoder(_Line).decode
_decode_loosely: Final = msgspec.json.Decoder(_LooseLine).decode
_FINAL: Final = frozenset(
    {
        "invalid_request_error",
        "not_found_error",
        "permission_error",
        "authentication_error",
        "request_too_large",
        "billing_error",
    }
)
_ENDED: Final = {"expired": Verdict.EXPIRED, "canceled": Verdict.CANCELLED}


def unwrap(line: bytes) -> ResultLine | Unreadable:
    """One line of the results.

    >>> unwrap(b'{"custom_id":"a","result":{"type":"expired"}}').verdict
    <Verdict.EXPIRED: 4>
    """
    try:
        parsed = _decode(line)
    except msgspec.ValidationError:
        return _unusual(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Unreadable(type(error).__name__)
    result = parsed.result
    if result.type == "succeeded":
        return _answered(parsed.custom_id, result.message or _Message())
    if result.type in _ENDED:
        return ResultLine(parsed.custom_id, _ENDED[result.type], code=result.type)
    cause = (result.error and result.error.error) or _Cause()
    verdict = Verdict.REFUSED if cause.type in _FINAL else Verdict.FAILED
    return ResultLine(parsed.custom_id, verdict, code=cause.type, message=cause.message)


def _answered(custom_id: str, message: _Message) -> ResultLine:
    used = message.usage
    if used is None:
        return ResultLine(custom_id, Verdict.ANSWERED, 200, message.model or "")
    written = used.cache_creation or _Creation()
    known = written.ephemeral_5m_input_tokens + written.ephemeral_1h_input_tokens
    usage = Usage(
        input=used.input_tokens,
        cache_read=used.cache_read_input_tokens or 0,
        # without the split, what was written has the default time to live of five minutes
        cache_write_5m=written.ephemeral_5m_input_tokens
        + max((used.cache_creation_input_tokens or 0) - known, 0),
        cache_write_1h=written.ephemeral_1h_input_tokens,
        output=used.output_tokens,
    )
    return ResultLine(
        custom_id,
        Verdict.ANSWERED,
        200,
        message.model or "",
        usage,
        service_tier=used.service_tier or "",
    )


def _unusual(line: bytes) -> ResultLine | Unreadable:
    """A line whose fields are not of the usual types: an answer is an answer all the same."""
    try:
        loose = _decode_loosely(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Unreadable(type(error).__name__)
    answered = loose.result.type == "succeeded"
    verdict = Verdict.ANSWERED if answered else _ENDED.get(loose.result.type, Verdict.FAILED)
    return ResultLine(loose.custom_id, verdict, 200 if answered else 0)
