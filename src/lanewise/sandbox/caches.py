"""An account's prompt cache in the sandbox's state: shared by its processes, seen as of an instant.

A live call reads and writes as of now. A batch sees what was written before it began to run, and nothing of
what its own requests write: measured live by two users with Anthropic, five cold batches of marked requests
read nothing, and all requests of a batch read what a batch of one had written before. What a batch writes
is seen from its end on [assumed: only that it is not seen by batches that run at the same time is measured].
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from lanewise.sandbox.answers import PromptCache
from lanewise.sandbox.state import State

_KEPT_SECONDS: Final = (
    2 * 86_400.0
)  # after it expired: the results of a batch may be made that late


class AccountCache(PromptCache):
    """What an account's live calls find and leave."""

    def __init__(self, state: State, account: str) -> None:
        super().__init__()
        self._state, self._account = state, account

    def alive(self, key: str, now: float) -> bool:
        """Whether this prefix is there."""
        return _alive(self._state, self._account, key, now)

    def remember(self, keys: Sequence[str], now: float, seconds: float) -> None:
        """Keep these for so long."""
        with self._state.transaction():
            for key in keys:
                _keep(self._state, self._account, key, used=now, seen=now, until=now + seconds)


class BatchCache(PromptCache):
    """What the requests of one batch find, as of its beginning; what they write is kept for `flush`."""

    def __init__(self, state: State, row: sqlite3.Row) -> None:
        super().__init__(hits=state.config.cache_hits)
        self._state, self._account = state, str(row["account"])
        self._began, self._ended = began(row), ended(row)
        finalizing = min(row["cancel_at"] or self._ended, row["born_at"] + row["finalizing"])
        self._ran = max(finalizing, self._began)  # its last request
        self._found: dict[str, bool] = {}
        self._written: dict[str, float] = {}

    def alive(self, key: str, now: float) -> bool:
        """Whether this prefix was there when the batch began."""
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = _alive(self._state, self._account, key, self._began)
        return found

    def remember(self, keys: Sequence[str], now: float, seconds: float) -> None:
        """Write these down: their life is counted from when the last request ran."""
        for key in keys:
            self._written[key] = max(self._written.get(key, 0.0), self._ran + seconds)

    def flush(self) -> None:
        """Give the account what was written, within a transaction of the caller's."""
        for key, until in self._written.items():
            _keep(self._state, self._account, key, used=self._began, seen=self._ended, until=until)
        self._state.run("DELETE FROM cache WHERE expires_at < ?", self._state.now() - _KEPT_SECONDS)


def began(row: sqlite3.Row) -> float:
    """When a batch began to run."""
    return float(row["born_at"] + row["validated"])


def ended(row: sqlite3.Row) -> float:
    """When a batch ended or will end."""
    return float(row["cancel_done"] or row["born_at"] + row["ended"])


def earlier(state: State, row: sqlite3.Row) -> list[sqlite3.Row]:
    """The batches that had ended when this one began, and whose results nobody has asked for yet.

    What they cached is not known before their results are made.
    """
    return state.all(
        "SELECT * FROM batches WHERE account = ? AND provider = ? AND produced IS NULL "
        "AND errors IS NULL AND coalesce(cancel_done, born_at + ended) <= ? "
        "AND rowid < (SELECT rowid FROM batches WHERE id = ?) ORDER BY rowid",
        row["account"],
        row["provider"],
        began(row),
        row["id"],
    )


def _alive(state: State, account: str, key: str, at: float) -> bool:
    found = state.first(
        "SELECT 1 FROM cache WHERE account = ? AND key = ? AND seen_at <= ? AND expires_at > ?",
        account,
        key,
        at,
        at,
    )
    return found is not None


def _keep(state: State, account: str, key: str, *, used: float, seen: float, until: float) -> None:
    """Prolong the entry that was there when it was used; else it is a new one."""
    prolonged = state.run(
        "UPDATE cache SET expires_at = max(expires_at, ?) "
        "WHERE account = ? AND key = ? AND seen_at <= ? AND expires_at > ?",
        until,
        account,
        key,
        used,
        used,
    )
    if not prolonged:
        state.run(
            "INSERT INTO cache VALUES (?, ?, ?, ?) ON CONFLICT (account, key, seen_at) "
            "DO UPDATE SET expires_at = max(expires_at, excluded.expires_at)",
            account,
            key,
            seen,
            until,
        )
