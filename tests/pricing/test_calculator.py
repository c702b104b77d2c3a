"""The calculator: exact, complete, and the same in Python and on a web page."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import quickjs
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.lanes import BATCH, LANES, REALTIME
from lanewise.domain.usage import Usage
from lanewise.errors import BadInput
from lanewise.pricing import PriceBook, price
from lanewise.pricing.calculator import Bill, Lengths, Workload, calculate, total
from lanewise.pricing.calculator.coefficients import coefficients, script
from lanewise.pricing.calculator.machines import break_even
from lanewise.pricing.calculator.workloads import lengths, rate, seconds, share, volume

BOOK = PriceBook.load()
DAY = datetime(2026, 11, 23, tzinfo=UTC)
DOLLAR = 1_000_000_000
SHARES = st.fractions(0, 1, max_denominator=1_000)
MODELS = (
    ("openai", "gpt-4o-mini"), ("openai", "gpt-4.1"), ("openai", "gpt-5-mini"),
    ("anthropic", "claude-haiku-4-5"), ("anthropic", "claude-sonnet-4-5"), ("google", "gemini-2.5-pro"),
    ("openai", "text-embedding-3-small"), ("cohere", "command-r"),
)  # fmt: skip


def same(tokens: int | Fraction) -> Lengths:
    return Lengths(Fraction(tokens), Fraction(tokens))


def monthly(provider: str, model: str, tokens: int, **other: Any) -> Bill:
    return calculate(BOOK, Workload(provider, model, None, same(tokens), same(0), **other), DAY)


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    provider, model = draw(st.sampled_from(MODELS))
    short_in, short_out = draw(st.integers(1, 250_000)), draw(st.integers(0, 5_000))
    by_request = draw(st.booleans())
    factor = draw(st.integers(1, 4)) if by_request else 1
    return Workload(
        provider,
        model,
        Fraction(draw(st.integers(1, 10**7))) if by_request else None,
        Lengths(Fraction(short_in), Fraction(short_in * factor)),
        Lengths(Fraction(short_out), Fraction(short_out * factor)),
        cached=draw(SHARES),
        wait_share=draw(SHARES),
        rescue=draw(SHARES),
        waste=draw(SHARES),
    )


@pytest.mark.parametrize(
    ("provider", "model", "realtime", "batch"),
    [("openai", "gpt-4o", 750, 375), ("anthropic", "claude-sonnet-4-6", 900, 450)],
)
def test_the_reference_table_is_reproduced_exactly(provider, model, realtime, batch):
    """10M input tokens a day for 30 days at the prices of 2026-11-23."""
    bill = monthly(provider, model, 10_000_000 * 30)
    assert bill.lane("realtime").month_nano == realtime * DOLLAR
    assert bill.lane("batch").month_nano == batch * DOLLAR
    assert bill.saved_nano(bill.lane("batch")) == (realtime - batch) * DOLLAR
    assert bill.cheapest.lane == BATCH


@given(workloads())
def test_the_terms_add_up_to_the_month_exactly(work):
    for item in calculate(BOOK, work, DAY, announce=False).lanes:
        if item.known:
            assert sum((term.tokens * term.rate for term in item.terms), Fraction(0)) == item.pico


@given(workloads(), st.integers(2, 50))
def test_more_requests_cost_proportionally_more(work, times):
    if work.requests is None:
        return
    more = Workload(
        work.provider, work.model, work.requests * times, work.input, work.output, work.cached,
        work.wait_share, work.rescue, work.waste,
    )  # fmt: skip
    pairs = zip(
        calculate(BOOK, work, DAY, announce=False).lanes,
        calculate(BOOK, more, DAY, announce=False).lanes,
        strict=True,
    )
    assert all(one.pico * times == other.pico for one, other in pairs if one.known)


@given(st.lists(workloads(), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_workloads_changes_no_total(works, dice):
    bills = [calculate(BOOK, work, DAY, announce=False).lane("batch") for work in works]
    shuffled = list(bills)
    dice.shuffle(shuffled)
    assert total(bills) == total(shuffled)


@given(st.integers(1, 300_000), st.integers(0, 5_000), st.sampled_from(MODELS))
def test_one_request_costs_what_the_ledger_would_book_for_it(tokens_in, tokens_out, which):
    work = Workload(*which, Fraction(1), same(tokens_in), same(tokens_out))
    for item in calculate(BOOK, work, DAY, announce=False).lanes:
        rates = BOOK.resolve(*which, DAY, item.lane).rates
        if item.known:
            assert item.month_nano == price(rates, Usage(input=tokens_in, output=tokens_out))


def test_long_context_prices_hold_for_long_requests_and_not_for_large_sums():
    short = Workload("anthropic", "claude-sonnet-4-5", Fraction(1_000), same(100_000), same(0))
    long = Workload("anthropic", "claude-sonnet-4-5", Fraction(250), same(400_000), same(0))
    cheap, dear = (calculate(BOOK, work, DAY).lane("realtime").pico for work in (short, long))
    assert dear == 2 * cheap


def test_where_lengths_spread_the_long_requests_pay_the_long_context_price():
    """p50 200k, p95 400k: 185 of 1,000 requests are above the limit of 200k tokens."""
    spread = Lengths(Fraction(200_000), Fraction(400_000))
    work = Workload("anthropic", "claude-sonnet-4-5", Fraction(1_000), spread, same(0))
    item = calculate(BOOK, work, DAY).lane("realtime")
    long = [term for term in item.terms if term.above]
    assert [term.point.requests for term in long] == [185]
    assert item.low < item.pico < item.high


def test_what_cannot_wait_what_is_rescued_and_what_is_wasted_are_paid_for():
    plain = monthly("openai", "gpt-4o", 1_000_000)
    realtime, batch = plain.lane("realtime").pico, plain.lane("batch").pico
    half = Fraction(1, 2)

    def cost(**shares: Fraction) -> Fraction:
        return monthly("openai", "gpt-4o", 1_000_000, **shares).lane("batch").pico

    assert cost(wait_share=half) == (realtime + batch) / 2
    assert cost(rescue=half) == (realtime + batch) / 2
    assert cost(waste=half) == batch * Fraction(3, 2)
    assert cost(wait_share=Fraction(0), waste=half) == realtime


def test_where_caching_makes_the_batch_dearer_the_saving_is_negative_and_it_is_not_the_cheapest():
    bill = monthly("openai", "gpt-4.1", 1_000_000, cached=Fraction(99, 100))
    assert bill.saved_nano(bill.lane("batch")) < 0
    assert bill.cheapest.lane != BATCH


@pytest.mark.parametrize(
    ("wait", "lane"),
    [(0, "realtime"), (3_600, "flex"), (7_200, "flex"), (28_800, "flex"), (86_400, "batch")],
)
def test_the_cheapest_lane_is_one_whose_window_fits(wait, lane):
    """Flex and batch cost the same here: flex fits sooner, batch does not refuse."""
    assert monthly("openai", "gpt-5-mini", 1_000_000, wait_seconds=wait).cheapest.lane == lane


def test_an_unknown_price_is_unknown_and_never_the_cheapest():
    bill = monthly("cohere", "command-r", 1_000_000)
    batch = bill.lane("batch")
    assert (batch.month_nano, batch.price.status) == (None, "unknown")
    assert bill.saved_nano(batch) is None
    assert bill.cheapest.lane == REALTIME
    assert total([bill.lane("realtime"), batch]) is None


def test_a_lane_that_is_asked_for_and_not_sold_is_shown_as_unknown():
    work = Workload("openai", "gpt-4o", None, same(1_000_000), same(0))
    flex = calculate(BOOK, work, DAY, lanes=["flex"]).lane("flex")
    assert (flex.price.status, flex.month_nano) == ("unknown", None)


def test_a_price_that_a_list_lacks_is_unknown_and_not_free():
    """Embedding models have no price for output."""
    embeds = Workload("openai", "text-embedding-3-small", None, same(1_000), same(0))
    assert calculate(BOOK, embeds, DAY).lane("realtime").known
    writes = Workload("openai", "text-embedding-3-small", None, same(1_000), same(1))
    bill = calculate(BOOK, writes, DAY)
    assert [item.month_nano for item in bill.lanes] == [None] * len(bill.lanes)
    assert bill.cheapest is None


def test_a_lane_is_priced_without_real_time_where_no_request_needs_that(tmp_path):
    (tmp_path / "prices.toml").write_text(
        '[[price]]\nprovider = "openai"\nmodel = "mine"\nlanes = ["batch"]\ninput = 1\noutput = 2\n'
    )
    book = PriceBook.load(user_prices=tmp_path / "prices.toml")
    for rescue, month in ((Fraction(0), DOLLAR), (Fraction(1, 50), None)):
        work = Workload("openai", "mine", None, same(1_000_000), same(0), rescue=rescue)
        bill = calculate(book, work, DAY)
        assert bill.lane("batch").month_nano == month
        assert bill.saved_nano(bill.lane("batch")) is None


def test_a_model_that_is_free_costs_nothing(tmp_path):
    (tmp_path / "prices.toml").write_text(
        '[[price]]\nprovider = "openai"\nmodel = "gift"\ninput = 0\noutput = 0\n'
    )
    book = PriceBook.load(user_prices=tmp_path / "prices.toml")
    work = Workload("openai", "gift", None, same(1_000), same(1_000))
    assert calculate(book, work, DAY).lane("realtime").month_nano == 0


def test_no_requests_cost_nothing():
    work = Workload("openai", "gpt-4o", Fraction(0), same(1_000), same(10))
    assert calculate(BOOK, work, DAY).lane("realtime").month_nano == 0


def test_without_cached_tokens_no_lane_of_any_listed_model_is_dearer_than_real_time():
    for provider in BOOK.tables[0].providers:
        for model in BOOK.models(provider):
            work = Workload(provider, model, Fraction(7), same(1_000), same(100))
            bill = calculate(BOOK, work, DAY, announce=False)
            for item in bill.lanes:
                if item.known:
                    assert item.pico <= bill.lane("realtime").pico, (provider, model, item.lane)


def test_prices_that_are_known_to_change_are_announced():
    assert monthly("google", "gemini-3.6-flash", 1).changes == ("2027-01-01",)


# -- machines ------------------------------------------------------------------------------------------
def machine(tmp_path: Path, **other: Any) -> Any:
    keys = {"gpu_hour_usd": '"2.50"', "gpus": 2, "tokens_per_second": 1_000, **other}
    text = "\n".join(f"{key} = {value}" for key, value in keys.items())
    (tmp_path / "prices.toml").write_text(f"[self_hosted.llama]\n{text}\n")
    return PriceBook.load(user_prices=tmp_path / "prices.toml").tables[2].machines[0]


def test_a_rented_machine_breaks_even_where_the_provider_costs_as_much(tmp_path):
    """$5 an hour is $3,600 in 720 hours; gpt-4o in batches is $1.25 a million: 2,880 million tokens."""
    rented = machine(tmp_path, tokens_per_second=10_000)
    work = Workload("openai", "gpt-4o", None, same(288_000_000), same(0))
    found = break_even(rented, work, calculate(BOOK, work, DAY).lane("batch"))
    assert (found.pico, found.machines) == (3_600 * 10**12, 1)
    assert found.factor == 10
    assert found.tokens_per_day == 96_000_000
    assert not found.cheaper
    more = Workload("openai", "gpt-4o", None, same(288_000_000 * 10), same(0))
    equal = break_even(rented, more, calculate(BOOK, more, DAY).lane("batch"))
    assert equal.pico == equal.provider_pico


def test_a_machine_that_is_full_before_it_pays_never_breaks_even(tmp_path):
    slow = machine(tmp_path, tokens_per_second=10)
    work = Workload("openai", "gpt-4o-mini", None, same(1_000_000), same(0))
    assert break_even(slow, work, calculate(BOOK, work, DAY).lane("batch")).factor is None


def test_a_shared_machine_costs_the_seconds_that_it_works(tmp_path):
    shared = machine(tmp_path, allocation='"busy"', overhead_percent=20)
    work = Workload("openai", "gpt-4o", None, same(3_600_000), same(0))
    found = break_even(shared, work, calculate(BOOK, work, DAY).lane("batch"))
    assert found.pico == 6 * 10**12  # one hour of two GPUs at $2.50, and a fifth on top


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"gpus": 0}, "self_hosted.llama: gpus is 0; it takes a whole number such as 2"),
        ({"gpus": '"x"'}, "gpus is 'x'"),
        ({"utilization": "1.5"}, "utilization is '1.5'; it takes 0.01 to 1"),
        ({"allocation": '"sometimes"'}, "accepted are wall, busy"),
        ({"colour": '"red"'}, "unknown key 'colour'"),
    ],
)
def test_a_machine_that_cannot_be_meant_is_refused(tmp_path, keys, says):
    with pytest.raises(BadInput) as refused:
        machine(tmp_path, **keys)
    assert says in str(refused.value)


# -- what people type ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (volume, "10M/day", (Fraction(300_000_000), True)),
        (volume, "1.5k", (Fraction(1_500), False)),
        (volume, "2B/month", (Fraction(2_000_000_000), True)),
        (volume, "7/week", (Fraction(30), True)),
        (rate, "20_000/day", Fraction(600_000)),
        (rate, "1/hour", Fraction(720)),
        (share, "12.5%", Fraction(1, 8)),
        (share, "1", Fraction(1)),
        (seconds, "8h", 28_800),
        (seconds, "none", 0),
    ],
)
def test_amounts_are_read_exactly(read, text, value):
    assert read(text, "--x") == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (volume, "10X/day"), (volume, "10M/fortnight"), (volume, "-1"), (volume, ""), (volume, "1e6"),
        (rate, "20000"), (rate, "0/day"), (rate, "many/day"), (share, "101%"), (share, "1.1"), (share, "-1%"),
        (seconds, "8"), (seconds, "8y"), (lengths, "4000..1200"), (lengths, "0..5"),
        (lengths, "1M/day..2M/day"), (lengths, "1..x"),
    ],
)  # fmt: skip
def test_an_amount_that_cannot_be_meant_is_refused_with_what_is_accepted(read, text):
    with pytest.raises(BadInput) as refused:
        read(text, "--in")
    assert str(refused.value).startswith(f"--in is {text!r}") or ".." in text
    assert "it takes" in str(refused.value)


# -- the web page --------------------------------------------------------------------------------------
def scenario(dice: random.Random) -> tuple[Workload, dict[str, Any]]:
    provider, model = dice.choice(MODELS)
    by_request = dice.random() < 0.7
    p50_in, p50_out = dice.randint(1, 300_000), dice.choice((0, dice.randint(1, 5_000)))
    factor = dice.choice((1, 2, 5)) if by_request else 1
    shares = [Fraction(dice.choice((0, dice.randint(0, 1_000), 1_000)), 1_000) for _ in range(4)]
    requests = dice.randint(1, 1_000_000) if by_request else None
    work = Workload(
        provider, model, None if requests is None else Fraction(requests),
        Lengths(Fraction(p50_in), Fraction(p50_in * factor)),
        Lengths(Fraction(p50_out), Fraction(p50_out * factor)), *shares,
    )  # fmt: skip
    names = ("cached", "waitShare", "rescue", "waste")
    told = {
        "model": f"{provider}/{model}",
        "requests": requests,
        "input": [p50_in, p50_in * factor],
        "output": [p50_out, p50_out * factor],
        **{name: float(part) for name, part in zip(names, shares, strict=True)},
    }
    return work, told


def test_a_thousand_random_scenarios_agree_with_the_web_page_to_the_cent():
    dice = random.Random(7)
    works, told = zip(*(scenario(dice) for _ in range(1_000)), strict=True)
    page = quickjs.Context()
    page.eval(script())
    data = json.dumps([coefficients(BOOK, MODELS, DAY), told])
    page.set("data", data)
    program = "var [c, all] = JSON.parse(data); JSON.stringify(all.map(s => monthly(c, s)))"
    answers = json.loads(page.eval(program))
    assert len(answers) == 1_000
    for work, answer in zip(works, answers, strict=True):
        bill = calculate(BOOK, work, DAY, announce=False)
        assert {item.lane for item in bill.lanes if item.known} == set(answer)
        for item in bill.lanes:
            if not item.known:
                continue
            exact = item.pico / 10**12
            assert abs(Fraction(answer[item.lane]) - exact) < Fraction(1, 200), (work, item.lane)


def test_the_web_page_prices_a_lane_without_real_time_as_python_does(tmp_path):
    (tmp_path / "prices.toml").write_text(
        '[[price]]\nprovider = "openai"\nmodel = "mine"\nlanes = ["batch"]\ninput = 1\noutput = 2\n'
    )
    book = PriceBook.load(user_prices=tmp_path / "prices.toml")
    page = quickjs.Context()
    page.eval(script())
    page.set("data", json.dumps(coefficients(book, [("openai", "mine")], DAY)))
    told = '{model: "openai/mine", requests: null, input: [1e6, 1e6], output: [0, 0], cached: 0, waitShare: 1'
    for rest, answer in (("rescue: 0, waste: 0", {"batch": 1}), ("rescue: 0.02, waste: 0", {})):
        program = f"JSON.stringify(monthly(JSON.parse(data), {told}, {rest}}}))"
        assert json.loads(page.eval(program)) == answer


def test_the_exported_numbers_name_day_basis_and_status_and_all_lanes():
    found = coefficients(BOOK, [("openai", "gpt-5-mini")], DAY)
    assert (found["at"], found["basis"], found["days"]) == ("2026-11-23", BOOK.basis, 30)
    lanes = found["models"]["openai/gpt-5-mini"]["lanes"]
    assert list(lanes) == list(LANES)
    assert lanes["batch"]["prices"] == [[0, "0.125", "0.0125", "1"]]
    assert lanes["background_8h"]["status"] == "rule"
