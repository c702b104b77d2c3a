"""Who asks, by the virtual key that came along; and what that key is not for.

Keys are remembered by their SHA-256 and read again when the store says that one changed, which is looked up
once a second: a key that was revoked anywhere opens nothing a second later, in every process. Nothing here
ever repeats a key.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lanewise.app.keys import BEGIN, LENGTH, digest
from lanewise.clock import Clock
from lanewise.domain.lanes import LaneName
from lanewise.gateway.who import OPEN, Who
from lanewise.policy import globs
from lanewise.store.keys import KeyTerms, VirtualKey
from lanewise.store.protocol import Store

LOOK_SECONDS: Final = 1.0
_BEARER: Final = b"bearer "
_BEGIN: Final = BEGIN.encode()
_LONGEST: Final = 256  # of what strangers send, to be matched with patterns


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is not let through: for `dialect.error_body`, with the headers that go with it."""

    status: int
    code: str
    message: str
    retry_after: int | None = None  # seconds; None: asking again is of no use

    def headers(self) -> list[tuple[bytes, bytes]]:
        """`retry-after`, or that the official SDKs need not try again."""
        if self.retry_after is None:
            return [(b"x-should-retry", b"false")]
        return [(b"retry-after", b"%d" % self.retry_after)]


UNKNOWN_KEY: Final = Refusal(401, "invalid_api_key", "this key is not known here, or no longer")


@dataclass(frozen=True, slots=True)
class _Known:
    who: Who
    until: float


class KeyRing:
    """Implements `lanewise.gateway.who.Identify` over the keys of a home.

    While no key was ever made, everybody is `OPEN`; a home whose keys are all over is shut, not open.
    Give it a store of its own (`lanewise.app.keys.apart`): a look-up then never waits for a transaction.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._looked, self._version = -math.inf, -1
        self._by_hash: dict[bytes, _Known] = {}
        self._terms: dict[str, KeyTerms] = {}
        self.look(clock.now())

    @property
    def open(self) -> bool:
        """Whether no key was ever made: such a gateway listens on loopback only."""
        return not self._terms

    def __call__(self, headers: Mapping[bytes, bytes]) -> Who | None:
        """The caller; None for a key that is unknown, over or an admin's, and where none came along."""
        now = self._clock.now()
        if not 0.0 <= now - self._looked < LOOK_SECONDS:
            self.look(now)
        if self.open:
            return OPEN
        known = self._by_hash.get(digest(presented(headers)))
        return known.who if known is not None and now < known.until else None

    def terms(self, name: str) -> KeyTerms | None:
        """What the key of that name may do; None where there is no such key."""
        return self._terms.get(name)

    def holder(self, name: str) -> Who | None:
        """Who asks with the key of that name, whatever became of it since."""
        terms = self._terms.get(name)
        return None if terms is None else _holder(name, terms)

    def look(self, now: float) -> None:
        """Read the keys again if one has changed."""
        self._looked = now
        version = self._store.keys_version()
        if version == self._version:
            return
        keys = self._store.virtual_keys()
        self._by_hash = {hash_: known for key in keys for hash_, known in _recognised(key)}
        self._terms = {key.name: key.terms for key in keys}
        self._version = version


def presented(headers: Mapping[bytes, bytes]) -> bytes:
    """The key that came along as `authorization: Bearer` or `x-api-key`; empty where none did.

    >>> presented({b"authorization": b"Bearer sk-other", b"x-api-key": b"lw-" + b"a" * 40})[:6]
    b'lw-aaa'
    """
    said = headers.get(b"authorization", b"")
    bearer = said[len(_BEARER) :].strip() if said[: len(_BEARER)].lower() == _BEARER else b""
    for candidate in (bearer, headers.get(b"x-api-key", b"").strip()):
        if len(candidate) == LENGTH and candidate.startswith(_BEGIN):
            return candidate
    return b""


def barred(
    who: Who, endpoint: str, model: str | None = None, lane: LaneName | None = None
) -> Refusal | None:
    """Why a key is not for a call; None where it is. `model` or `lane` is None where the call has none.

    >>> barred(Who(models=("gpt-5*",)), "/v1/responses", "gpt-5-mini") is None
    True
    >>> barred(Who(models=("gpt-5*",)), "/v1/responses", "o3").message
    "this key is not for the model 'o3'; it takes gpt-5*"
    """
    if who.endpoints and not _fits(who.endpoints, endpoint):
        return _not_for("endpoint", endpoint, who.endpoints)
    if who.models and model is not None and not _fits(who.models, model):
        return _not_for("model", model, who.models)
    if who.lanes and lane is not None and lane not in who.lanes:
        return _not_for("lane", lane, who.lanes)
    return None


def _fits(patterns: tuple[str, ...], text: str) -> bool:
    return len(text) <= _LONGEST and any(globs.fits(pattern, text) for pattern in patterns)


def _not_for(what: str, asked: str, takes: tuple[str, ...]) -> Refusal:
    shown = asked if len(asked) <= _LONGEST else f"{asked[:40]}..."
    message = f"this key is not for the {what} {shown!r}; it takes {', '.join(takes)}"
    return Refusal(403, f"{what}_not_allowed", message)


def _holder(name: str, terms: KeyTerms) -> Who:
    limits = (terms.requests_per_minute, terms.tokens_per_minute, terms.monthly_nano)
    return Who(
        name, name, terms.workflow, terms.models, terms.lanes, terms.endpoints, terms.deadline,
        terms.monthly_nano, any(limit is not None for limit in limits),
    )  # fmt: skip


def _recognised(key: VirtualKey) -> Iterator[tuple[bytes, _Known]]:
    """What a key is recognised by, and until when; nothing for one that opens no call."""
    terms = key.terms
    if terms.admin or key.revoked_at is not None:
        return
    who = _holder(key.name, terms)
    for secret in key.secrets:
        ends = (end for end in (secret.until, terms.expires_at) if end is not None)
        yield secret.hash, _Known(who, min(ends, default=math.inf))
