"""The doctor of the price book: what it does not know of the models in use, its age, what never applies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lanewise.app.doctor import Finding, Health
from lanewise.app.price_doctor import Doubt, doubts, examine
from lanewise.domain.lanes import BATCH, REALTIME
from lanewise.domain.usage import Usage
from lanewise.errors import BadInput
from lanewise.pricing import PriceBook
from lanewise.pricing.book import TABLE_FILE
from lanewise.pricing.table import shipped

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SOME = [Usage(input=1_000, output=100)] * 3


def book(folder: Path, text: str) -> PriceBook:
    (folder / "prices.toml").write_text(text, encoding="utf-8")
    return PriceBook.of_home(folder)


def found(books: Any, used: PriceBook | None = None) -> dict[str, Doubt]:
    return {item.model: item for item in doubts(used or PriceBook.load(), books.entries, NOW)}


def warnings(used: PriceBook, home: Path, seen: Any = (), at: datetime = NOW) -> list[str]:
    findings = examine(used, seen, at, home)
    return [item.what for item in findings if item.health is Health.WARN]


def test_models_at_listed_prices_are_in_no_doubt(books: Any) -> None:
    books.book(SOME)
    assert found(books) == {}


def test_models_in_doubt_are_counted_most_requests_first(books: Any) -> None:
    books.book(SOME, model="text-embedding-3-small")
    books.book(SOME * 2, model="gpt-nonsense")
    books.book(SOME, model="gpt-nonsense")
    assert [(item.model, item.requests, item.status) for item in found(books).values()] == [
        ("gpt-nonsense", 9, "unknown"),
        ("text-embedding-3-small", 3, "rule"),
    ]


def test_the_entry_for_a_price_by_rule_makes_the_same_price_the_users_own(
    books: Any, tmp_path: Path
) -> None:
    books.book(SOME, model="claude-sonnet-4-6-turbo", provider="anthropic")
    books.book(SOME, model="text-embedding-3-small")
    for item in found(books).values():
        mine = book(tmp_path, item.snippet)
        then = mine.resolve(item.provider, item.model, NOW, BATCH)
        assert then.status == "override"
        assert then.rates == item.today.rates


def test_the_entry_keeps_long_context_prices(books: Any, tmp_path: Path) -> None:
    books.book(SOME, model="grok-4.7", provider="x-ai")
    [item] = found(books).values()
    assert item.today.rates is not None
    assert item.today.rates.tiers
    mine = book(tmp_path, item.snippet)
    assert mine.resolve("x-ai", item.model, NOW, BATCH).rates == item.today.rates


def test_the_entry_for_an_unknown_price_is_refused_until_somebody_fills_it_in(
    books: Any, tmp_path: Path
) -> None:
    books.book(SOME, model="gpt-nonsense")
    [item] = found(books).values()
    with pytest.raises(BadInput, match=r"input is '\?'; it takes USD"):
        book(tmp_path, item.snippet)
    mine = book(tmp_path, item.snippet.replace('"?"', "0.5"))
    assert mine.resolve("openai", "gpt-nonsense", NOW, REALTIME).rates is not None
    assert mine.resolve("openai", "gpt-nonsense", NOW, BATCH).status == "override"


def test_what_is_settled_by_now_needs_nothing(books: Any, tmp_path: Path) -> None:
    books.book(SOME, model="text-embedding-3-small")
    [item] = found(books).values()
    [again] = found(books, book(tmp_path, item.snippet)).values()
    assert (again.snippet, again.today.status) == ("", "override")


def test_a_book_of_over_ninety_days_is_old(tmp_path: Path) -> None:
    used = PriceBook.load()
    then = datetime.fromisoformat(shipped().dated).replace(tzinfo=UTC)
    assert not warnings(used, tmp_path, at=then + timedelta(days=90))
    [old] = warnings(used, tmp_path, at=then + timedelta(days=91))
    assert "more than 90 days" in old


NEVER = [
    ('[[price]]\nprovider = "openai"\nmodel = "gtp-4o"\ninput = 1\noutput = 1\n', "price 1"),
    ('[[price]]\nprovider = "openai"\nmodel = "gtp-*"\ninput = 1\noutput = 1\n', "price 1"),
    ('[[price]]\nprovider = "opneai"\nmodel = "gpt-4o"\ninput = 1\noutput = 1\n', "price 1"),
    ('[[discount]]\nprovider = "openai"\npercent = 5\nuntil = 2026-11-23\n', "ended on 2026-11-23"),
    ('[[discount]]\nprovider = "opneai"\npercent = 5\n', "discount 1"),
    ('[[discount]]\nprovider = "openai"\nmodels = ["claude-"]\npercent = 5\n', "discount 1"),
    ('[[rule]]\nprovider = "opneai"\nlane = "batch"\nmultiply = "1/2"\n', "rule 1"),
    ('[[region]]\nprovider = "opneai"\nmultiply = "1/2"\n', "region 1"),
    ('[[alias]]\nprovider = "azure"\nmodel = "ours"\nmeans = "gtp-4o"\n', "alias 1"),
]
MEANT = [
    '[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\ninput = 1\noutput = 1\n',
    '[[price]]\nprovider = "openai"\nmodel = "gpt-*"\ninput = 1\noutput = 1\n',
    '[[price]]\nprovider = "openai"\nmodel = "used-here"\ninput = 1\noutput = 1\n',
    '[[discount]]\nprovider = "openai"\npercent = 5\nuntil = 2026-11-24\n',
    '[[discount]]\nprovider = "azure"\nmodels = ["gpt-"]\npercent = 5\n',
    '[[rule]]\nprovider = "openai"\nlane = "batch"\nmultiply = "1/2"\n',
    '[[region]]\nprovider = "mistral"\nmultiply = "1/2"\n',
    '[[alias]]\nprovider = "azure"\nmodel = "ours"\nmeans = "gpt-4o"\n',
]


@pytest.mark.parametrize(("text", "said"), NEVER, ids=[text for text, _ in NEVER])
def test_an_entry_that_never_applies_is_named(tmp_path: Path, text: str, said: str) -> None:
    [what] = warnings(book(tmp_path, text), tmp_path)
    assert said in what


@pytest.mark.parametrize("text", MEANT)
def test_an_entry_that_applies_is_left_alone(tmp_path: Path, text: str) -> None:
    assert not warnings(book(tmp_path, text), tmp_path, [("openai", "used-here")])


def test_a_table_of_the_home_that_is_not_used_any_more_is_named(tmp_path: Path) -> None:
    (tmp_path / TABLE_FILE).write_bytes(b"of another day")
    assert any("not used" in what for what in warnings(PriceBook.load(), tmp_path))


def test_notes_on_models_in_use_are_repeated(tmp_path: Path) -> None:
    text = '[[note]]\nprovider = "openai"\nmodels = ["gpt-4o"]\ntext = "two sources disagree"\n'
    used = book(tmp_path, text)

    def notes(model: str) -> list[Finding]:
        findings = examine(used, [("openai", model)], NOW, tmp_path)
        return [item for item in findings if "two sources disagree" in item.what]

    assert len(notes("gpt-4o-mini")) == 1
    assert not notes("gpt-5")
