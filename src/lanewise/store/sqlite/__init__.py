"""The store on one machine: SQLite for rows, files for bodies and results."""

from lanewise.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
