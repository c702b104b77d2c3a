"""`lanewise keys`: shown once, found again by name, and told apart by eye."""

from __future__ import annotations

import json
import re
from typing import Any

KEY = re.compile(r"lw-[a-z2-7]{40}\n")


def test_a_key_lives_from_creation_to_revocation_on_the_command_line(shell: Any) -> None:
    assert "no keys" in shell("keys", "list").stdout
    made = shell(
        "keys", "create", "search", "--owner", "ann", "--workflow", "tickets", "--model", "gpt-5*",
        "--lane", "batch", "--monthly-usd", "50", "--expires", "90d",
    )  # fmt: skip
    assert KEY.fullmatch(made.stdout)
    assert "the only time" in made.stderr
    rotated = shell("keys", "rotate", "search", "--grace", "2h")
    assert KEY.fullmatch(rotated.stdout)
    assert "the old one is valid until" in rotated.stderr
    assert shell("keys", "revoke", "search").returncode == 0
    [found] = json.loads(shell("keys", "list", "--json").stdout)
    assert (found["state"], found["models"], found["lanes"]) == ("revoked", ["gpt-5*"], ["batch"])
    assert found["prefix"] == rotated.stdout[:9]
    texts = [shell("keys", *words).stdout for words in (["list"], ["show", "search"])]
    texts.append(shell("status", "--json").stdout)
    for key in (made.stdout.strip(), rotated.stdout.strip()):
        assert not any(key in text for text in texts)


def test_what_cannot_be_a_key_is_refused_and_nothing_is_made(shell: Any) -> None:
    for wanted in (
        ("Search",), ("search", "--owner", "x" * 200), ("search", "--lane", "fast"),
        ("search", "--requests-per-minute", "0"), ("search", "--expires", "yesterday"),
    ):  # fmt: skip
        done = shell("keys", "create", *wanted)
        assert (done.returncode, done.stdout) == (2, "")
    assert json.loads(shell("keys", "list", "--json").stdout) == []


def test_a_key_that_is_pasted_where_a_name_belongs_is_not_repeated(shell: Any) -> None:
    key = shell("keys", "create", "search").stdout.strip()
    for command in ("show", "rotate", "revoke", "create"):
        done = shell("keys", command, key)
        assert done.returncode == 2
        assert key[:9] not in done.stdout + done.stderr
