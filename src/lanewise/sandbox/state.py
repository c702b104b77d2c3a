"""What a sandbox remembers: one directory, shared by any number of processes, safe to kill.

Nothing runs in the background that matters: a batch's state follows from its row and the time, and
its results are made when they are first needed.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lanewise.sandbox.clock import SandboxClock
from lanewise.sandbox.config import Fault, SandboxConfig, fault_from

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, filename TEXT NOT NULL, purpose TEXT NOT NULL,
    bytes INTEGER NOT NULL, created_at REAL NOT NULL, expires_at REAL, visible_at REAL NOT NULL,
    deleted REAL NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS batches (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, provider TEXT NOT NULL, endpoint TEXT NOT NULL,
    input_file TEXT NOT NULL, metadata TEXT NOT NULL, created_at REAL NOT NULL, born_at REAL NOT NULL,
    visible_at REAL NOT NULL, validated REAL NOT NULL, finalizing REAL NOT NULL, ended REAL NOT NULL,
    window REAL NOT NULL, share REAL NOT NULL, expires INTEGER NOT NULL, plan TEXT NOT NULL,
    requests INTEGER, model TEXT, tokens INTEGER, errors TEXT, cancel_at REAL, cancel_done REAL,
    produced TEXT, deleted INTEGER NOT NULL DEFAULT 0, output_keep REAL);
CREATE INDEX IF NOT EXISTS batches_of ON batches (account, provider, created_at);
CREATE TABLE IF NOT EXISTS bills (
    account TEXT NOT NULL, batch TEXT NOT NULL, model TEXT NOT NULL, lane TEXT NOT NULL,
    provider TEXT NOT NULL, n INTEGER NOT NULL, nano INTEGER NOT NULL, realtime_nano INTEGER NOT NULL,
    at REAL NOT NULL, PRIMARY KEY (batch, model, lane));
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT, rule TEXT NOT NULL, chances INTEGER NOT NULL DEFAULT 0,
    struck INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS responses (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, body TEXT NOT NULL, ready_at REAL NOT NULL,
    cancelled INTEGER NOT NULL DEFAULT 0, charge TEXT NOT NULL, billed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS cache (
    account TEXT NOT NULL, key TEXT NOT NULL, seen_at REAL NOT NULL, expires_at REAL NOT NULL,
    PRIMARY KEY (account, key, seen_at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, filename TEXT NOT NULL, purpose TEXT NOT NULL,
    bytes INTEGER NOT NULL, status TEXT NOT NULL, created_at REAL NOT NULL, parts TEXT NOT NULL);
"""


