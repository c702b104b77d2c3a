"""One connection to the home's database: opened, migrated, and written to by one process at a time."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Final

from lanewise.domain.ids import fresh_id
from lanewise.errors import StoreUnusable
from lanewise.store.disk import FileLock, explained, make_private

DATABASE: Final = "lanewise.db"
_BUSY_MS: Final = 30_000  # readers during a checkpoint; writers queue on the file lock instead


class Database:
    """A connection whose write transactions queue fairly behind a file lock.

    SQLite's own busy handler polls with sleeps and can starve a process for seconds; a blocking
    `flock` in front of `BEGIN IMMEDIATE` makes the kernel queue the writers.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        with explained("opening the home", home):
            make_private(home)
            self._lock = FileLock(home / "write.lock")
            self._guard = threading.RLock()
            self._depth = 0
            self._connection = self._connect()

    def _connect(self) -> sqlite3.Connection:
        path = self.home / DATABASE
        try:
            path.touch(mode=0o600)
            connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=_BUSY_MS / 1000
            )
            connection.row_factory = sqlite3.Row
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            raise _unusable(self.home, error) from error
        return connection

    def migrate(self) -> None:
        """Bring the schema up to date; refuse a home that a newer lanewise has written."""
        migrations = _migrations()
        latest = migrations[-1][0]
        # a table that others refer to is rebuilt by dropping it; SQLite heeds this outside transactions only
        self.execute("PRAGMA foreign_keys=OFF")
        try:
            self._migrate(migrations, latest)
        finally:
            self.execute("PRAGMA foreign_keys=ON")

    def _migrate(self, migrations: list[tuple[int, str]], latest: int) -> None:
        with self.transaction():
            found = self.one("PRAGMA user_version")[0]
            if found > latest:
                raise StoreUnusable(
                    f"{self.home} was written by a newer lanewise (its schema is {found}, this one knows "
                    f"{latest}): upgrade with `pip install -U lanewise`, or choose another LANEWISE_HOME"
                )
            for number, script in migrations:
                if number > found:
                    self._apply(number, script)
            if found < latest and self.first("PRAGMA foreign_key_check") is not None:
                raise StoreUnusable(
                    f"{self.home}: a row names another that is not there; nothing was changed"
                )

    def _apply(self, number: int, script: str) -> None:
        for statement in _statements(script):
            self.execute(statement)
        if number == 1:
            self.execute("INSERT INTO facts (name, value) VALUES ('home_id', ?)", (fresh_id(),))
        self.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing, durable when it ends; may be nested."""
        with self._guard:
            if self._depth:
                yield
                return
            with self._writing():
                yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with explained("writing to the home", self.home):
            self._lock.take(wait=True)
        self._depth = 1
        try:
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                self._connection.rollback()
                raise
        finally:
            self._depth = 0
            self._lock.release()

    def execute(self, sql: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> sqlite3.Cursor:
        """Run one statement."""
        with self._guard:
            try:
                return self._connection.execute(sql, values)
            except sqlite3.IntegrityError:
                raise
            except sqlite3.Error as error:
                raise _unusable(self.home, error) from error

    def many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        """Run one statement for each row."""
        with self._guard:
            self._connection.executemany(sql, rows)

    def all(self, sql: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        """Every row."""
        with self._guard:
            return self.execute(sql, values).fetchall()

    def first(self, sql: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> sqlite3.Row | None:
        """The first row, if any."""
        with self._guard:
            row: sqlite3.Row | None = self.execute(sql, values).fetchone()
            return row

    def one(self, sql: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> sqlite3.Row:
        """The row there must be."""
        row = self.first(sql, values)
        assert row is not None, "the statement yields a row"
        return row

    def backup(self, target: Path) -> None:
        """A consistent copy while others write."""
        copy = sqlite3.connect(target)
        try:
            with self._guard:
                self._connection.backup(copy)
        finally:
            copy.close()
        target.chmod(0o600)

    def close(self) -> None:
        """Let go."""
        with self._guard:
            self._connection.close()


def _migrations() -> list[tuple[int, str]]:
    folder = resources.files(__package__) / "schema"
    found = [item for item in folder.iterdir() if re.match(r"\d{4}_", item.name)]
    return sorted((int(item.name[:4]), item.read_text(encoding="utf-8")) for item in found)


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; one at a time, so that they share a transaction."""
    held = ""
    for line in script.splitlines(keepends=True):
        held += line
        if sqlite3.complete_statement(held):
            yield held
            held = ""


def _unusable(home: Path, error: sqlite3.Error) -> StoreUnusable:
    text = str(error)
    if "readonly" in text or "unable to open" in text:
        cure = "it cannot be written; choose another with LANEWISE_HOME"
    elif "full" in text:
        cure = "no space left on its disk; free some and run the same again, nothing was lost"
    elif "malformed" in text or "not a database" in text:
        cure = "the database is damaged; restore a backup (docs/how-to/backup.md)"
    else:
        cure = "nothing was lost; run the same again"
    return StoreUnusable(f"the home {home} is unusable ({text}): {cure}")
