"""One try to tell a webhook: at an address that was checked, by the connection that is made then.

The host is looked up once for each try, every address is judged, and the connection goes to one of those:
a name that means another machine a moment later changes nothing. Redirects are not followed, and of what
the receiver says only the status is read.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

import httpx2

from lanewise.errors import BadInput
from lanewise.policy.notifying import Heard
from lanewise.policy.reaching import Address, Inside, Target, checked, target_of

TRY_SECONDS: Final = 15.0  # for all of it; receivers are to answer first and work after
_CONNECT_SECONDS: Final = 5.0  # to each address
_LOOKUPS: Final = 4  # at once: one that hangs keeps no other work waiting
Resolve: TypeAlias = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> list[str]:
    """The addresses that the system knows for a host; none where it knows no such host."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(item[4][0]) for item in found]


def require_reachable(url: str, inside: Inside, look_up: Resolve = resolve) -> None:
    """Raises `BadInput`, saying what is accepted, for an address that a webhook cannot have."""
    target = target_of(url)
    checked(target, look_up(target.host, target.port), inside)


class Receivers:
    """Makes calls to webhooks. Of one event loop; close it."""

    def __init__(
        self, inside: Inside, look_up: Resolve = resolve, *, try_seconds: float = TRY_SECONDS
    ) -> None:
        self._inside, self._resolve, self._seconds = inside, look_up, try_seconds
        self._opened: httpx2.AsyncClient | None = None
        self._lookups = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="lanewise-lookups")

    async def tell(self, url: str, headers: Mapping[str, str], body: bytes) -> Heard:
        """Post `body`; what was heard, in words that repeat nothing of what the receiver said."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._tell(url, headers, body)
        except TimeoutError:
            return Heard(None, f"it did not answer within {self._seconds:g} s")
        except BadInput as error:
            return Heard(None, str(error))
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, OSError) as error:
            return Heard(None, f"the call failed ({type(error).__name__})")

    async def _tell(self, url: str, headers: Mapping[str, str], body: bytes) -> Heard:
        target = target_of(url)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._lookups, self._resolve, target.host, target.port)
        *others, last = checked(target, found, self._inside)
        for address in others:
            try:
                return await self._post(target, address, headers, body)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue  # nothing was sent: the next may be there
        return await self._post(target, last, headers, body)

    async def _post(
        self, target: Target, address: Address, headers: Mapping[str, str], body: bytes
    ) -> Heard:
        own = {"host": target.authority, "content-type": "application/json"}
        async with self._client().stream(
            "POST",
            target.at(address),
            headers={**own, **headers},
            content=body,
            extensions={"sni_hostname": target.host},  # whose certificate it has to be
        ) as response:
            return Heard(response.status_code)

    def _client(self) -> httpx2.AsyncClient:
        """Made when it is first needed. No connection is kept: it would be to an address, not to a host."""
        if self._opened is None:
            self._opened = httpx2.AsyncClient(
                headers={"user-agent": "lanewise", "accept-encoding": "identity"},
                timeout=httpx2.Timeout(self._seconds, connect=_CONNECT_SECONDS),
                limits=httpx2.Limits(max_keepalive_connections=0),
                verify=ssl.create_default_context(),  # which heeds SSL_CERT_FILE
                follow_redirects=False,
                trust_env=False,  # a proxy would look the host up itself
            )
        return self._opened

    async def close(self) -> None:
        """Let go of connections."""
        self._lookups.shutdown(wait=False, cancel_futures=True)
        if self._opened is not None:
            await self._opened.aclose()
            self._opened = None
