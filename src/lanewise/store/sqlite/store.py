"""The SQLite store: its operations by topic, put together."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from lanewise.store.sqlite.claims import ClaimOperations
from lanewise.store.sqlite.connection import Database
from lanewise.store.sqlite.durations import DurationOperations
from lanewise.store.sqlite.keeping import KeepingOperations
from lanewise.store.sqlite.keys import KeyOperations
from lanewise.store.sqlite.leases import LeaseOperations
from lanewise.store.sqlite.looking import LookingOperations
from lanewise.store.sqlite.orders import OrderOperations
from lanewise.store.sqlite.outstanding import OutstandingOperations
from lanewise.store.sqlite.recovery import RecoveryOperations
from lanewise.store.sqlite.responses import ResponseOperations
from lanewise.store.sqlite.runs import RunOperations
from lanewise.store.sqlite.sending import SendingOperations
from lanewise.store.sqlite.settling import SettlingOperations
from lanewise.store.sqlite.webhooks import WebhookOperations


class SqliteStore(
    RunOperations,
    LeaseOperations,
    SendingOperations,
    SettlingOperations,
    RecoveryOperations,
    LookingOperations,
    DurationOperations,
    KeyOperations,
    ClaimOperations,
    OrderOperations,
    WebhookOperations,
    OutstandingOperations,
    ResponseOperations,
    KeepingOperations,
):
    """Implements `lanewise.store.protocol.Store` over one home directory."""

    @classmethod
    def open(cls, home: Path, *, now: float) -> Self:
        """Open `home`, creating or migrating it.

        Raises `StoreUnusable`, with a cure, for a home that cannot be written, is damaged or was
        written by a newer lanewise.
        """
        database = Database(home)
        try:
            database.migrate()
        except BaseException:
            database.close()
            raise
        store = cls(database)
        store.prepare()
        return store

    @property
    def home_id(self) -> str:
        """Sixteen characters that no other home has."""
        value: str = self._db.one("SELECT value FROM facts WHERE name = 'home_id'")[0]
        return value

    def close(self) -> None:
        """Let go."""
        self._db.close()
