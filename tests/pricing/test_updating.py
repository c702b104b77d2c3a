"""Keeping prices current: asked for, whole or not at all, and named in every basis from then on."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lanewise.app import prices as keeping
from lanewise.app.prices import prepare, put, read, reset
from lanewise.domain.lanes import BATCH, REALTIME
from lanewise.errors import BadInput, NotFound
from lanewise.pricing import PriceBook
from lanewise.pricing.book import TABLE_FILE
from lanewise.pricing.compiling import PROVIDERS
from lanewise.pricing.selling import sold_by
from lanewise.pricing.table import shipped

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TODAY = NOW.date()
CLOCK = NOW.timestamp()


def data(price: float = 2.5) -> bytes:
    """Data with one model of OpenAI's in it."""
    one = {
        "id": "gpt-4o",
        "match": {"starts_with": "gpt-4o"},
        "prices": {"input_mtok": price, "cache_read_mtok": 1.25, "output_mtok": 10},
    }
    return json.dumps([{"id": name, "models": [one]} for name in PROVIDERS]).encode()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def written(raw: bytes, day: date = TODAY) -> str:
        path = tmp_path / "data.json"
        path.write_bytes(raw)
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()
        os.utime(path, (noon, noon))
        return str(path)

    return written


def update(home: Path, source: str, as_of: date | None = None) -> None:
    put(home, prepare(home, read(source, CLOCK, as_of), CLOCK))


def million(home: Path) -> int:
    found = PriceBook.of_home(home).pricer("openai", "gpt-4o", NOW, REALTIME)
    assert found is not None
    return found.rates.base.input


def test_an_update_prices_from_then_on_and_every_basis_names_its_day_and_hash(
    home: Path, write: Callable[..., str]
) -> None:
    assert million(home) == 2_500_000
    update(home, write(data(2.25)))
    assert million(home) == 2_250_000
    basis = PriceBook.of_home(home).basis
    assert basis.startswith("genai-prices data 2026-11-24+sha256:")
    assert PriceBook.load().basis.startswith("genai-prices 0."), "the shipped book is as it was"


def test_the_table_is_the_owners_alone_and_nothing_else_is_left(
    home: Path, write: Callable[..., str]
) -> None:
    update(home, write(data()))
    assert [path.name for path in home.iterdir()] == [TABLE_FILE]
    assert stat.S_IMODE((home / TABLE_FILE).stat().st_mode) == 0o600


def test_the_librarys_own_data_changes_no_price(
    home: Path, write: Callable[..., str], published: bytes
) -> None:
    ready = prepare(home, read(write(published), CLOCK), CLOCK)
    assert ready.differences == ()


def test_preparing_writes_nothing(home: Path, write: Callable[..., str]) -> None:
    ready = prepare(home, read(write(data(2.25)), CLOCK), CLOCK)
    assert ("gpt-4o", REALTIME, "input", 2_500_000, 2_250_000) in [
        (item.model, item.lane, item.rate, item.old, item.new)
        for item in ready.differences
        if item.provider == "openai"
    ]
    assert not home.exists()


def test_data_that_cannot_be_used_changes_nothing(home: Path, write: Callable[..., str]) -> None:
    update(home, write(data(2.25)))
    before = (home / TABLE_FILE).read_bytes()
    for raw in (b"", b"[]", data()[:-10], data().replace(b"2.5", b"-2.5")):
        with pytest.raises(BadInput):
            update(home, write(raw))
    assert (home / TABLE_FILE).read_bytes() == before


def test_a_file_is_of_the_day_on_which_it_was_written_unless_one_says_otherwise(
    home: Path, write: Callable[..., str]
) -> None:
    old = write(data(), date(2026, 6, 1))
    with pytest.raises(BadInput, match=r"of 2026-06-01, older than the prices in use .*--as-of"):
        update(home, old)
    update(home, old, date(2026, 11, 23))
    assert PriceBook.of_home(home).tables[0].dated == "2026-11-23"
    assert read(write(data(), date(2027, 1, 1)), CLOCK).dated == NOW.date()


