"""`lanewise webhooks`: registered for a key, shown without its secret, rotated, removed."""

from __future__ import annotations

import json
import re
from typing import Any

SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=\n")
URL = "https://93.184.215.14/hook"


def test_a_webhook_lives_from_registration_to_removal_on_the_command_line(shell: Any) -> None:
    assert "no webhooks" in shell("webhooks", "list").stdout
    shell("keys", "create", "search")
    made = shell("webhooks", "add", "orders", URL, "--key", "search", "--all")
    assert SECRET.fullmatch(made.stdout), made.stderr
    assert "this once" in made.stderr
    rotated = shell("webhooks", "rotate", "orders", "--key", "search")
    assert SECRET.fullmatch(rotated.stdout)
    assert "the old one signs too until" in rotated.stderr
    [found] = json.loads(shell("webhooks", "list", "--json").stdout)
    assert (found["name"], found["key"], found["all"], found["url"]) == (
        "orders", "search", True, URL,
    )  # fmt: skip
    told = shell("webhooks", "list", "--key", "search").stdout
    assert told == f"orders of search: {URL} is told of everything; 0 to be told, 0 given up\n"
    for secret in (made.stdout.strip(), rotated.stdout.strip()):
        assert secret not in told + json.dumps(found) + shell("status", "--json").stdout
    assert shell("webhooks", "remove", "orders").returncode == 2, "it is not the open gateway's"
    assert shell("webhooks", "remove", "orders", "--key", "search").returncode == 0
    assert json.loads(shell("webhooks", "list", "--json").stdout) == []


def test_what_cannot_be_a_webhook_is_refused_and_nothing_is_made(shell: Any) -> None:
    for words in (
        ("orders", "https://127.0.0.1/"), ("orders", "http://93.184.215.14/"), ("Orders", URL),
        ("orders", "https://me:pass@93.184.215.14/"), ("orders", URL, "--key", "nobody"),
    ):  # fmt: skip
        done = shell("webhooks", "add", *words)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert "it takes" in done.stderr or "name takes" in done.stderr or "no key" in done.stderr
        assert "pass@" not in done.stderr
    assert json.loads(shell("webhooks", "list", "--json").stdout) == []


def test_a_test_that_is_not_taken_ends_with_one(shell: Any) -> None:
    allowed = {"LANEWISE_WEBHOOK_ALLOW": "127.0.0.1"}
    assert shell("webhooks", "add", "orders", "http://127.0.0.1:9/", **allowed).returncode == 0
    done = shell("webhooks", "test", "orders", "--json", **allowed)
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "taken": False, "status": None, "said": "the call failed (ConnectError)",
    }  # fmt: skip


def test_an_allowance_that_is_neither_host_nor_network_is_refused(shell: Any) -> None:
    for said in (
        "10.0.0.0/33",
        "10.0.0",
        "https://hooks.internal",
        "a b",
        "10.0.5.7/24",
        "1.2.3.4.5",
    ):
        done = shell("webhooks", "list", LANEWISE_WEBHOOK_ALLOW=said)
        assert done.returncode == 2, said
        assert "hosts and networks such as" in done.stderr
