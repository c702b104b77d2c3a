"""Webhooks and what they are told: the nouns, and what is asked of the store about them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from lanewise.domain.webhooks import Kind
from lanewise.secret import Secret


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """What notices are signed with: `whsec_` and base64."""

    value: Secret
    until: float | None = None  # when it ends, once a rotation has put another in its place

    def ended(self, now: float) -> bool:
        """Whether a rotation has ended it by `now`."""
        return self.until is not None and self.until <= now


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that a tenant has told when what can wait has ended."""

    id: str
    tenant: str
    name: str
    url: str
    all_of_it: bool  # else it is told of what names it
    secrets: tuple[WebhookSecret, ...]  # the newest first
    created_at: float
    told_at: float | None = None  # when it last took a notice
    disabled_at: float | None = None
    trouble: str = ""  # what went wrong last


class Awaited(NamedTuple):
    """Something whose end a webhook is to be told: a request of a run, or an order as a whole."""

    subject: str
    sequence: int
    webhook: str
    kind: Kind
    tenant: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What a webhook is told; `tries` counts the one that is being made."""

    id: str
    webhook: str
    body: bytes
    tries: int


class Pending(NamedTuple):
    """How many notices of a webhook are to be told, and how many were given up."""

    waiting: int = 0
    given_up: int = 0


class WebhookStore(Protocol):
    """What is remembered of webhooks."""

    def add_webhook(self, webhook: Webhook) -> None:
        """Keep a new one. Raises `NameTaken` where the tenant has one of that name."""
        ...

    def webhooks(self, tenant: str | None = None) -> list[Webhook]:
        """A tenant's, or those of all; by tenant and name."""
        ...

    def has_webhook(self, tenant: str, name: str) -> bool:
        """Whether a tenant has one of that name that is told anything."""
        ...

    def drop_webhook(self, webhook: str) -> None:
        """Forget one, and what it was to be told."""
        ...

    def rotate_webhook(
        self, webhook: str, secret: WebhookSecret, now: float, *, until: float
    ) -> None:
        """Sign with `secret`, and with what was there before no longer than `until`."""
        ...

    def pending(self) -> dict[str, Pending]:
        """What is not told, by webhook; those without are left out."""
        ...

    def awaited(self, since: int | None) -> list[Awaited]:
        """What is awaited, of all, or of that to which an event after number `since` may have put an end."""
        ...

    def announce(self, news: Sequence[tuple[Awaited, bytes | None]], now: float) -> None:
        """Make notices of what has ended, once each, whoever else does; None: nobody is told."""
        ...

    def webhooks_due(self, now: float) -> list[Webhook]:
        """Those that have notices to be told now."""
        ...

    def claim_notices(self, webhook: str, now: float, *, until: float, limit: int) -> list[Notice]:
        """Notices to tell now, which nobody else gets before `until`."""
        ...

    def next_notice(self, besides: Collection[str]) -> float | None:
        """When the next is due, of other webhooks than these."""
        ...

    def notice_taken(self, notice: Notice, now: float) -> None:
        """The webhook has it."""
        ...

    def postpone_notice(self, notice: Notice, at: float, why: str) -> None:
        """Tell it again then; nothing happens where somebody else tells it by now."""
        ...

    def give_up_notice(self, notice: Notice, now: float, why: str) -> None:
        """Tell it no more."""
        ...

    def disable_webhook(self, webhook: str, now: float, why: str) -> None:
        """Tell it nothing, now and later."""
        ...
