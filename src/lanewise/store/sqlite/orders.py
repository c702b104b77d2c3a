"""Files and batches that tenants hand in over HTTP, in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from lanewise.domain.webhooks import WHOLE, Kind
from lanewise.store.disk import explained, make_private
from lanewise.store.orders import Order, OrderState, Upload, Wrong
from lanewise.store.sqlite.queries import queries
from lanewise.store.sqlite.webhooks import Awaiting


class OrderOperations(Awaiting):
    """Every read names the tenant: another's is not there."""

    def upload_path(self, upload: str) -> Path:
        """Where the bytes of a file are, or are to be put; `upload` is an id of ours."""
        with explained("keeping a file", self.home):
            make_private(self.home / "uploads")
        return self.home / "uploads" / upload

    def add_upload(self, upload: Upload) -> None:
        """Make a file known whose bytes are on disk."""
        row = (
            upload.id, upload.tenant, upload.name, upload.bytes, upload.created_at,
            upload.expires_at, upload.trouble,
        )  # fmt: skip
        with self._db.transaction():
            self._db.execute(queries("orders")["add_upload"], row)

    def upload(self, tenant: str, upload: str, now: float) -> Upload | None:
        """A tenant's file, unless it has expired."""
        row = self._db.first(queries("orders")["upload"], (tenant, upload, now))
        return None if row is None else Upload(*row)

    def uploads(self, tenant: str, now: float, *, after: str | None, limit: int) -> list[Upload]:
        """A tenant's files, newest first."""
        rows = self._db.all(queries("orders")["uploads"], (tenant, now, after, limit))
        return [Upload(*row) for row in rows]

    def drop_upload(self, upload: str) -> None:
        """Forget a file."""
        with self._db.transaction():
            self._db.execute(queries("orders")["drop_upload"], (upload,))
        self.upload_path(upload).unlink(missing_ok=True)

    def drop_expired_uploads(self, now: float) -> None:
        """Forget the files that have expired and that nothing reads."""
        for row in self._db.all(queries("orders")["expired_uploads"], (now,)):
            self.drop_upload(row["id"])

    def add_order(self, order: Order, kind: Kind = "batch", webhook: str | None = None) -> None:
        """Write down what was ordered, and that the tenant's webhooks are told of its end."""
        row = (
            order.id, order.tenant, order.key, order.upload, order.endpoint, order.window,
            order.workflow, order.deadline, json.dumps(order.models),
            json.dumps(dict(order.metadata)), order.content, order.created_at,
        )  # fmt: skip
        with self._db.transaction():
            self._db.execute(queries("orders")["add_order"], row)
            self._await(order.tenant, order.id, [(WHOLE, kind, webhook)])

    def order(self, tenant: str, order: str) -> Order | None:
        """A tenant's order."""
        row = self._db.first(queries("orders")["order"], (tenant, order))
        return None if row is None else _order(row)

    def orders(self, tenant: str, kind: str, *, after: str | None, limit: int) -> list[Order]:
        """A tenant's orders whose ids begin with `kind`, newest first."""
        rows = self._db.all(queries("orders")["orders"], (tenant, kind, after, limit))
        return [_order(row) for row in rows]

    def order_like(self, tenant: str, content: bytes, since: float) -> Order | None:
        """The newest order that the same call made since then."""
        row = self._db.first(queries("orders")["order_like"], (tenant, content, since))
        return None if row is None else _order(row)

    def validating(self) -> list[Order]:
        """Orders of all tenants that have not become runs yet, oldest first."""
        return [_order(row) for row in self._db.all(queries("orders")["validating"])]

    def decide_order(
        self, order: str, state: OrderState, now: float, errors: Sequence[Wrong] = ()
    ) -> None:
        """An order became a run, or will not."""
        with self._db.transaction():
            values = (state, now, json.dumps(list(errors)), order)
            decided = self._db.execute(queries("orders")["decide_order"], values).rowcount
            if decided and state != "accepted":
                self._event(now, f"order.{state}", order)

    def cancel_order(self, order: str, now: float) -> None:
        """Note that it is not wanted any more."""
        with self._db.transaction():
            self._db.execute(queries("orders")["cancel_order"], (now, order))

    def drop_order(self, order: str) -> None:
        """Forget an order; the run that it became stays."""
        with self._db.transaction():
            self._db.execute(queries("orders")["drop_order"], (order,))
            self._unawait(order)


def _order(row: sqlite3.Row) -> Order:
    values = dict(row)
    values["metadata"] = json.loads(values["metadata"])
    values["models"] = tuple(json.loads(values["models"]))
    values["errors"] = tuple(Wrong(*wrong) for wrong in json.loads(values["errors"]))
    return Order(**values)
