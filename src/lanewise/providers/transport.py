"""One HTTP exchange, and what its outcome proves.

No retries, no redirects. A failure is `NotSent` only where the connection was never made; once any
byte may have left, everything but a definite answer is `Doubtful`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import msgspec

from lanewise.failpoints import reach
from lanewise.providers.protocol import (
    Account,
    Doubtful,
    Download,
    NotSent,
    RefusalKind,
    Refused,
)
from lanewise.providers.rate_headers import retry_after_of

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 120.0
MOST_ANSWER: Final = 256 * 1024 * 1024  # bytes of an answer that is kept in memory
_PLAIN: Final = {
    "accept-encoding": "identity"
}  # what is compressed may become a thousand times as much
_LONGEST_MESSAGE: Final = 300
_CHUNK: Final = 1024 * 1024
_CONNECTIONS: Final = 32
_UNPAID: Final = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "enforced_spend_limit_reached"}
)
# Anthropic says these with 400 invalid_request_error, as if the request were at fault
_UNPAID_MESSAGES: Final = (
    "You have reached your specified API usage limits",
    "Your credit balance is too low",
)
_STORAGE: Final = "storage quota"  # full, until files are deleted or expire [assumed wording]
_NOT_SENT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of any status, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    reason: str = ""


NOT_IMPLEMENTED: Final = 501  # a final no: servers of one's own have a part of an API only


class Transport:
    """HTTP for one account."""

    def __init__(
        self, account: Account, headers: Mapping[str, str], *, connections: int = _CONNECTIONS
    ) -> None:
        self._client = httpx2.AsyncClient(
            base_url=account.base_url + "/",
            headers={**headers, **account.headers, "user-agent": "lanewise", **_PLAIN},
            timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx2.Limits(
                max_connections=connections, max_keepalive_connections=connections // 4
            ),
            follow_redirects=False,
            trust_env=True,
        )

    async def json(self, method: str, path: str, **options: Any) -> tuple[Any, Mapping[str, str]]:
        """One exchange whose answer is JSON; returns it with the headers."""
        async with self.exchange(method, path, **options) as response:
            raw = await _body(response)
            try:
                return msgspec.json.decode(raw), response.headers
            except msgspec.DecodeError as error:
                raise Doubtful(f"{method} {path}: the answer is not JSON") from error

    @asynccontextmanager
    async def exchange(
        self, method: str, path: str, **options: Any
    ) -> AsyncIterator[httpx2.Response]:
        """One exchange whose body the caller reads; raises for anything but 2xx."""
        with _proving(f"{method} {path}"):
            async with self._client.stream(method, path.lstrip("/"), **options) as response:
                if response.status_code >= 300:
                    raise failure(await _reply(response), f"{method} {path}")
                yield response

    async def reply(self, method: str, path: str, *, timeout: float, **options: Any) -> Reply:
        """One exchange, whatever its status, given up as `Doubtful` after `timeout` seconds in all."""
        options["timeout"] = httpx2.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout))
        try:
            with _proving(f"{method} {path}"):
                async with (
                    asyncio.timeout(timeout),
                    self._client.stream(method, path.lstrip("/"), **options) as response,
                ):
                    return await _reply(response)
        except TimeoutError as error:
            raise Doubtful(f"{method} {path}: no answer in {timeout:g} s") from error

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()


@contextmanager
def _proving(what: str) -> Iterator[None]:
    """Failures of the connection as what they prove."""
    try:
        yield
    except _NOT_SENT as error:
        raise NotSent(f"{what}: no connection ({_reason(error)})") from error
    except httpx2.LocalProtocolError:
        # its text may quote a header, and with it the credential: neither text nor cause is kept
        raise Doubtful(f"{what}: could not be written as HTTP") from None
    except (httpx2.TransportError, httpx2.StreamError) as error:
        raise Doubtful(f"{what}: {_reason(error)}") from error


async def stream(
    pieces: Iterator[bytes],
    *,
    still_wanted: Callable[[], bool] = lambda: True,
    failpoint: str | None = None,
) -> AsyncIterator[bytes]:
    """A request body; stops with an error as soon as it is no longer wanted."""
    for piece in pieces:
        if not still_wanted():
            raise Doubtful("the time to send was over before everything was sent")
        yield piece
        await asyncio.sleep(0)
    if failpoint is not None:
        reach(failpoint)


async def open_download(
    http: Transport, path: str, headers: dict[str, str], start: int
) -> Download:
    """Begin a download and hand over its bytes; the connection ends with the iteration."""
    context = http.exchange("GET", path, headers=headers)
    response = await context.__aenter__()
    resumed = response.status_code == 206
    length = response.headers.get("content-length")
    begin = start if resumed else 0

    async def chunks() -> AsyncIterator[bytes]:
        try:
            _require_plain(response)
            async for chunk in response.aiter_raw(_CHUNK):
                yield chunk
        except (httpx2.TransportError, httpx2.StreamError) as error:
            raise Doubtful(f"GET {path}: the connection broke ({type(error).__name__})") from error
        finally:
            await context.__aexit__(None, None, None)

    return Download(begin, begin + int(length) if length is not None else None, chunks())


async def _body(response: httpx2.Response) -> bytes:
    """The whole body. Raises `Doubtful` where it is compressed, or has no end."""
    _require_plain(response)
    held = bytearray()
    async for chunk in response.aiter_raw():
        held += chunk
        if len(held) > MOST_ANSWER:
            raise Doubtful(f"the answer has more than {MOST_ANSWER:,} bytes")
    return bytes(held)


def _require_plain(response: httpx2.Response) -> None:
    if _is_packed(response):
        raise Doubtful("the answer is compressed, though it was asked not to be")


def _is_packed(response: httpx2.Response) -> bool:
    return response.headers.get("content-encoding", "identity").lower() not in ("", "identity")


async def _reply(response: httpx2.Response) -> Reply:
    refused = response.status_code >= 300  # which is definite, whatever the body says
    body = b"" if refused and _is_packed(response) else await _body(response)
    return Reply(response.status_code, response.headers, body, response.reason_phrase)


def failure(reply: Reply, what: str) -> Doubtful | Refused:
    """What a status other than 2xx means."""
    status = reply.status
    code, message = error_of(reply.body)
    text = f"{what}: HTTP {status} {message or reply.reason}".strip()[:_LONGEST_MESSAGE]
    retry_after = retry_after_of(reply.headers)
    if (status >= 500 and status != NOT_IMPLEMENTED) or status == 408 or status < 400:
        return Doubtful(text, status=status, retry_after=retry_after)
    kind = _kind(status, code, message)
    return Refused(kind, text, status=status, code=code, retry_after=retry_after)


def _kind(status: int, code: str, message: str) -> RefusalKind:
    if status in (401, 403):
        return RefusalKind.CREDENTIAL
    if status == 402 or code in _UNPAID or message.startswith(_UNPAID_MESSAGES):
        return RefusalKind.BILLING
    if status in (404, 410):
        return RefusalKind.ABSENT
    if status in (409, 425, 429) or _STORAGE in message.lower():
        return RefusalKind.BUSY
    return RefusalKind.INVALID


def error_of(raw: bytes) -> tuple[str, str]:
    """Code and message out of either provider's error body."""
    try:
        error = msgspec.json.decode(raw)["error"]
        details = error.get("details") or {}
        code = error.get("code") or details.get("error_code") or error.get("type") or ""
        return str(code), str(error.get("message") or "")
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return "", ""


def _reason(error: Exception) -> str:
    return (
        f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE]
        if str(error)
        else type(error).__name__
    )
