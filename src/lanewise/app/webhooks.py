"""Webhooks: registered for a key, listed, rotated, tested, removed, from the command line or the API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from lanewise.app import keys
from lanewise.app.engine import Engine
from lanewise.domain.deadlines import By, Whenever, deadline
from lanewise.domain.ids import fresh_id
from lanewise.errors import BadInput, NotFound
from lanewise.lanes.receiver import Receivers, Resolve, require_reachable, resolve
from lanewise.lanes.signing import fresh_secret, signed
from lanewise.policy.announcing import TEST, enveloped
from lanewise.policy.notifying import Heard
from lanewise.policy.reaching import Inside
from lanewise.secret import Secret
from lanewise.store.protocol import Store
from lanewise.store.webhooks import Pending, Webhook, WebhookSecret

GRACE: Final = "24h"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
Name: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=128, extra_json_schema={"pattern": f"^{_NAME.pattern}$"})
]
Url: TypeAlias = Annotated[str, msgspec.Meta(max_length=2_048, extra_json_schema={"format": "uri"})]


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody wants to be told of, and where; without `all`, of what names the webhook."""

    name: Name
    url: Url
    all: bool = False


class ShownWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook as it is shown: never its secret. Instants are seconds since the epoch."""

    name: str
    key: str  # whose it is; empty for an open gateway
    url: str
    all: bool
    state: Literal["enabled", "disabled"]
    waiting: int  # notices to be told
    given_up: int  # notices that it did not take, of the last 30 days
    trouble: str  # what went wrong last; empty where the last notice was taken
    created_at: float
    told_at: float | None  # when it last took a notice
    old_until: (
        float | None
    )  # until when notices are signed with the secret before the last rotation too


class Tested(msgspec.Struct, frozen=True):
    """Whether a webhook took a test notice, and what it answered."""

    taken: bool
    status: int | None
    said: str


def new_webhook(fields: Mapping[str, Any]) -> NewWebhook:
    """What somebody wants, from fields by name. Raises `BadInput`."""
    try:
        return msgspec.convert(fields, NewWebhook)
    except msgspec.ValidationError as error:
        raise BadInput(f"this is no webhook that can be made: {error}") from error


def add(engine: Engine, key: str, new: NewWebhook, look_up: Resolve = resolve) -> Secret:
    """Register a webhook and return its secret, which is not shown a second time.

    Raises `NotFound` for a key that is not there, `NameTaken`, and `BadInput` for what cannot be used.
    """
    require_tenant(engine.store, key)
    if _NAME.fullmatch(new.name) is None:
        raise BadInput(
            "name takes 1 to 63 of a-z, 0-9, dot, hyphen and underscore, beginning with a letter or digit"
        )
    require_reachable(new.url, _inside(engine), look_up)
    secret = fresh_secret()
    engine.store.add_webhook(
        Webhook(
            fresh_id(), key, new.name, new.url, new.all, (WebhookSecret(secret),),
            engine.clock.now(),
        )
    )  # fmt: skip
    return secret


def require_tenant(store: Store, key: str) -> None:
    """Raises `NotFound` where there is no such key, `BadInput` where none is named and there are some."""
    if key:
        if keys.find(store, key).terms.admin:
            raise BadInput(
                f"{key!r} is an admin key: it calls no model, so there is nothing to tell"
            )
    elif any(not one.terms.admin for one in store.virtual_keys()):
        raise BadInput("the gateway has keys: say whose webhook it is with --key NAME")


def find(store: Store, key: str, name: str) -> Webhook:
    """A tenant's webhook; raises `NotFound`, whoever else has one of that name."""
    found = next((one for one in store.webhooks(key) if one.name == name), None)
    if found is None:
        called = f"{name!r}" if _NAME.fullmatch(name) else "of that name"
        raise NotFound(
            f"there is no webhook {called}; `lanewise webhooks list` shows those there are"
        )
    return found


def rotate(engine: Engine, key: str, name: str, *, grace: str = GRACE) -> Secret:
    """Another secret in the place of one; for `grace` (`now`: not at all) notices are signed with both.

    Raises `NotFound`, and `BadInput` for a grace that cannot be meant.
    """
    webhook, now = find(engine.store, key, name), engine.clock.now()
    wanted = deadline(grace, now, UTC, where="grace")
    if isinstance(wanted, Whenever):
        raise BadInput(f"grace is {grace!r}; it takes a span such as 24h, or now")
    until = wanted.at if isinstance(wanted, By) else now
    secret = fresh_secret()
    engine.store.rotate_webhook(webhook.id, WebhookSecret(secret), now, until=until)
    return secret


def remove(store: Store, key: str, name: str) -> None:
    """Forget a webhook and what it was to be told. Raises `NotFound`."""
    store.drop_webhook(find(store, key, name).id)


def try_out(engine: Engine, key: str, name: str, receivers: Receivers | None = None) -> Tested:
    """Tell a webhook that this is a test, once, and wait for what it answers. Raises `NotFound`."""
    webhook, now = find(engine.store, key, name), engine.clock.now()
    body = msgspec.json.encode(enveloped(TEST, {"webhook": webhook.name}, now))
    secrets = [secret.value for secret in webhook.secrets if not secret.ended(now)]
    headers = signed(f"msg_{fresh_id()}", body, secrets, now)

    async def tell() -> Heard:
        calling = receivers or engine.receivers()
        try:
            return await calling.tell(webhook.url, headers, body)
        finally:
            await calling.close()

    heard = asyncio.run(tell())
    taken = heard.status is not None and 200 <= heard.status < 300
    return Tested(taken, heard.status, str(heard))


def shown(store: Store, webhooks: Sequence[Webhook], now: float) -> list[ShownWebhook]:
    """Webhooks as people and programs see them."""
    pending = store.pending()
    return [_shown(one, pending.get(one.id, Pending()), now) for one in webhooks]


def _shown(webhook: Webhook, pending: Pending, now: float) -> ShownWebhook:
    old = [one.until for one in webhook.secrets if one.until and not one.ended(now)]
    return ShownWebhook(
        name=webhook.name,
        key=webhook.tenant,
        url=webhook.url,
        all=webhook.all_of_it,
        state="enabled" if webhook.disabled_at is None else "disabled",
        waiting=pending.waiting,
        given_up=pending.given_up,
        trouble=webhook.trouble,
        created_at=webhook.created_at,
        told_at=webhook.told_at,
        old_until=max(old, default=None),
    )


def _inside(engine: Engine) -> Inside:
    return Inside.of(engine.settings.webhook_allow)
