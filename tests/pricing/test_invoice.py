"""The book agrees to the nano-dollar with the sandbox's rate card, which shares neither data nor code."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanewise.domain.lanes import BACKGROUND_2H, BACKGROUND_8H, BATCH, REALTIME, LaneName
from lanewise.domain.usage import Usage
from lanewise.pricing import PriceBook
from lanewise.sandbox import books
from lanewise.sandbox.answers import Tokens

NOW = datetime(2026, 11, 23, tzinfo=UTC)
BOOK = PriceBook.load()
LANES = {
    "openai": (REALTIME, BATCH, BACKGROUND_2H, BACKGROUND_8H),
    "anthropic": (REALTIME, BATCH),
}
SOLD = [
    (provider, model, lane)
    for provider, lanes in LANES.items()
    for model in books.models(provider)
    for lane in lanes
    if lane in (REALTIME, BATCH) or model.startswith(("gpt-4", "gpt-5", "o4"))
]
tokens = st.integers(
    0, 49_000
)  # four inputs stay below every long-context price, which the card lacks


@pytest.mark.parametrize(("provider", "model", "lane"), SOLD)
@settings(max_examples=10)
@given(st.data())
def test_a_request_costs_what_the_invoice_says(
    provider: str, model: str, lane: LaneName, data: st.DataObject
) -> None:
    plain, read, short, hour, output = data.draw(st.tuples(*[tokens] * 5))
    if provider == "openai":
        short = hour = 0
    pricer = BOOK.pricer(provider, model, NOW, lane)
    assert pricer is not None
    cost = pricer.cost(Usage(plain, read, short, hour, 0, output))
    charged = Tokens(
        input=plain, cache_read=read, cache_write_5m=short, cache_write_1h=hour, output=output
    )
    assert cost == books.charge(provider, model, lane, charged)
