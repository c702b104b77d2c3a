"""The nouns of virtual keys: what the gateway's callers are known by, and what each may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from lanewise.domain.lanes import LaneName
from lanewise.errors import BadInput

_DAY: Final = 86_400.0


def month_of(now: float) -> str:
    """The calendar month (UTC), in which a budget is spent.

    >>> month_of(1_796_000_000.0)
    '2026-11'
    """
    return _month(int(now // _DAY))


@lru_cache(4)
def _month(day: int) -> str:
    return datetime.fromtimestamp(day * _DAY, UTC).strftime("%Y-%m")


class NameTaken(BadInput):
    """A key of that name is there, or was, or a webhook is: they are told apart by names."""


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """For whom a key is and what it may do; what is empty or None sets no limit.

    An admin key manages keys and calls nothing else.
    """

    owner: str = ""
    workflow: str = "default"
    models: tuple[str, ...] = ()  # patterns
    lanes: tuple[LaneName, ...] = ()
    endpoints: tuple[str, ...] = ()  # patterns of paths
    deadline: str | None = None  # in people's words, where a request says nothing
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None  # input, and the most that may be written
    monthly_nano: int | None = None  # nano-USD in a calendar month (UTC)
    expires_at: float | None = None
    admin: bool = False


@dataclass(frozen=True, slots=True)
class KeySecret:
    """What one key is recognised by: not the key, from which both are made."""

    hash: bytes  # SHA-256
    prefix: str  # its first characters, to tell keys apart by eye
    until: float | None = None  # when it ends, once a rotation has put another in its place

    def ended(self, now: float) -> bool:
        """Whether a rotation has ended it by `now`."""
        return self.until is not None and self.until <= now


@dataclass(frozen=True, slots=True)
class VirtualKey:
    """A key as it is kept."""

    name: str
    terms: KeyTerms
    secrets: tuple[KeySecret, ...]  # the newest first
    created_at: float
    revoked_at: float | None = None

    def usable(self, now: float) -> bool:
        """Whether it opens anything at `now`."""
        over = self.terms.expires_at is not None and self.terms.expires_at <= now
        return self.revoked_at is None and not over