def test_a_table_older_than_the_shipped_one_is_not_used(
    home: Path, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    update(home, write(data(2.25)))
    newer = type("Shipped", (), {"dated": "2026-12-01", "version": "9"})()
    monkeypatch.setattr("lanewise.pricing.table.shipped", lambda: newer)
    from lanewise.pricing.table import newest

    assert newest(home / TABLE_FILE) is newer


def test_going_back_means_the_shipped_prices(home: Path, write: Callable[..., str]) -> None:
    update(home, write(data(2.25)))
    assert reset(home)
    assert million(home) == 2_500_000
    assert not reset(home)


def test_a_damaged_table_says_how_to_go_back(home: Path) -> None:
    home.mkdir()
    (home / TABLE_FILE).write_bytes(b'{"version": "x"}')
    with pytest.raises(BadInput, match=r"lanewise prices update --reset"):
        PriceBook.of_home(home)


def test_negotiated_prices_stay_on_top_of_an_update(home: Path, write: Callable[..., str]) -> None:
    update(home, write(data(2.25)))
    (home / "prices.toml").write_text('[[discount]]\nprovider = "openai"\npercent = 10\n')
    assert million(home) == 2_025_000


# -- addresses --------------------------------------------------------------------------------------
class Site(ThreadingHTTPServer):
    """Answers every path as it was told to."""

    status, headers, body = 200, (), b""  # type: ignore[var-annotated]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/data.json"


@pytest.fixture
def site() -> Iterator[Any]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert isinstance(self.server, Site)
            self.send_response(self.server.status)
            for name, value in self.server.headers:
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(self.server.body)

        def log_message(self, *_: Any) -> None:
            pass

    with Site(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_an_address_is_read_and_is_of_today(home: Path, site: Site) -> None:
    site.body = data(2.25)
    update(home, site.url)
    assert million(home) == 2_250_000
    assert PriceBook.of_home(home).tables[0].dated == "2026-11-24"


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (404, (), "answers 404"),
        (500, (), "answers 500"),
        (302, (("location", "https://elsewhere.example/"),), "redirects to https://elsewhere"),
    ],
)
def test_an_address_that_has_no_data_says_what_it_answers(
    site: Site, status: int, headers: Any, said: str
) -> None:
    site.status, site.headers, site.body = status, headers, data()
    with pytest.raises(BadInput, match=said):
        read(site.url, CLOCK)


def test_more_than_price_data_can_have_is_not_read(
    site: Site, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MOST_BYTES", 1_000)
    site.body = data()
    for source in (site.url, write(data())):
        with pytest.raises(BadInput, match="more than 1,000 bytes"):
            read(source, CLOCK)


@pytest.mark.parametrize(
    "url",
    ["http://example.org/data.json", "ftp://127.0.0.1/data.json", "https:///x", "http://[::2]/"],
)
def test_only_https_or_this_machine_is_asked(url: str) -> None:
    with pytest.raises(BadInput, match="an https address, or http on this machine"):
        read(url, CLOCK)


def test_an_address_where_nobody_answers_is_one_line(site: Site) -> None:
    url = site.url
    site.server_close()
    with pytest.raises(BadInput, match="cannot be fetched") as caught:
        read(url, CLOCK)
    assert "\n" not in str(caught.value)


# -- whose prices -------------------------------------------------------------------------------------
def test_a_model_is_shown_at_those_who_are_known_to_sell_it() -> None:
    book = PriceBook.load()
    assert sold_by(book, "gpt-4o", None, NOW) == ("openai",)
    assert sold_by(book, "gpt-4o", "azure", NOW) == ("azure",)
    assert sold_by(book, "claude-sonnet-4-6", None, NOW) == ("anthropic", "google")
    assert "openai" in sold_by(book, "omni-moderation-latest", None, NOW)


@pytest.mark.parametrize(
    ("model", "provider", "said"),
    [
        ("gpt-4p", None, "near it: .*gpt-4o"),
        ("GPT-4.1-minni", "openai", "near it: gpt-4.1-mini"),
        ("zzzzzz", None, r"add a \[\[price\]\]"),
        ("gpt-4o", "opneai", "those known are: .*openai"),
        ("gpt-4o", "groq", "known at groq"),
    ],
)
def test_an_unknown_model_is_answered_with_ids_that_are_near(
    model: str, provider: str | None, said: str
) -> None:
    with pytest.raises(NotFound, match=said) as caught:
        sold_by(PriceBook.load(), model, provider, NOW)
    assert "\n" not in str(caught.value)


def test_another_book_can_be_a_table_data_or_prices_to_try(
    home: Path, tmp_path: Path, write: Callable[..., str]
) -> None:
    source = Path(write(data(2.25)))
    update(home, str(source))
    table = tmp_path / "saved.json"
    table.write_bytes((home / TABLE_FILE).read_bytes())
    trial = tmp_path / "trial.toml"
    trial.write_text('[[discount]]\nprovider = "openai"\npercent = 10\n')

    def batch(path: Path | None) -> int:
        found = keeping.other_book(home, path, CLOCK).resolve("openai", "gpt-4o", NOW, BATCH)
        assert found.rates is not None
        return found.rates.base.input

    assert [batch(path) for path in (None, source, table, trial)] == [
        1_250_000, 1_125_000, 1_125_000, 1_012_500,
    ]  # fmt: skip


def test_the_shipped_table_says_of_which_day_it_is() -> None:
    assert date.fromisoformat(shipped().dated) <= NOW.date()
