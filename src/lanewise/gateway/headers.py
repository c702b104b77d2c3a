"""Which headers cross the gateway: no credential, nothing of a connection, no word meant for lanewise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lanewise.gateway.wire import Headers

_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# of the client: credentials, and what is said anew for the upstream
_NOT_SENT: Final = _HOP | {
    b"host",
    b"content-length",
    b"expect",
    b"accept-encoding",
    b"authorization",
    b"x-api-key",
    b"api-key",
    b"cookie",
    b"openai-organization",
    b"openai-project",
}
# of the provider: what it means for its own host
_NOT_SHOWN: Final = _HOP | {b"set-cookie", b"alt-svc", b"strict-transport-security"}
_OURS: Final = b"x-lanewise-"
_PLAIN: Final = (b"accept-encoding", b"identity")  # usage is read on the way


def for_upstream(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """A client's headers without its credentials and what is of its connection."""
    kept = [pair for pair in headers if pair[0] not in _NOT_SENT and not pair[0].startswith(_OURS)]
    kept.append(_PLAIN)
    return _without_named(kept, headers)


def for_client(headers: Headers) -> Headers:
    """A provider's headers without what is of its connection, or means its own host."""
    return _without_named([pair for pair in headers if pair[0] not in _NOT_SHOWN], headers)


def _without_named(kept: Headers, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Headers without those that a `connection` header names as its own (RFC 9110, 7.6.1)."""
    for name, value in headers:
        if name == b"connection" and value not in (b"keep-alive", b"close"):
            named = {token.strip() for token in value.lower().split(b",")}
            kept = [pair for pair in kept if pair[0] not in named]
    return kept
