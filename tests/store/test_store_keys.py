"""The contract of the store for virtual keys, held by every implementation."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

import pytest

from lanewise.domain.lanes import BATCH, REALTIME
from lanewise.errors import BadInput
from lanewise.store.keys import KeySecret, KeyTerms, NameTaken, VirtualKey

TERMS = KeyTerms(
    "ann", "tickets", ("gpt-5*", "claude-*"), (BATCH, REALTIME), ("/v1/messages*",), "8h",
    60, 10_000, 5_000_000_000, 99.0,
)  # fmt: skip


def secret(text: str) -> KeySecret:
    return KeySecret(hashlib.sha256(text.encode()).digest(), text[:6])


def key(name: str = "search", terms: KeyTerms = TERMS) -> VirtualKey:
    return VirtualKey(name, terms, (secret(f"lw-{name}"),), 1.0)


def test_a_key_is_there_as_it_was_made_when_the_home_is_opened_again(desk: Any) -> None:
    made = [key(), key("ops", KeyTerms(admin=True)), key("plain", KeyTerms())]
    for each in made:
        desk.store.add_key(each)
    assert desk.open().virtual_keys() == made


def test_a_name_is_used_once_even_after_its_key_was_revoked(desk: Any) -> None:
    desk.store.add_key(key())
    desk.store.revoke_key("search", 2.0)
    with pytest.raises(NameTaken, match="'search'"):
        desk.store.add_key(key(terms=KeyTerms()))
    assert [found.terms for found in desk.store.virtual_keys()] == [TERMS]


def test_every_change_is_seen_by_who_looks_at_the_version_and_told_as_an_event(desk: Any) -> None:
    other = desk.open()
    seen = [other.keys_version()]
    for change in (
        lambda: desk.store.add_key(key()),
        lambda: desk.store.rotate_key("search", secret("lw-new"), 2.0, until=5.0),
        lambda: desk.store.revoke_key("search", 3.0),
    ):
        change()
        seen.append(other.keys_version())
    assert len(set(seen)) == 4
    desk.store.revoke_key("search", 4.0)
    assert other.keys_version() == seen[-1]
    told = [event.kind for event in desk.store.events(subject="search")]
    assert told == ["key.created", "key.rotated", "key.revoked"]


def test_after_a_rotation_the_old_one_ends_when_it_was_said_and_no_later(desk: Any) -> None:
    desk.store.add_key(key())
    desk.store.rotate_key("search", secret("lw-second"), 2.0, until=10.0)
    desk.store.rotate_key("search", secret("lw-third"), 3.0, until=20.0)
    [found] = desk.store.virtual_keys()
    assert [(one.prefix, one.until) for one in found.secrets] == [
        ("lw-thi", None),
        ("lw-sec", 20.0),
        ("lw-sea", 10.0),
    ]
    desk.store.rotate_key("search", secret("lw-fourth"), 12.0, until=12.0)
    [found] = desk.store.virtual_keys()
    assert [one.prefix for one in found.secrets if not one.ended(12.0)] == ["lw-fou"]


@pytest.mark.parametrize("name", ["search", "nobody"])
def test_what_is_over_or_unknown_is_not_rotated(desk: Any, name: str) -> None:
    desk.store.add_key(key())
    with pytest.raises(BadInput, match="create another"):
        desk.store.rotate_key(name, secret("lw-new"), 99.0, until=99.0)
    assert len(desk.store.virtual_keys()[0].secrets) == 1


def test_no_more_is_drawn_than_the_budget_of_a_month(desk: Any) -> None:
    desk.store.add_key(key(terms=KeyTerms(monthly_nano=100)))
    draw = desk.store.draw
    assert draw("search", "2026-12", least=10, wanted=60) == 60
    assert draw("search", "2026-12", least=10, wanted=60) == 40
    assert draw("search", "2026-12", least=1, wanted=60) == 0
    assert draw("search", "2027-01", least=101, wanted=200) == 0
    assert draw("search", "2027-01", least=100, wanted=200) == 100
    desk.store.give_back("search", "2026-12", 30)
    assert desk.store.drawn("2026-12") == {"search": 70}
    assert draw("search", "2026-12", least=31, wanted=31) == 0
    desk.store.give_back("search", "2026-12", -50)
    assert draw("search", "2026-12", least=1, wanted=1) == 0


def test_nothing_is_drawn_for_a_key_without_a_budget(desk: Any) -> None:
    desk.store.add_key(key(terms=KeyTerms()))
    assert desk.store.draw("search", "2026-12", least=1, wanted=1) == 0
    assert desk.store.draw("nobody", "2026-12", least=1, wanted=1) == 0


def test_processes_that_draw_at_once_never_draw_more_than_there_is(desk: Any) -> None:
    desk.store.add_key(key(terms=KeyTerms(monthly_nano=1_000)))
    drawn: list[int] = []

    def take(store: Any) -> None:
        drawn.extend(store.draw("search", "2026-12", least=5, wanted=7) for _ in range(60))

    threads = [threading.Thread(target=take, args=(desk.open(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(drawn) <= 1_000
    assert sum(drawn) > 1_000 - 5
