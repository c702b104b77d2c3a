"""The contract of the store for virtual keys, held by every implementation."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

import pytest

from lanewise.domain.ids import AccountId, RunId
from lanewise.domain.lanes import BATCH, REALTIME
from lanewise.domain.usage import Usage
from lanewise.errors import BadInput, OverBudget
from lanewise.store.books import Cap, LedgerRow
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


# -- what waits ---------------------------------------------------------------------------------------
DECEMBER = 1_796_100_000.0


def booked(run: str, n: int, cost: int | None) -> LedgerRow:
    status = "unknown" if cost is None else "listed"
    return LedgerRow(
        RunId(run), "w", "openai", AccountId("acct-test"), "m", BATCH, "answer", n, Usage(input=5),
        cost, cost, 0, "b", status,
    )  # fmt: skip


def test_what_is_booked_for_a_keys_run_is_drawn_in_its_month_and_its_reserve_is_not_left(
    desk: Any,
) -> None:
    desk.store.add_key(key(terms=KeyTerms(monthly_nano=1_000)))
    run = desk.accept(3, tenant="search", payer="search", reserve_nano=301).id
    other = desk.accept(3, tenant="search", reserve_nano=5_000).id  # of before keys were noted
    assert desk.store.drawn("2026-12") == {"search": 301}
    assert desk.store.draw("search", "2026-12", least=700, wanted=700) == 0
    desk.store.book_calls(
        [booked(run, 1, 90), booked(other, 3, 70), booked("calls", 1, 5)], DECEMBER
    )
    assert desk.open().drawn("2026-12") == {"search": 90 + 301}
    desk.store.cancel_run(run, DECEMBER)
    assert desk.store.drawn("2026-12") == {"search": 90}
    assert desk.store.drawn("2027-01") == {}
    assert desk.store.draw("search", "2026-12", least=910, wanted=910) == 910


def test_where_a_price_is_unknown_what_was_reserved_for_those_requests_counts(desk: Any) -> None:
    desk.store.add_key(key(terms=KeyTerms(monthly_nano=1_000)))
    run = desk.accept(3, copies=[0], tenant="search", payer="search", reserve_nano=301).id
    desk.store.cancel_run(run, DECEMBER)
    desk.store.book_calls([booked(run, 2, None)], DECEMBER)
    assert desk.store.drawn("2026-12") == {"search": 2 * 101}  # a third for each, rounded up


def test_a_run_that_its_keys_budget_has_no_room_for_is_not_accepted(desk: Any) -> None:
    desk.store.add_key(key(terms=KeyTerms(monthly_nano=1_000)))
    cap = Cap("the budget", None, DECEMBER, 1_000, "Ask for less.", "search")
    desk.store.draw("search", "2026-12", least=300, wanted=300)
    desk.accept(3, tenant="search", payer="search", reserve_nano=301, caps=(cap,))
    with pytest.raises(OverBudget, match=r"has \$0.000000399 left \(\$0.0000003 spent"):
        desk.accept(1, tenant="search", payer="search", reserve_nano=400, caps=(cap,))
    desk.accept(1, tenant="other", payer="other", reserve_nano=400)
    desk.accept(1, tenant="search", payer="search", reserve_nano=399, caps=(cap,))
    [standing] = desk.store.standing([cap])
    assert (standing.spent_nano, standing.reserved_nano, standing.left_nano) == (300, 700, 0)
