"""From rows to the nouns and back. Each state's fields are columns; a state has no others."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from lanewise.domain.batches import STATES, Batch, Ending, Receipt
from lanewise.domain.decisions import Decision
from lanewise.domain.ids import AccountId
from lanewise.domain.lanes import LaneName
from lanewise.domain.packing import PackingKey
from lanewise.store.nouns import Attempt, BatchRow, Event, Run, Stray

_CLASSES: Final = {state.state: state for state in STATES}
STATE_COLUMNS: Final = (
    "due_at", "troubles", "attempt", "file_id", "sent_at", "give_up_at", "why", "provider_id",
    "expires_at", "provisional", "ending", "files", "settled_at",
)  # fmt: skip


def batch_of(row: sqlite3.Row) -> Batch:
    """The state that a row of `batches` is in."""
    cls = _CLASSES[row["state"]]
    values: dict[str, Any] = {}
    for item in fields(cls):
        if item.name == "receipt":
            provider_id = row["provider_id"]
            values["receipt"] = provider_id and Receipt(provider_id, row["expires_at"])
        elif item.name == "files":
            values["files"] = tuple(json.loads(row["files"]))
        elif item.name == "ending":
            values["ending"] = Ending(row["ending"])
        elif item.name == "provisional":
            values["provisional"] = bool(row["provisional"])
        else:
            values[item.name] = row[item.name]
    return cls(**values)


def columns_of(batch: Batch) -> dict[str, Any]:
    """Values for every state column; those that the state does not have are NULL."""
    values: dict[str, Any] = dict.fromkeys(STATE_COLUMNS)
    for item in fields(batch):
        value = getattr(batch, item.name)
        if item.name == "receipt":
            if value is not None:
                values["provider_id"], values["expires_at"] = value.provider_id, value.expires_at
        elif item.name == "files":
            values["files"] = json.dumps(value)
        elif item.name == "provisional":
            values["provisional"] = int(value)
        elif item.name in values:
            values[item.name] = value
    if values["provider_id"] is not None and values["provisional"] is None:
        values["provisional"] = 0  # collected and settled: the results have proved it
    return values


def key_of(row: sqlite3.Row) -> PackingKey:
    """The packing key in a row that joins `packing_keys`."""
    headers = tuple((name, value) for name, value in json.loads(row["headers"]))
    return PackingKey(
        row["provider"], AccountId(row["account"]), row["endpoint"], row["model"], headers
    )


def run_of(row: sqlite3.Row) -> Run:
    """A row of `runs`."""
    return Run(**{item.name: row[item.name] for item in fields(Run)})


def attempt_of(row: sqlite3.Row) -> Attempt:
    """A row of `attempts`."""
    return Attempt(
        row["id"], row["batch_id"], row["file_id"], row["sent_at"], row["give_up_at"],
        row["outcome"], row["provider_id"],
    )  # fmt: skip


def stray_of(row: sqlite3.Row) -> Stray:
    """A row of `strays`."""
    return Stray(
        row["account"],
        row["provider_id"],
        row["batch_id"],
        row["state"],
        row["found_at"],
        row["due_at"],
    )


def decision_of(row: sqlite3.Row) -> Decision:
    """A row of `decisions`."""
    lanes = tuple(LaneName(name) for name in row["lanes"].split(",") if name)
    lane, wanted = LaneName(row["lane"]), LaneName(row["wanted"])
    return Decision(
        lane, wanted, lanes, row["rule"], row["policy"], row["why"], row["held"],
        bool(row["caching"]),
    )  # fmt: skip


def event_of(row: sqlite3.Row) -> Event:
    """A row of `events`."""
    return Event(row["id"], row["at"], row["kind"], row["subject"], row["detail"])


def batch_row_of(row: sqlite3.Row, decisions: Mapping[int, Decision]) -> BatchRow:
    """A row of `batches` that joins `packing_keys`."""
    return BatchRow(
        batch_of(row), key_of(row), LaneName(row["lane"]), row["requests"], row["bytes"],
        row["rate_tokens"],
        row["created_at"], decisions.get(row["decision"]), row["deadline"], row["rescued_at"],
        row["cancel_asked_at"], row["done"], row["progress_at"], row["finalizing_since"],
        row["workflow"], bool(row["caching"]), row["after_batch"],
    )  # fmt: skip
