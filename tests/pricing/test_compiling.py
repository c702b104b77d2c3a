"""Compiling published price data: whole or not at all, and never by skipping what is not understood."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from lanewise.errors import BadInput
from lanewise.pricing.compiling import PROVIDERS, compiled, fingerprint
from lanewise.pricing.table import Table

Change = Callable[[dict[str, Any]], object]


def model(**changes: Any) -> dict[str, Any]:
    plain = {
        "id": "one",
        "match": {"equals": "One"},
        "prices": {"input_mtok": 2, "output_mtok": 8.5},
    }
    return plain | changes


def data(*models: dict[str, Any]) -> bytes:
    """Data in which the first provider has these models, and the others one each."""
    return json.dumps(
        [{"id": name, "models": models if name == "openai" else [model()]} for name in PROVIDERS]
    ).encode()


def table(raw: bytes) -> Table:
    return Table(compiled(raw, version="test", dated="2026-11-24", where="data.json"))


def lanes(one: dict[str, Any]) -> Any:
    return table(data(one)).provider("openai").models[0].lanes


def test_the_integers_are_those_of_the_decimals_as_written() -> None:
    [price] = lanes(model(prices={"input_mtok": 0.1, "cache_read_mtok": 0.025, "output_mtok": 3}))[
        "realtime"
    ]
    assert price.base == (100_000, 25_000, 100_000, 100_000, 100_000, 3_000_000)


def test_a_variant_overrides_what_it_names_from_its_day_on_and_no_lane_exists_before() -> None:
    found = lanes(
        model(
            price_variants=[
                {
                    "when": {"processing": "batch"},
                    "prices": {"input_mtok": 1},
                    "constraint": {"start_date": "2026-10-14"},
                }
            ]
        )
    )
    assert [(item.since, item.base[0], item.base[5]) for item in found["batch"]] == [
        ("2026-10-14", 1_000_000, 8_500_000)
    ]


def test_of_dated_prices_each_holds_from_its_day_and_tiers_are_kept() -> None:
    tiered = {"base": 1, "tiers": [{"start": 500, "price": 3}, {"start": 100, "price": 2}]}
    found = lanes(
        model(
            prices=[
                {"prices": {"input_mtok": 2, "output_mtok": 4}},
                {
                    "constraint": {"start_date": "2027-01-01"},
                    "prices": {"input_mtok": tiered, "output_mtok": 4},
                },
            ]
        )
    )["realtime"]
    assert [item.since for item in found] == ["", "2027-01-01"]
    assert [(start, six[0]) for start, six in found[1].tiers] == [
        (100, 2_000_000),
        (500, 3_000_000),
    ]


def test_a_price_by_the_clock_is_the_dearest_and_says_that_it_goes_by_the_clock() -> None:
    night = {"start_time": "22:00:00Z", "end_time": "06:00:00Z"}
    raw = data(
        model(
            prices=[
                {"prices": {"input_mtok": 2, "output_mtok": 4}},
                {"constraint": night, "prices": {"input_mtok": 1, "output_mtok": 2}},
            ]
        )
    )
    found = table(raw).provider("openai").models[0]
    assert found.by_clock
    assert found.lanes["realtime"][0].base[0] == 2_000_000


WRONG: list[tuple[dict[str, Any], str]] = [
    (model(prices={"input_mtok": 0.1234567}), "six decimals"),
    (model(prices={"input_mtok": -1}), "0 to 1,000,000"),
    (model(prices={"input_mtok": 1e300}), "0 to 1,000,000"),
    (model(prices={"input_mtok": "NaN"}), "0 to 1,000,000"),
    (model(prices={"input_mtok": "cheap"}), "Invalid decimal"),
    (model(prices=[]), "empty list"),
    (model(match={"sounds_like": "one"}), "matching rule that is new"),
    (model(match={}), "matching rule that is new"),
    (model(match={"or": []}), "matching rule that is new"),
    (model(match={"regex": "("}), "regular expression"),
    (model(surcharge=2), "surcharge"),
    (model(prices=[{"prices": {}, "constraint": {"end_date": "2027-01-01"}}]), "end_date"),
    (model(prices=[{"prices": {"input_mtok": 1}, "constraint": {}}]), "start_date"),
    (
        model(price_variants=[{"when": {"processing": "batch"}, "prices": {}, "unless": 1}]),
        "unless",
    ),
    (
        model(
            prices=[
                {
                    "prices": {"input_mtok": 1},
                    "constraint": {"start_time": "22:00:00+02:00", "end_time": "06:00:00+02:00"},
                }
            ]
        ),
        "UTC",
    ),
]


@pytest.mark.parametrize(("one", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_not_understood_is_refused_and_named(one: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        table(data(one))
    assert str(caught.value).startswith("data.json: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"null", b"[[[[", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_price_data_is_refused(raw: bytes) -> None:
    with pytest.raises(BadInput, match=r"data\.json: "):
        table(raw)


def test_damaged_data_is_refused_or_compiles_and_nothing_else(published: bytes) -> None:
    chance = random.Random(3)
    refused = 0
    for _ in range(60):
        raw = bytearray(published)
        for _ in range(chance.choice((1, 3, 30))):
            place = chance.randrange(len(raw))
            match chance.randrange(3):
                case 0:
                    raw[place] = chance.randrange(256)
                case 1:
                    del raw[place : place + chance.randrange(1, 40)]
                case _:
                    raw[place:place] = bytes(chance.choices(b'0123456789-{}[]",:e.ntf', k=3))
        try:
            table(bytes(raw))
        except BadInput:
            refused += 1
    assert refused > 10


def test_a_compiled_table_that_was_changed_by_hand_is_refused() -> None:
    raw = compiled(data(model()), version="test", dated="2026-11-24", where="data.json")
    assert Table(raw).version == "test"
    with pytest.raises(BadInput, match="changed after it was compiled"):
        Table(raw.replace(b"2000000", b"1000000", 1))


def test_a_fingerprint_is_the_beginning_of_the_sha256_of_the_file() -> None:
    assert fingerprint(b"abc") == "ba7816bf8f01"
