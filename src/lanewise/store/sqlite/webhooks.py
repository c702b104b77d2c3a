"""Webhooks in SQLite: what is to be told is written down with what is asked, and stays until it is told."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from lanewise.domain.ids import fresh_id
from lanewise.domain.webhooks import Kind
from lanewise.secret import Secret
from lanewise.store.keys import NameTaken
from lanewise.store.sqlite.base import Operations
from lanewise.store.sqlite.queries import queries
from lanewise.store.webhooks import Awaited, Notice, Pending, Webhook, WebhookSecret

GIVEN_UP_SECONDS: Final = 30 * 86_400.0  # for so long people see what was given up
_SQL: Final = queries("webhooks")


class Awaiting(Operations):
    """What is written in the commit that accepts something, and in the one that forgets it."""

    def _await(
        self, tenant: str, subject: str, asked: Iterable[tuple[int, Kind, str | None]]
    ) -> None:
        """Have the tenant's webhooks told: those for all, and for each place the one that is named."""
        if self._db.first(_SQL["has_any"], (tenant,)) is not None:
            rows = [(subject, place, kind, tenant, name) for place, kind, name in asked]
            self._db.many(_SQL["await"], rows)

    def _unawait(self, subject: str) -> None:
        """Nobody could ask for the rest any more: nobody is told."""
        self._db.execute(_SQL["forget_subject"], (subject,))


