"""One HTTP exchange, and what its outcome proves.

No retries, no redirects. A failure is `NotSent` only where the connection was never made; once any
byte may have left, everything but a definite answer is `Doubtful`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
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

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 120.0
_LONGEST_MESSAGE: Final = 300
_CHUNK: Final = 1024 * 1024
_NOT_SENT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
)


class Transport:
    """HTTP for one account."""

    def __init__(self, account: Account, headers: Mapping[str, str]) -> None:
        self._client = httpx2.AsyncClient(
            base_url=account.base_url + "/",
            headers={**headers, **account.headers, "user-agent": "lanewise"},
            timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=32, max_keepalive_connections=8),
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
        try:
            async with self._client.stream(method, path.lstrip("/"), **options) as response:
                if response.status_code >= 300:
                    raise await _failure(response, f"{method} {path}")
                yield response
        except _NOT_SENT as error:
            raise NotSent(f"{method} {path}: no connection ({_reason(error)})") from error
        except httpx2.LocalProtocolError:
            # its text may quote a header, and with it the credential: neither text nor cause is kept
            raise Doubtful(f"{method} {path}: could not be written as HTTP") from None
        except (httpx2.TransportError, httpx2.StreamError) as error:
            raise Doubtful(f"{method} {path}: {_reason(error)}") from error

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()


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
            async for chunk in response.aiter_bytes(_CHUNK):
                yield chunk
        except (httpx2.TransportError, httpx2.StreamError) as error:
            raise Doubtful(f"GET {path}: the connection broke ({type(error).__name__})") from error
        finally:
            await context.__aexit__(None, None, None)

    return Download(begin, begin + int(length) if length is not None else None, chunks())


async def _body(response: httpx2.Response) -> bytes:
    return await response.aread()


async def _failure(response: httpx2.Response, what: str) -> Exception:
    """What a status other than 2xx means."""
    status = response.status_code
    code, message = _error_of(await response.aread())
    text = f"{what}: HTTP {status} {message or response.reason_phrase}".strip()[:_LONGEST_MESSAGE]
    retry_after = retry_after_of(response.headers)
    if status >= 500 or status == 408 or status < 400:
        return Doubtful(text, status=status, retry_after=retry_after)
    return Refused(_kind(status, code), text, status=status, code=code, retry_after=retry_after)


def _kind(status: int, code: str) -> RefusalKind:
    if status in (401, 403):
        return RefusalKind.CREDENTIAL
    if status == 402 or code in (
        "insufficient_quota",
        "billing_hard_limit_reached",
        "enforced_spend_limit_reached",
    ):
        return RefusalKind.BILLING
    if status in (404, 410):
        return RefusalKind.ABSENT
    if status in (409, 425, 429):
        return RefusalKind.BUSY
    return RefusalKind.INVALID


def _error_of(raw: bytes) -> tuple[str, str]:
    """Code and message out of either provider's error body."""
    try:
        error = msgspec.json.decode(raw)["error"]
        details = error.get("details") or {}
        code = error.get("code") or details.get("error_code") or error.get("type") or ""
        return str(code), str(error.get("message") or "")
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return "", ""


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds the provider asks to wait; None where it does not say (or says it as a date)."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(float(headers[name]) / scale, 0.0)
        except (KeyError, ValueError):
            continue
    return None


def _reason(error: Exception) -> str:
    return (
        f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE]
        if str(error)
        else type(error).__name__
    )
