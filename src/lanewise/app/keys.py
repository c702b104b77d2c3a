"""Virtual keys: made, shown once, listed, rotated and revoked; the same for the command line and the API."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from lanewise.app.policies import zone_named
from lanewise.domain.deadlines import By, Whenever, deadline
from lanewise.domain.lanes import LaneName
from lanewise.errors import BadInput, NotFound
from lanewise.policy.rules import ALL_LANES
from lanewise.pricing.dollars import nano_usd, plain
from lanewise.secret import Secret
from lanewise.settings import Settings
from lanewise.store.keys import KeySecret, KeyTerms, VirtualKey, month_of
from lanewise.store.protocol import Store
from lanewise.store.sqlite import SqliteStore

BEGIN: Final = "lw-"
LENGTH: Final = 43
GRACE: Final = "24h"
_RANDOM_BYTES: Final = 25  # 40 characters of base32
_VISIBLE: Final = 6
_NAME: Final = re.compile(r"(?!lw-)[a-z0-9][a-z0-9._-]{0,62}")
_DOLLARS: Final = re.compile(
    r"[0-9]{1,9}(\.[0-9]{1,9})?"
)  # what a database's integers hold in nano-USD


def _text(**said: Any) -> msgspec.Meta:
    """A text for which the schema says more than is checked on reading: `create` says it in words."""
    return msgspec.Meta(max_length=128, extra_json_schema=said)


Count: TypeAlias = Annotated[int, msgspec.Meta(gt=0, le=1_000_000_000)]
Text: TypeAlias = Annotated[str, _text()]
Name: TypeAlias = Annotated[str, _text(pattern=f"^{_NAME.pattern}$")]
Dollars: TypeAlias = Annotated[str, _text(pattern=f"^{_DOLLARS.pattern}$")]
Something: TypeAlias = Annotated[str, _text(minLength=1)]
Endpoint: TypeAlias = Annotated[str, _text(pattern="^/v1/")]
Lane: TypeAlias = Annotated[str, _text(enum=list(ALL_LANES))]
_FEW: Final = msgspec.Meta(max_length=100)


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody wants a key to be; what is left out sets no limit."""

    name: Name
    owner: Text = ""
    workflow: Something = "default"
    models: Annotated[tuple[Something, ...], _FEW] = ()
    lanes: Annotated[tuple[Lane, ...], _FEW] = ()
    endpoints: Annotated[tuple[Endpoint, ...], _FEW] = ()
    deadline: Text | None = None
    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    monthly_usd: Dollars | None = None
    expires: Text | None = None
    admin: bool = False


class ShownKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is shown: never the key itself. Instants are seconds since the epoch."""

    name: str
    prefix: str
    state: Literal["valid", "expired", "revoked"]
    admin: bool
    owner: str
    workflow: str
    models: tuple[str, ...]
    lanes: tuple[str, ...]
    endpoints: tuple[str, ...]
    deadline: str | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    monthly_usd: str | None
    drawn_usd: (
        str  # of this month's budget: spent, held by gateways that run, or reserved for what waits
    )
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    old_until: float | None  # until when the key of before the last rotation is valid


def new_key(fields: Mapping[str, Any]) -> NewKey:
    """What somebody wants, from fields by name. Raises `BadInput`."""
    try:
        return msgspec.convert(fields, NewKey)
    except msgspec.ValidationError as error:
        raise BadInput(f"this is no key that can be made: {error}") from error


def digest(key: bytes) -> bytes:
    """What a key is looked up by."""
    return hashlib.sha256(key).digest()


def create(store: Store, new: NewKey, now: float, zone: tzinfo = UTC) -> Secret:
    """Keep a new key and return it, which nobody can do a second time.

    Raises `NameTaken`, and `BadInput` naming the field that cannot be used.
    """
    terms = _terms(new, now, zone)
    key, kept = _fresh()
    store.add_key(VirtualKey(_name(new.name), terms, (kept,), now))
    return key


def rotate(store: Store, name: str, now: float, *, grace: str = GRACE) -> Secret:
    """Another key in the place of one; the old one is valid for `grace` more (`now`: no longer).

    Raises `NotFound`, and `BadInput` for a key that is over, or a grace that cannot be meant.
    """
    find(store, name)
    wanted = deadline(grace, now, UTC, where="grace")
    if isinstance(wanted, Whenever):
        raise BadInput(f"grace is {grace!r}; it takes a span such as 24h, or now")
    until = wanted.at if isinstance(wanted, By) else now
    key, kept = _fresh()
    store.rotate_key(name, kept, now, until=until)
    return key


def revoke(store: Store, name: str, now: float) -> None:
    """End a key for good. Raises `NotFound`."""
    find(store, name)
    store.revoke_key(name, now)


def find(store: Store, name: str) -> VirtualKey:
    """The key of that name; raises `NotFound`, which never repeats what may be a key."""
    found = next((key for key in store.virtual_keys() if key.name == name), None)
    if found is None:
        called = f"{name!r}" if _NAME.fullmatch(name) else "that name"
        raise NotFound(f"there is no key {called}; `lanewise keys list` shows those there are")
    return found


def shown(store: Store, keys: Sequence[VirtualKey], now: float) -> list[ShownKey]:
    """Keys as people and programs see them."""
    drawn = store.drawn(month_of(now))
    return [_shown(key, drawn.get(key.name, 0), now) for key in keys]


def apart(settings: Settings, now: float) -> Store:
    """A connection of its own to the home: what is read here never waits for a transaction of the engine."""
    return SqliteStore.open(settings.home, now=now)


def _fresh() -> tuple[Secret, KeySecret]:
    random = base64.b32encode(secrets.token_bytes(_RANDOM_BYTES)).decode().lower()
    key = BEGIN + random
    return Secret(key), KeySecret(digest(key.encode()), key[: len(BEGIN) + _VISIBLE])


def _terms(new: NewKey, now: float, zone: tzinfo) -> KeyTerms:
    for name in ("owner", "workflow"):
        _printable(getattr(new, name), name)
    if not new.workflow:
        raise BadInput("workflow is empty; it takes a name")
    return KeyTerms(
        new.owner,
        new.workflow,
        _all(new.models, "models", "a pattern such as gpt-5*", lambda text: text != ""),
        tuple(map(LaneName, _all(new.lanes, "lanes", _LANES, lambda text: text in ALL_LANES))),
        _all(new.endpoints, "endpoints", _PATHS, lambda text: text.startswith("/v1/")),
        _when(new.deadline, now, zone),
        new.requests_per_minute,
        new.tokens_per_minute,
        _monthly(new.monthly_usd),
        _expiry(new.expires, now, zone),
        new.admin,
    )


_LANES: Final = ", ".join(ALL_LANES)
_PATHS: Final = "a path or a pattern such as /v1/messages*"


def _name(text: str) -> str:
    """A name that is safe in URLs and logs, and cannot be a key that somebody pasted."""
    if _NAME.fullmatch(text) is None:
        raise BadInput(
            "name takes 1 to 63 of a-z, 0-9, dot, hyphen and underscore, beginning with a letter or digit, "
            "and not with lw- as keys do"
        )
    return text


def _printable(text: str, where: str) -> str:
    if not text.isprintable():
        raise BadInput(f"{where} holds a character that cannot be printed")
    return text


def _all(
    texts: Sequence[str], where: str, takes: str, fit: Callable[[str], bool]
) -> tuple[str, ...]:
    for text in texts:
        if not fit(_printable(text, where)):
            raise BadInput(f"{where} holds {text!r}; it takes {takes}")
    return tuple(dict.fromkeys(texts))


def _when(text: str | None, now: float, zone: tzinfo) -> str | None:
    if text is not None:
        deadline(text, now, zone, where="deadline", zones=zone_named)
    return text


def _monthly(text: str | None) -> int | None:
    if text is None:
        return None
    if _DOLLARS.fullmatch(text) is None:
        raise BadInput(f"monthly_usd is {text!r}; it takes dollars such as 50 or 0.25")
    return nano_usd(text, "monthly_usd")


def _expiry(text: str | None, now: float, zone: tzinfo) -> float | None:
    if text is None:
        return None
    wanted = deadline(text, now, zone, where="expires", zones=zone_named)
    if not isinstance(wanted, By):
        raise BadInput(f"expires is {text!r}; it takes a span such as 90d or an instant")
    return wanted.at


def _shown(key: VirtualKey, drawn: int, now: float) -> ShownKey:
    terms = key.terms
    old = [secret.until for secret in key.secrets if secret.until and not secret.ended(now)]
    over: Literal["expired", "revoked"] = "expired" if key.revoked_at is None else "revoked"
    return ShownKey(
        name=key.name,
        prefix=key.secrets[0].prefix,
        state="valid" if key.usable(now) else over,
        admin=terms.admin,
        owner=terms.owner,
        workflow=terms.workflow,
        models=terms.models,
        lanes=terms.lanes,
        endpoints=terms.endpoints,
        deadline=terms.deadline,
        requests_per_minute=terms.requests_per_minute,
        tokens_per_minute=terms.tokens_per_minute,
        monthly_usd=None if terms.monthly_nano is None else plain(terms.monthly_nano),
        drawn_usd=plain(drawn),
        created_at=key.created_at,
        expires_at=terms.expires_at,
        revoked_at=key.revoked_at,
        old_until=max(old, default=None),
    )