class WebhookOperations(Awaiting):
    """Implements `lanewise.store.webhooks.WebhookStore`."""

    def add_webhook(self, webhook: Webhook) -> None:
        """Keep a new one. Raises `NameTaken` where the tenant has one of that name."""
        row = (
            webhook.id, webhook.tenant, webhook.name, webhook.url, int(webhook.all_of_it),
            webhook.created_at,
        )  # fmt: skip
        with self._db.transaction():
            if self._db.execute(_SQL["add"], row).rowcount != 1:
                raise NameTaken(f"there is a webhook named {webhook.name!r}: choose another name")
            for secret in webhook.secrets:
                self._add_secret(webhook.id, secret, webhook.created_at)

    def webhooks(self, tenant: str | None = None) -> list[Webhook]:
        """A tenant's, or those of all; by tenant and name."""
        return [self._webhook(row) for row in self._db.all(_SQL["webhooks"], (tenant,))]

    def has_webhook(self, tenant: str, name: str) -> bool:
        """Whether a tenant has one of that name that is told anything."""
        return self._db.first(_SQL["has_named"], (tenant, name)) is not None

    def drop_webhook(self, webhook: str) -> None:
        """Forget one, and what it was to be told."""
        with self._db.transaction():
            for statement in ("drop_notices", "forget_all", "drop_secrets", "drop"):
                self._db.execute(_SQL[statement], (webhook,))

    def rotate_webhook(
        self, webhook: str, secret: WebhookSecret, now: float, *, until: float
    ) -> None:
        """Sign with `secret`, and with what was there before no longer than `until`."""
        with self._db.transaction():
            self._db.execute(_SQL["end_secrets"], (webhook, until))
            self._db.execute(_SQL["drop_ended_secrets"], (webhook, now))
            self._add_secret(webhook, secret, now)

    def pending(self) -> dict[str, Pending]:
        """What is not told, by webhook; those without are left out."""
        rows = self._db.all(_SQL["pending"])
        return {row["webhook"]: Pending(row["waiting"], row["given_up"]) for row in rows}

    # -- from what has ended to notices -------------------------------------------------------------
    def awaited(self, since: int | None) -> list[Awaited]:
        """What is awaited, of all, or of that to which an event after number `since` may have put an end."""
        if self._db.first(_SQL["is_awaited"]) is None:
            return []
        rows = (
            self._db.all(_SQL["awaited"])
            if since is None
            else self._db.all(_SQL["awaited_since"], (since,))
        )
        return [
            Awaited(row["subject"], row["sequence"], row["webhook"], row["kind"], row["tenant"])
            for row in rows
        ]

    def announce(self, news: Sequence[tuple[Awaited, bytes | None]], now: float) -> None:
        """Make notices of what has ended, once each, whoever else does; None: nobody is told."""
        with self._db.transaction():
            self._db.execute(_SQL["drop_given_up"], (now - GIVEN_UP_SECONDS,))
            for item, body in news:
                key = (item.subject, item.sequence, item.webhook)
                if self._db.execute(_SQL["forget"], key).rowcount and body is not None:
                    row = (f"msg_{fresh_id()}", item.webhook, body, now)
                    self._db.execute(_SQL["add_notice"], row)

    # -- telling ------------------------------------------------------------------------------------
    def webhooks_due(self, now: float) -> list[Webhook]:
        """Those that have notices to be told now."""
        return [self._webhook(row) for row in self._db.all(_SQL["due_webhooks"], (now,))]

    def claim_notices(self, webhook: str, now: float, *, until: float, limit: int) -> list[Notice]:
        """Notices to tell now, which nobody else gets before `until`."""
        with self._db.transaction():
            rows = self._db.all(_SQL["due"], (webhook, now, limit))
            self._db.many(_SQL["claim"], [(until, row["id"]) for row in rows])
        return [Notice(row["id"], webhook, row["body"], row["tries"] + 1) for row in rows]

    def next_notice(self, besides: Collection[str]) -> float | None:
        """When the next is due, of other webhooks than these."""
        names = json.dumps(list(besides))
        due: float | None = self._db.one(_SQL["next"], (names,))["due_at"]
        return due

    def notice_taken(self, notice: Notice, now: float) -> None:
        """The webhook has it."""
        with self._db.transaction():
            self._db.execute(_SQL["taken"], (notice.id,))
            self._db.execute(_SQL["told"], (notice.webhook, now))

    def postpone_notice(self, notice: Notice, at: float, why: str) -> None:
        """Tell it again then; nothing happens where somebody else tells it by now."""
        with self._db.transaction():
            if self._db.execute(_SQL["postpone"], (at, notice.id, notice.tries)).rowcount:
                self._db.execute(_SQL["troubled"], (notice.webhook, why))

    def give_up_notice(self, notice: Notice, now: float, why: str) -> None:
        """Tell it no more."""
        with self._db.transaction():
            if self._db.execute(_SQL["give_up"], (now, notice.id, notice.tries)).rowcount:
                self._db.execute(_SQL["troubled"], (notice.webhook, why))
                what = f"{notice.id} was told {notice.tries} times: {why}"
                self._event(now, "webhook.given_up", self._called(notice.webhook), what)

    def disable_webhook(self, webhook: str, now: float, why: str) -> None:
        """Tell it nothing, now and later."""
        with self._db.transaction():
            if self._db.execute(_SQL["disable"], (webhook, now, why)).rowcount:
                self._db.execute(_SQL["forget_all"], (webhook,))
                dropped = self._db.execute(_SQL["drop_notices"], (webhook,)).rowcount
                what = f"{why}; {dropped} notices were dropped"
                self._event(now, "webhook.disabled", self._called(webhook), what)

    def _called(self, webhook: str) -> str:
        row = self._db.one(_SQL["called"], (webhook,))
        return f"{row['tenant']}/{row['name']}".lstrip("/")

    def _add_secret(self, webhook: str, secret: WebhookSecret, now: float) -> None:
        self._db.execute(_SQL["add_secret"], (webhook, secret.value.reveal(), now))

    def _webhook(self, row: sqlite3.Row) -> Webhook:
        secrets = tuple(
            WebhookSecret(Secret(kept["secret"]), kept["until"])
            for kept in self._db.all(_SQL["secrets"], (row["id"],))
        )
        return Webhook(
            row["id"], row["tenant"], row["name"], row["url"], bool(row["all_of_it"]), secrets,
            row["created_at"], row["told_at"], row["disabled_at"], row["trouble"],
        )  # fmt: skip
