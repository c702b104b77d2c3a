"""How OpenAI's batch lane speaks: Files, then Batches; every batch carries our tag.

Source: OpenAI's API reference and official SDK 3.54 (23 November 2026); recorded exchanges.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

import msgspec

from lanewise.domain.batches import Ending, Receipt
from lanewise.domain.ids import AttemptId
from lanewise.domain.packing import Limits, PackingKey
from lanewise.domain.results import ResultLine, Unreadable, Verdict
from lanewise.domain.usage import Usage
from lanewise.providers.protocol import (
    Account,
    Done,
    Doubtful,
    Download,
    Failed,
    Payload,
    Problem,
    Progress,
    RefusalKind,
    Refused,
    RejectionKind,
    Seen,
    Sighting,
    Tag,
    Wanted,
    Working,
)
from lanewise.providers.rate_headers import retry_after_of
from lanewise.providers.transport import NOT_IMPLEMENTED, Transport, open_download, stream

LIMITS: Final = Limits(
    batch_requests=50_000,
    batch_bytes=200_000_000,
    line_bytes=64_000_000,
    creations_per_hour=2_000,
    result_days=30,
)
_EMBEDDING_INPUTS: Final = 50_000
_KEEP_SECONDS: Final = 30 * 86_400
_PAGE: Final = 100
_CLOCK_SLACK: Final = 3_600.0  # clocks that differ by less do no harm
_CREATE_SECONDS: Final = 60.0
_LIMIT_IN_MESSAGE: Final = re.compile(r"limit(?: of| is)?:?\s+(\d[\d,]*)", re.IGNORECASE)
_ENDINGS: Final = {
    "completed": Ending.COMPLETED,
    "expired": Ending.EXPIRED,
    "cancelled": Ending.CANCELLED,
}


class OpenAIBatches:
    """One OpenAI account, or anything that speaks like one."""

    uploads = True

    def __init__(self, account: Account) -> None:
        self.account = account
        self._http = Transport(account, {"authorization": f"Bearer {account.key.reveal()}"})

    @property
    def region(self) -> str | None:
        """From an address such as `https://eu.api.openai.com/v1`; regional processing costs more."""
        found = re.match(r"https://(\w+)\.api\.openai\.com(/|$)", self.account.base_url)
        return None if found is None else found[1]

    def limits(self, endpoint: str) -> Limits:
        """What one batch may hold."""
        return limits(endpoint)

    def create_timeout(self, size: int) -> float:
        """The call is small: the bodies were uploaded before."""
        return _CREATE_SECONDS

    async def upload(self, payload: Payload, tag: Tag) -> str:
        """Multipart by hand, in constant memory: the SDKs read the whole file first."""
        boundary = f"lanewise-{tag.attempt}"
        head = _form(
            boundary,
            {
                "purpose": "batch",
                "expires_after[anchor]": "created_at",
                "expires_after[seconds]": str(_KEEP_SECONDS),
            },
            f"lw-{tag.attempt}.jsonl",
        )
        tail = f"\r\n--{boundary}--\r\n".encode()

        def pieces() -> Iterator[bytes]:
            yield head
            yield from payload.chunks()
            yield tail

        headers = {
            "content-type": f"multipart/form-data; boundary={boundary}",
            "content-length": str(len(head) + payload.size + len(tail)),
        }
        answer, _ = await self._http.json(
            "POST", "/files", content=stream(pieces()), headers=headers
        )
        return str(answer["id"])

    async def create(
        self, key: PackingKey, tag: Tag, *, file_id: str | None, payload: Payload, timeout: float
    ) -> Receipt:
        """Create the batch over an uploaded file."""
        body = {
            "input_file_id": file_id,
            "endpoint": key.endpoint,
            "completion_window": "24h",
            "metadata": {"lw_attempt": tag.attempt, "lw_batch": tag.batch, "lw_home": tag.home},
            "output_expires_after": {"anchor": "created_at", "seconds": _KEEP_SECONDS},
        }
        data = msgspec.json.encode(body)
        headers = {"content-type": "application/json", "content-length": str(len(data))}
        deadline = asyncio.get_running_loop().time() + timeout
        pieces = stream(
            iter([data]),
            still_wanted=lambda: asyncio.get_running_loop().time() < deadline,
            failpoint="create.sent",
        )
        try:
            async with asyncio.timeout(timeout):
                answer, _ = await self._http.json(
                    "POST", "/batches", content=pieces, headers=headers
                )
        except TimeoutError as error:
            raise Doubtful(f"POST /batches: no answer in {timeout:g} s") from error
        except Refused as error:
            if error.status == 404 or ("file" in str(error).lower() and error.status == 400):
                raise Refused(
                    RefusalKind.NOT_YET, str(error), status=error.status, code=error.code
                ) from error
            raise
        return _receipt(answer)

    async def find(self, wanted: Wanted) -> Sighting:
        """Match our tag, or the file that only this attempt used."""
        found = [
            seen
            async for seen in self.listing(wanted.sent_at - _CLOCK_SLACK)
            if seen.provider_id not in wanted.owned
            and (
                seen.attempt == wanted.attempt or (seen.file_id and seen.file_id == wanted.file_id)
            )
        ]
        return Sighting(tuple(sorted(found, key=lambda seen: seen.created_at)), certain=True)

    async def listing(self, since: float) -> AsyncIterator[Seen]:
        """Newest first, page by page, until a whole page is older."""
        after: str | None = None
        while True:
            query = {"limit": str(_PAGE)} | ({"after": after} if after else {})
            page, _ = await self._http.json("GET", "/batches", params=query)
            items = page.get("data") or []
            for item in items:
                if item["created_at"] >= since:
                    yield _seen(item)
            if not page.get("has_more") or not items or items[-1]["created_at"] < since:
                return
            after = page.get("last_id") or items[-1]["id"]

    async def check(self, receipt: Receipt) -> Progress:
        """How far it is."""
        answer, headers = await self._http.json("GET", f"/batches/{receipt.provider_id}")
        status = answer["status"]
        if status == "failed":
            return _failed(answer)
        if status in _ENDINGS:
            files = [f"{kind}:{answer[field]}" for kind, field in _FILES if answer.get(field)]
            return Done(
                _ENDINGS[status],
                tuple(files),
                _batch_usage(answer.get("usage")),
                expires_at=answer.get("expires_at"),
                ended_at=_ended_at(answer),
            )
        counts = answer.get("request_counts") or {}
        return Working(
            done=(counts.get("completed") or 0) + (counts.get("failed") or 0),
            total=counts.get("total"),
            finalizing=status == "finalizing",
            cancelling=status == "cancelling",
            retry_after=retry_after_of(headers),
            expires_at=answer.get("expires_at"),
        )

    async def download(self, receipt: Receipt, file: str, *, start: int = 0) -> Download:
        """A result file, from byte `start` where the server can resume."""
        name = file.partition(":")[2]
        headers = {"range": f"bytes={start}-"} if start else {}
        return await open_download(self._http, f"/files/{name}/content", headers, start)

    async def cancel(self, receipt: Receipt) -> None:
        """Ask it to stop; one that has ended already says 400 or 409, which is as good."""
        try:
            await self._http.json("POST", f"/batches/{receipt.provider_id}/cancel")
        except Refused as error:
            if error.status not in (400, 409):
                raise

    async def delete_file(self, file_id: str) -> None:
        """Remove a file; one that is gone is no error."""
        try:
            await self._http.json("DELETE", f"/files/{file_id}")
        except Refused as error:
            if error.kind is not RefusalKind.ABSENT:
                raise

    def files_of(self, batch_file: str | None, files: Iterable[str]) -> tuple[str, ...]:
        """The input file and the result files."""
        names = [file.partition(":")[2] for file in files]
        return tuple([batch_file, *names] if batch_file else names)

    def unwrap(self, line: bytes) -> ResultLine | Unreadable:
        """One line of an output or error file."""
        return unwrap(line)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()


_FILES: Final = (("output", "output_file_id"), ("error", "error_file_id"))


def limits(endpoint: str) -> Limits:
    """What one batch for this endpoint may hold."""
    if endpoint == "/v1/embeddings":
        return replace(LIMITS, embedding_inputs=_EMBEDDING_INPUTS)
    return LIMITS


def _form(boundary: str, fields: dict[str, str], filename: str) -> bytes:
    """Everything of a multipart form that comes before the file's bytes."""
    lines = []
    for name, value in fields.items():
        lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{name}"', "", value]
    lines += [
        f"--{boundary}",
        f'Content-Disposition: form-data; name="file"; filename="{filename}"',
        "Content-Type: application/jsonl",
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def _receipt(answer: Any) -> Receipt:
    try:
        return Receipt(str(answer["id"]), answer.get("expires_at"))
    except (KeyError, TypeError, AttributeError) as error:
        raise Doubtful("POST /batches: the answer has no id") from error


def _seen(item: dict[str, Any]) -> Seen:
    metadata = item.get("metadata") or {}
    attempt = metadata.get("lw_attempt")
    return Seen(
        provider_id=item["id"],
        created_at=float(item["created_at"]),
        requests=(item.get("request_counts") or {}).get("total") or None,
        expires_at=item.get("expires_at"),
        attempt=AttemptId(attempt) if attempt else None,
        home=metadata.get("lw_home"),
        file_id=item.get("input_file_id"),
        ended=item["status"] in _ENDINGS or item["status"] == "failed",
    )


def _failed(answer: dict[str, Any]) -> Failed:
    """Why a batch was refused after it was accepted."""
    errors = (answer.get("errors") or {}).get("data") or []
    problems = tuple(
        Problem(
            item.get("line"), item.get("code") or "failed", item.get("message") or "no reason given"
        )
        for item in errors
    ) or (Problem(None, "failed", "no reason given"),)
    codes = {problem.code for problem in problems}
    if "token_limit_exceeded" in codes:
        return Failed(RejectionKind.QUOTA, problems, _limit_in(problems))
    if codes & {"billing_hard_limit_reached", "insufficient_quota"}:
        return Failed(RejectionKind.BILLING, problems)
    if any(problem.line is not None for problem in problems):
        return Failed(RejectionKind.LINES, problems)
    if codes & _TRANSIENT:
        return Failed(RejectionKind.TRANSIENT, problems)
    return Failed(RejectionKind.WHOLE, problems)


_TRANSIENT: Final = frozenset(
    {"failed", "server_error", "internal_error", "rate_limit_exceeded", "input_no_permissions"}
)


def _limit_in(problems: tuple[Problem, ...]) -> int | None:
    """The limit that a message names; None where it names none, or nothing that work could fit into."""
    for problem in problems:
        if match := _LIMIT_IN_MESSAGE.search(problem.message):
            return int(match[1].replace(",", "")) or None
    return None


def _ended_at(answer: dict[str, Any]) -> float | None:
    """When it ended, by the provider's clock."""
    found = (answer.get(name) for name in ("completed_at", "expired_at", "cancelled_at"))
    return next((float(at) for at in found if at is not None), None)


def _batch_usage(usage: dict[str, Any] | None) -> Usage | None:
    """The provider's own sum over a batch; zeros mean that it does not give one."""
    if not usage or not usage.get("total_tokens"):
        return None
    details = usage.get("input_tokens_details") or {}
    cached = details.get("cached_tokens") or 0
    written = details.get("cache_write_tokens") or 0
    return Usage(
        input=usage["input_tokens"] - cached - written,
        cache_read=cached,
        cache_write_other=written,
        output=usage.get("output_tokens") or 0,
        reasoning=(usage.get("output_tokens_details") or {}).get("reasoning_tokens") or 0,
    )


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Error(msgspec.Struct):
    code: str | int | None = None
    message: str | None = None
    type: str | None = None


class _Body(msgspec.Struct):
    model: str | None = None
    usage: _Usage | None = None
    service_tier: str | None = None
    error: _Error | None = None


class _Response(msgspec.Struct):
    status_code: int = 0
    body: _Body | None = None


class _Line(msgspec.Struct):
    custom_id: str
    response: _Response | None = None
    error: _Error | None = None


class _LooseResponse(msgspec.Struct):
    status_code: int = 0
    body: msgspec.Raw = msgspec.Raw(b"")


class _LooseLine(msgspec.Struct):
    custom_id: str
    response: _LooseResponse | None = None
    error: msgspec.Raw = msgspec.Raw(b"")


_decode: Final = msgspec.json.Decoder(_Line).decode
_decode_loosely: Final = msgspec.json.Decoder(_LooseLine).decode
_TRY_AGAIN: Final = frozenset({408, 409, 425, 429})


def unwrap(line: bytes) -> ResultLine | Unreadable:
    """One line of an output or error file.

    >>> unwrap(b'{"custom_id":"a","response":{"status_code":200,"body":{}}}').verdict
    <Verdict.ANSWERED: 1>
    >>> unwrap(b'{"custom_id":"a","response":null,"error":{"code":"batch_expired"}}').verdict
    <Verdict.EXPIRED: 4>
    """
    try:
        return _result(_decode(line))
    except msgspec.ValidationError:
        return _unusual(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Unreadable(type(error).__name__)


def _result(line: _Line) -> ResultLine:
    response = line.response
    if response is None:
        return _without_response(line.custom_id, line.error)
    body = response.body or _Body()
    status = response.status_code
    if 200 <= status < 300:
        used = None if body.usage is None else _usage(body.usage)
        return ResultLine(
            line.custom_id,
            Verdict.ANSWERED,
            status,
            body.model or "",
            used,
            service_tier=body.service_tier or "",
        )
    error = body.error or line.error or _Error()
    verdict = _verdict(status)
    return ResultLine(
        line.custom_id, verdict, status, code=str(error.code or ""), message=error.message or ""
    )


def _without_response(custom_id: str, error: _Error | None) -> ResultLine:
    code = str(error.code or "") if error else ""
    verdict = {"batch_expired": Verdict.EXPIRED, "batch_cancelled": Verdict.CANCELLED}.get(
        code, Verdict.FAILED
    )
    return ResultLine(custom_id, verdict, code=code, message=(error and error.message) or "")


def _unusual(line: bytes) -> ResultLine | Unreadable:
    """A line whose fields are not of the usual types: an answer is an answer all the same."""
    try:
        loose = _decode_loosely(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Unreadable(type(error).__name__)
    if loose.response is None:
        return ResultLine(loose.custom_id, Verdict.FAILED)
    status = loose.response.status_code
    if 200 <= status < 300:
        return ResultLine(loose.custom_id, Verdict.ANSWERED, status)
    return ResultLine(loose.custom_id, _verdict(status), status)


def _verdict(status: int) -> Verdict:
    """What a status that is no answer means."""
    refused = (400 <= status < 500 and status not in _TRY_AGAIN) or status == NOT_IMPLEMENTED
    return Verdict.REFUSED if refused else Verdict.FAILED


def _usage(used: _Usage) -> Usage:
    """Their input includes what came from the cache; ours is in disjoint parts."""
    details = used.prompt_tokens_details or used.input_tokens_details
    cached = (details.cached_tokens or 0) if details else 0
    written = (details.cache_write_tokens or 0) if details else 0
    more = used.completion_tokens_details or used.output_tokens_details
    return Usage(
        input=max((used.prompt_tokens or used.input_tokens) - cached - written, 0),
        cache_read=cached,
        cache_write_other=written,
        output=used.completion_tokens or used.output_tokens,
        reasoning=(more.reasoning_tokens or 0) if more else 0,
    )
