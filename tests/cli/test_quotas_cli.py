"""`lanewise quotas` says what there is room for, what is used, and what waits."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from lanewise.store.nouns import AccountRow
from lanewise.store.sqlite import SqliteStore


def test_an_empty_home_is_explained_and_none_is_made(shell: Any) -> None:
    done = shell("quotas")
    assert done.returncode == 0
    assert "Nothing was accepted in this home yet" in done.stdout
    assert json.loads(shell("quotas", "--json").stdout) == []
    assert not (shell.folder / "home").exists()


def test_what_is_known_learned_used_and_waiting_is_shown_at_eighty_columns(
    slow_shell: Any, chats: Any
) -> None:
    shell = slow_shell
    name = shell.write("in.jsonl", chats(10))
    assert shell("submit", name, "--workflow", "tickets", "--deadline", "20h").returncode == 0
    openai = learn(shell.folder / "home", "gpt-4o-mini", "enqueued_tokens", 150)
    assert shell("worker", "--once", LANEWISE_BATCH_REQUESTS="2").returncode == 0
    text = shell("quotas").stdout
    assert all(len(line) <= 80 for line in text.splitlines()), text
    for said in ("creations per hour", "2,000", "documented", "just now", "believed for 1 h"):
        assert said in text
    assert "waits: tickets, gpt-4o-mini" in text
    assert re.search(r"first is due in (20 h|19 h 5\d min) ", " ".join(text.split())), text
    [found] = json.loads(shell("quotas", "--json").stdout)
    assert (found["account"], found["provider"]) == (openai.id, "openai")
    by_name = {(quota["subject"], quota["name"]): quota for quota in found["quotas"]}
    queue = by_name["gpt-4o-mini", "enqueued_tokens"]
    assert queue["limit"] == 150
    assert 0 < queue["used"] <= 150
    assert queue["room"] == 150 - queue["used"]
    assert queue["source"] == "batches that were refused, and what was taken after"
    assert not queue["doubted"]
    sent = by_name["*", "creations_per_hour"]["used"]
    [waits] = found["waits"]
    assert waits["requests"] + 2 * sent == 10
    assert waits["batches"] + sent == 5


def test_what_is_there_is_shown_where_no_limit_is_known(slow_shell: Any, chats: Any) -> None:
    name = slow_shell.write("in.jsonl", chats(3))
    assert slow_shell("submit", name).returncode == 0
    assert slow_shell("worker", "--once").returncode == 0
    text = slow_shell("quotas").stdout
    [line] = [line for line in text.splitlines() if "enqueued tokens" in line]
    assert "not known" in line
    assert "Nothing was refused yet for want of room." in text


def learn(home: Path, subject: str, name: str, value: int) -> AccountRow:
    """As if the only account of a home had been refused just now."""
    now = time.time()
    store = SqliteStore.open(home, now=now)
    [account] = store.accounts()
    store.learn(account.id, subject, name, value, now)
    store.close()
    return account
