"""The user's prices: what a file may say, and how it is told what is wrong with it."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.lanes import BATCH, REALTIME, LaneName
from lanewise.domain.usage import Usage
from lanewise.errors import BadInput
from lanewise.pricing import PriceBook
from lanewise.pricing.entries import Entry, parse

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def written(tmp_path: Path, text: str) -> PriceBook:
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return PriceBook.load(user_prices=path)


def million(
    book: PriceBook, model: str, lane: LaneName = REALTIME, provider: str = "openai"
) -> tuple[int, str]:
    """Micro-dollars for a million tokens of input in small requests, and the status."""
    pricer = book.pricer(provider, model, NOW, lane)
    assert pricer is not None
    return pricer.cost(Usage(input=1_000)), pricer.status


NEGOTIATED = '[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\ninput = 2.0\noutput = 8\n'


def test_a_negotiated_price_holds_for_the_dated_snapshots_that_answers_name(tmp_path: Path) -> None:
    book = written(tmp_path, NEGOTIATED)
    assert million(book, "gpt-4o-2024-08-06") == (2_000_000, "override")
    assert million(book, "gpt-4o-2024-08-06", BATCH) == (1_000_000, "rule")
    assert million(book, "gpt-4o-mini") == (150_000, "listed")


def test_an_entry_for_the_snapshot_itself_wins_over_its_model_and_that_over_a_pattern(
    tmp_path: Path,
) -> None:
    book = written(
        tmp_path,
        '[[price]]\nprovider = "openai"\nmodel = "gpt-4o-2024-08-06"\ninput = 1\noutput = 1\n'
        + NEGOTIATED
        + '[[price]]\nprovider = "openai"\nmodel = "gpt-4*"\ninput = 3\noutput = 1\n',
    )
    assert million(book, "gpt-4o-2024-08-06")[0] == 1_000_000
    assert million(book, "gpt-4o-2024-11-20")[0] == 2_000_000
    assert million(book, "gpt-4.1")[0] == 3_000_000


def test_of_two_prices_the_newest_that_has_begun_holds(tmp_path: Path) -> None:
    book = written(
        tmp_path,
        NEGOTIATED.replace("input", "since = 2026-10-01\ninput")
        + NEGOTIATED.replace("2.0", "1.0").replace("input", "since = 2026-12-01\ninput")
        + NEGOTIATED.replace("2.0", "1.5").replace("input", 'since = "2026-11-01"\ninput'),
    )
    assert million(book, "gpt-4o")[0] == 1_500_000


def test_a_long_context_price_is_chosen_by_each_request(tmp_path: Path) -> None:
    book = written(
        tmp_path,
        '[[price]]\nprovider = "openai"\nmodel = "own"\ninput = 1\noutput = 2\n'
        "tiers = [{above = 2000, input = 5, output = 9}, {above = 1000, input = 3, output = 4}]\n",
    )
    pricer = book.pricer("openai", "own", NOW, REALTIME)
    assert pricer is not None
    costs = [pricer.cost(Usage(input=tokens)) for tokens in (1_000, 1_001, 2_000, 2_001)]
    assert costs == [1_000_000, 3_003_000, 6_000_000, 10_005_000]


def test_caching_has_the_prices_that_are_named_and_else_those_of_input(tmp_path: Path) -> None:
    own = '[[price]]\nprovider = "openai"\nmodel = "own{}"\ninput = 1\noutput = 9\n'
    book = written(
        tmp_path,
        own.format(1)
        + own.format(2)
        + "cache_read = 0.1\ncache_write = 1.25\ncache_write_1h = 2\n"
        + own.format(3)
        + "cache_write = 1.25\n",
    )
    usages = [Usage(**{part: 1_000}) for part in ("cache_read", "cache_write_5m", "cache_write_1h")]
    for model, micro in (("own1", (1, 1, 1)), ("own2", (0.1, 1.25, 2)), ("own3", (1, 1.25, 1.25))):
        pricer = book.pricer("openai", model, NOW, REALTIME)
        assert pricer is not None
        assert [pricer.cost(usage) for usage in usages] == [n * 1_000_000 for n in micro]


def test_a_price_with_one_provider_says_nothing_of_another(tmp_path: Path) -> None:
    book = written(tmp_path, NEGOTIATED.replace("openai", "azure"))
    assert million(book, "gpt-4o") == (2_500_000, "listed")
    assert million(book, "gpt-4o", provider="azure") == (2_000_000, "override")


def test_an_alias_of_ones_own_has_the_price_of_what_it_means(tmp_path: Path) -> None:
    text = '[[alias]]\nprovider = "openai"\nmodel = "our-deployment"\nmeans = "gpt-4o-mini"\n'
    book = written(tmp_path, text)
    assert million(book, "our-deployment", BATCH) == (75_000, "listed")


def test_a_rule_of_ones_own_comes_before_ours(tmp_path: Path) -> None:
    text = '[[rule]]\nprovider = "openai"\nlane = "batch"\nmultiply = "2/5"\n'
    book = written(tmp_path, text + NEGOTIATED)
    assert million(book, "text-embedding-3-small", BATCH) == (8_000, "rule")


def test_a_discount_is_taken_off_every_lane_until_its_last_day(tmp_path: Path) -> None:
    text = '[[discount]]\nprovider = "openai"\npercent = 12.5\nuntil = 2026-11-23\n'
    book = written(tmp_path, text)
    assert million(book, "gpt-4o", BATCH) == (1_093_750, "override")
    after = book.pricer("openai", "gpt-4o", datetime(2026, 11, 24, tzinfo=UTC), BATCH)
    assert after is not None
    assert after.status == "listed"


@given(st.decimals(min_value=0, max_value=100_000, places=6))
def test_a_decimal_is_read_exactly_as_it_is_written(number: object) -> None:
    for text in (f"input = {number}", f'input = "{number}"'):
        entry = Entry(parse(text.encode(), "x"), "x")
        assert entry.micro("input") == int(str(number).replace(".", ""))


PRICE = '[[price]]\nprovider = "o"\nmodel = "m"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('\n\n[[price]]\nprovider = "openai"\ninput = "1"', "line 3: price 1: 'model' is missing"),
        (PRICE + 'input = "cheap"\noutput = "1"', "'cheap'; it takes USD such as '0.15'"),
        (PRICE + "input = 1e-5\noutput = 1", "'1e-5'"),
        (PRICE + "input = -1\noutput = 1", "-1"),
        (PRICE + "input = true\noutput = 1", "True"),
        (PRICE + "input = 0.0000001\noutput = 1", "six decimals"),
        (PRICE + "input = 1", "'output' is missing"),
        (PRICE + 'input = 1\noutput = 1\nlanes = ["slow"]', "unknown lane 'slow'"),
        (PRICE + 'input = 1\noutput = 1\nlanes = "batch"', "it takes a list of texts"),
        (PRICE + 'input = 1\noutput = 1\nsince = "soon"', "since is 'soon'; it takes a date"),
        (PRICE + "input = 1\noutput = 1\noutptu = 1", "unknown key 'outptu'"),
        (PRICE + "input = 1\noutput = 1\ntiers = [{above = 1.5}]", "tiers 1: above is '1.5'"),
        (PRICE + "input = 1\noutput = 1\ntiers = [7]", "tiers is [7]"),
        (PRICE + PRICE + "input = 1\noutput = 1", "line 1: price 1: 'input' is missing"),
        ('[[price]]\nprovider = 7\nmodel = "m"', "provider is 7; it takes a text"),
        ('[[discount]]\nprovider = "o"\npercent = "120"', "0 to 100"),
        ('[[discount]]\nprovider = "o"\npercent = 1.2345', "three decimals"),
        ('[[discount]]\nprovider = "o"', "'percent' is missing"),
        ('[[rule]]\nprovider = "o"\nlane = "batch"\nmultiply = "half"', "such as '1/2'"),
        ('[[rule]]\nprovider = "o"\nlane = "batch"\nmultiply = "1/0"', "such as '1/2'"),
        ('[[rule]]\nprovider = "o"\nlane = "bacth"\nmultiply = "1/2"', "unknown lane 'bacth'"),
        (
            '[[rule]]\nprovider = "o"\nlane = "batch"\nmultiply = "1/2"\ncache_read = "free"',
            "unknown cache_read 'free'; accepted are scaled, input, standard",
        ),
        ('[[alias]]\nprovider = "o"\nmodel = "m"', "alias 1: 'means' is missing"),
        ('[[region]]\nprovider = "o"', "region 1: 'multiply' is missing"),
        ('[[prices]]\nprovider = "o"', "unknown [[prices]]; accepted are price,"),
        ('[price]\nprovider = "o"', "write [[price]]"),
        ("[[price", "prices.toml: "),
        ("\ufeff[[price]]", "prices.toml: "),
    ],
)
def test_a_malformed_file_is_refused_naming_line_entry_and_key(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(BadInput, match=r"prices\.toml") as caught:
        written(tmp_path, text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_text_or_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    with pytest.raises(BadInput, match="cannot be read"):
        PriceBook.load(user_prices=path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"prices\.toml"):
        PriceBook.load(user_prices=path)


def test_every_entry_that_we_ship_has_a_source_and_a_day_on_which_it_was_looked_at() -> None:
    text = resources.files("lanewise.pricing").joinpath("overlay.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    entries = [item for items in table.values() if isinstance(items, list) for item in items]
    assert len(entries) > 15
    for entry in entries:
        assert entry["source"]
        assert datetime.fromisoformat(entry["verified"])