class State:
    """Rows and files of one sandbox directory."""

    def __init__(
        self,
        directory: Path,
        config: SandboxConfig,
        *,
        real: Callable[[], float] = time.time,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("files", "bills"):
            (directory / name).mkdir(exist_ok=True)
        self.directory, self.config = directory, config
        self._guard = threading.RLock()
        self._db = sqlite3.connect(
            directory / "sandbox.db", isolation_level=None, check_same_thread=False, timeout=60
        )
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        with self.transaction():
            for statement in _SCHEMA.strip().split(";\n"):
                self._db.execute(statement)
            self.clock = self._clock(real)
            self._seed_faults()

    def _clock(self, real: Callable[[], float]) -> SandboxClock:
        """The directory's clock: its first user sets epoch and speed."""
        row = self.first("SELECT value FROM facts WHERE name = 'clock'")
        if row is None:
            facts = {"epoch": real(), "speed": self.config.speed, "ahead": 0.0}
            self.run("INSERT INTO facts VALUES ('clock', ?)", json.dumps(facts))
        else:
            facts = json.loads(row[0])
        return SandboxClock(
            epoch=facts["epoch"], speed=facts["speed"], ahead=facts["ahead"], real=real
        )

    def _seed_faults(self) -> None:
        if self.config.faults and self.first("SELECT 1 FROM faults") is None:
            for fault in self.config.faults:
                self.add_fault(fault)

    def now(self) -> float:
        """Sandbox time."""
        row = self.first("SELECT value FROM facts WHERE name = 'clock'")
        self.clock.jump_to(json.loads(row[0])["ahead"] if row else 0.0)
        return self.clock.now()

    def advance(self, seconds: float) -> None:
        """Let time pass at once, for every process of the directory."""
        with self.transaction():
            self.now()
            self.clock.advance(seconds)
            facts = {
                "epoch": self.clock.epoch,
                "speed": self.clock.speed,
                "ahead": self.clock.ahead,
            }
            self.run("UPDATE facts SET value = ? WHERE name = 'clock'", json.dumps(facts))

    # -- faults -----------------------------------------------------------------------------------
    def add_fault(self, fault: Fault) -> None:
        """One more rule."""
        rule = {name: getattr(fault, name) for name in Fault.__dataclass_fields__}
        self.run("INSERT INTO faults (rule) VALUES (?)", json.dumps(rule))

    def clear_faults(self) -> None:
        """No rules."""
        self.run("DELETE FROM faults")

    def faults(self) -> list[dict[str, Any]]:
        """The rules with their counts."""
        rows = self.all("SELECT * FROM faults ORDER BY id")
        return [
            {**json.loads(row["rule"]), "chances": row["chances"], "struck": row["struck"]}
            for row in rows
        ]

    def strike(self, operation: str, provider: str, dice: Callable[[], float]) -> list[Fault]:
        """The faults that strike at this call; each chance is counted."""
        if self.first("SELECT 1 FROM faults LIMIT 1") is None:
            return []
        struck: list[Fault] = []
        with self.transaction():
            for row in self.all("SELECT * FROM faults ORDER BY id"):
                fault = fault_from(json.loads(row["rule"]))
                if fault.strikes_at != operation or fault.provider not in ("", provider):
                    continue
                hit = (
                    row["chances"] >= fault.after
                    and (fault.times < 0 or row["struck"] < fault.times)
                    and dice() < fault.probability
                )
                self.run(
                    "UPDATE faults SET chances = chances + 1, struck = struck + ? WHERE id = ?",
                    int(hit),
                    row["id"],
                )
                if hit:
                    struck.append(fault)
        return struck

    # -- rows -------------------------------------------------------------------------------------
    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        with self._guard:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.rollback()
                raise
            self._db.commit()

    def run(self, sql: str, *values: Any) -> int:
        """One statement; returns how many rows it changed."""
        with self._guard:
            return self._db.execute(sql, values).rowcount

    def first(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """The first row, if any."""
        with self._guard:
            row: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
            return row

    def all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Every row."""
        with self._guard:
            return self._db.execute(sql, values).fetchall()

    # -- files ------------------------------------------------------------------------------------
    def path(self, file_id: str) -> Path:
        """Where a file's content is."""
        return self.directory / "files" / file_id

    def input_of(self, row: sqlite3.Row) -> Path:
        """The requests of a batch: kept for it even when the uploaded file is deleted."""
        return self.directory / "files" / f"{row['id']}.input"

    def add_file(
        self, file_id: str, account: str, filename: str, purpose: str, expires_at: float | None
    ) -> sqlite3.Row:
        """Register content that is in place."""
        now = self.now()
        self.run(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
            file_id,
            account,
            filename,
            purpose,
            self.path(file_id).stat().st_size,
            now,
            expires_at,
            now + self.config.listing_lag_seconds,
        )
        row = self.first("SELECT * FROM files WHERE id = ?", file_id)
        assert row is not None, "the row was just written"
        return row

    def file(self, account: str, file_id: str) -> sqlite3.Row | None:
        """A file that is there and not expired."""
        return self.first(
            "SELECT * FROM files WHERE id = ? AND account = ? AND deleted = 0 "
            "AND (expires_at IS NULL OR expires_at > ?)",
            file_id,
            account,
            self.now(),
        )

    def delete_file(self, file_id: str) -> None:
        """Forget a file."""
        self.run("UPDATE files SET deleted = ? WHERE id = ?", self.now(), file_id)
        self.path(file_id).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go."""
        with self._guard:
            self._db.close()
