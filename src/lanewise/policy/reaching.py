"""Which addresses a webhook may have: out there, and inside only what the setting `webhook_allow` names.

Whoever registers an address makes this machine call it. So it must not be one that only this machine
reaches: its own services, its network, a cloud's metadata. What a host's name stands for is looked up
elsewhere; here every address that was found is judged, in whatever form it hides another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self, TypeAlias
from urllib.parse import urlsplit

from lanewise.errors import BadInput

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
ACCEPTED: Final = (
    "it takes https://HOST[:PORT]/PATH, with no user or password in it, at a host whose addresses are all on "
    "the public internet; internal ones have to be named in the setting webhook_allow"
)
_LONGEST: Final = 2_048
_URL: Final = re.compile(r"[\x21-\x7e]+")
_GLOBAL_6: Final = IPv6Network(
    "2000::/3"
)  # all that is given out; what is special in it is not global
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_RELAYS: Final = IPv4Network("192.88.99.0/24")  # of 6to4


@dataclass(frozen=True, slots=True)
class Target:
    """An address of a webhook, taken apart."""

    scheme: str
    host: str  # as in URLs, without brackets
    port: int
    path: str  # with its query

    @property
    def authority(self) -> str:
        """The value of a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.scheme == "https" else 80
        return host if self.port == usual else f"{host}:{self.port}"

    def at(self, address: Address) -> str:
        """The same URL at one of its host's addresses."""
        host = f"[{address}]" if address.version == 6 else str(address)
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def target_of(url: str) -> Target:
    """Take an address apart; raises `BadInput` for one that no webhook can have.

    >>> target_of("https://example.org/hook?a=1")
    Target(scheme='https', host='example.org', port=443, path='/hook?a=1')
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
    except ValueError:
        raise BadInput(f"the webhook's address cannot be read; {ACCEPTED}") from None
    fit = _URL.fullmatch(url) is not None and len(url) <= _LONGEST and "\\" not in url
    if not fit or parts.scheme not in ("https", "http") or not host or port == 0:
        raise BadInput(f"the webhook's address cannot be used; {ACCEPTED}")
    if "@" in parts.netloc or "%" in parts.netloc or "#" in url:
        raise BadInput(f"the webhook's address has a user, a zone or a fragment in it; {ACCEPTED}")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path)


@dataclass(frozen=True, slots=True)
class Inside:
    """What of the inside is allowed: hosts by name, and networks."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """From the setting `webhook_allow`."""
        hosts, networks = set(), []
        for entry in entries:
            try:
                networks.append(ip_network(entry, strict=False))
            except ValueError:
                hosts.add(entry.lower())
        return cls(frozenset(hosts), tuple(networks))

    def allows(self, host: str, address: Address) -> bool:
        """Whether this address is allowed for that host: a name opens no metadata service, a network may."""
        if any(address in network for network in self.networks):
            return True
        special = address.is_link_local or address.is_multicast or address.is_unspecified
        return host.lower() in self.hosts and not special


def bare(address: Address) -> Address | None:
    """The address that traffic ends at; None for forms of which nobody can tell.

    >>> bare(ip_address("::ffff:127.0.0.1")), bare(ip_address("64:ff9b::a9fe:a9fe"))
    (IPv4Address('127.0.0.1'), IPv4Address('169.254.169.254'))
    >>> bare(ip_address("2002:a00:1::")), bare(ip_address("2001::1"))
    (IPv4Address('10.0.0.1'), None)
    """
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo is not None:
        return None
    return address.ipv4_mapped or address.sixtofour or address


def is_outside(address: Address) -> bool:
    """Whether it is an ordinary address of the public internet; of `bare` ones.

    >>> is_outside(ip_address("93.184.215.14")), is_outside(ip_address("100.64.0.1"))
    (True, False)
    """
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return address in _GLOBAL_6 if isinstance(address, IPv6Address) else address not in _RELAYS


def checked(target: Target, addresses: Sequence[str], inside: Inside) -> list[Address]:
    """The addresses of a host, none of which is forbidden; raises `BadInput` where one of them is.

    Plain http is for loopback addresses that are allowed, and for nothing else.
    """
    if not addresses:
        raise BadInput(f"the webhook's host {target.host!r} has no address; {ACCEPTED}")
    found = [ip_address(text.partition("%")[0]) for text in addresses]
    for address in found:
        ending = bare(address)
        allowed = ending is not None and inside.allows(target.host, ending)
        if ending is None or not (allowed or is_outside(ending)):
            raise BadInput(f"the webhook's host {target.host!r} is inside; {ACCEPTED}")
        if target.scheme == "http" and not (allowed and ending.is_loopback):
            raise BadInput(f"the webhook's address is not https; {ACCEPTED}")
    return list(dict.fromkeys(found))
