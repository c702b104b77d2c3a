"""Logs as files, and what an audit reads from them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from lanewise.audit.database import database
from lanewise.audit.logs.importing import Imported, Wishes, load

Rows = list[dict[str, Any]]
Reader = Callable[..., Rows]
SHARED = Path(__file__).parents[3] / "shared/data"


def write(path: Path, records: Iterable[Any]) -> Path:
    """Records one a line, or as CSV where the suffix says so."""
    rows = list(records)
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(
                {
                    k: json.dumps(v) if isinstance(v, dict | list | bool) else v
                    for k, v in row.items()
                }
                for row in rows
            )
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of(*paths: Path, wishes: Wishes | None = None) -> tuple[Imported, Rows]:
    """What was imported, and the normal rows, in the order of time."""
    with database() as connection:
        imported = load(connection, tuple(map(str, paths)), wishes or Wishes())
        found = connection.execute('SELECT * FROM requests ORDER BY "at", model, input')
        names = [column[0] for column in found.description]
        return imported, [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    """Read records as a file of them would be read."""

    def reader(*records: Any, name: str = "log.jsonl", wishes: Wishes | None = None) -> Rows:
        return rows_of(write(tmp_path / name, records), wishes=wishes)[1]

    return reader


def shared(name: str) -> Path:
    """A file of real data; skips the test where there is none."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not here; it is not part of the project")
    return path
