"""Money is exact: integers only, one rounding per request, parts that add up."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.usage import Usage
from lanewise.pricing import Rates, components, price
from lanewise.pricing.arithmetic import Vector, divide, prices

counts = st.integers(0, 3_000_000)
pico = st.integers(0, 100_000_000)
usages = st.builds(Usage, counts, counts, counts, counts, counts, counts)
vectors = st.builds(Vector, pico, pico, pico, pico, pico, pico)
rates = st.builds(Rates, vectors)


def exact(rate: Rates, usage: Usage) -> Fraction:
    vector = rate.of(usage)
    pico = (
        usage.input * vector.input
        + usage.cache_read * vector.cache_read
        + usage.cache_write_5m * vector.cache_write_5m
        + usage.cache_write_1h * vector.cache_write_1h
        + usage.cache_write_other * vector.cache_write_other
        + usage.output * vector.output
    )
    return Fraction(pico, 1_000)


@given(rates, usages)
def test_a_price_is_the_exact_amount_rounded_once_half_to_even(rate: Rates, usage: Usage) -> None:
    assert price(rate, usage) == round(exact(rate, usage))


@given(vectors, vectors, usages)
def test_two_prices_at_once_are_those_that_each_has_alone(
    one: Vector, two: Vector, usage: Usage
) -> None:
    assert prices(one, two, usage) == (price(Rates(one), usage), price(Rates(two), usage))


@given(rates, usages)
def test_components_add_up_to_the_price(rate: Rates, usage: Usage) -> None:
    assert components(rate, usage).total == price(rate, usage)


def test_what_rounding_the_parts_leaves_over_goes_to_the_largest() -> None:
    thirds = Rates(Vector(400, 400, 400, 400, 400, 1_400))
    found = components(thirds, Usage(1, 1, 1, 0, 0, 1))
    assert (found.input, found.cache_read, found.cache_write, found.output) == (0, 0, 0, 3)


@given(rates, usages)
def test_no_component_is_negative_or_more_than_half_a_nano_dollar_a_part_off(
    rate: Rates, usage: Usage
) -> None:
    found = components(rate, usage)
    vector = rate.of(usage)
    parts = (found.input, found.cache_read, found.output)
    alone = (
        usage.input * vector.input,
        usage.cache_read * vector.cache_read,
        usage.output * vector.output,
    )
    assert min(*parts, found.cache_write) >= 0
    # Three parts rounded by at most a half each, and the total: at most two go to the largest.
    assert all(abs(nano * 1_000 - pico) <= 2_500 for nano, pico in zip(parts, alone, strict=True))


@given(st.data())
def test_the_order_of_addition_does_not_matter(data: st.DataObject) -> None:
    requests = data.draw(st.lists(st.tuples(rates, usages), max_size=6))
    shuffled = data.draw(st.permutations(requests))
    assert sum(price(*item) for item in requests) == sum(price(*item) for item in shuffled)
    assert sum((u for _, u in requests), Usage()) == sum((u for _, u in shuffled), Usage())


@given(rates, st.lists(usages, min_size=1, max_size=6))
def test_splitting_a_usage_is_off_by_at_most_half_a_nano_dollar_a_piece(
    rate: Rates, pieces: list[Usage]
) -> None:
    whole = sum(pieces, Usage())
    apart = sum(price(rate, piece) for piece in pieces)
    assert abs(apart - exact(rate, whole)) <= Fraction(len(pieces), 2)
    assert abs(apart - price(rate, whole)) <= Fraction(len(pieces) + 1, 2)


@given(vectors, vectors, st.lists(usages, min_size=1, max_size=6))
def test_splitting_never_reaches_or_leaves_a_tier_by_itself(
    low: Vector, high: Vector, pieces: list[Usage]
) -> None:
    """Each request is in its own tier: what is off is rounding, and never the price of a sum."""
    tiered = Rates(low, ((1_000_000, high),))
    apart = sum(price(tiered, piece) for piece in pieces)
    each = sum(exact(tiered, piece) for piece in pieces)
    assert abs(apart - each) <= Fraction(len(pieces), 2)


def test_rounding_is_by_request_and_a_sum_is_of_rounded_requests() -> None:
    third = Rates(Vector(400, 0, 0, 0, 0, 0))
    assert [price(third, Usage(input=n)) for n in (1, 2, 3)] == [0, 1, 1]  # 0.4, 0.8, 1.2
    assert sum(price(third, Usage(input=1)) for _ in range(1_000)) == 0
    assert price(third, Usage(input=1_000)) == 400


@given(rates, usages, usages)
def test_more_tokens_never_cost_less(rate: Rates, usage: Usage, more: Usage) -> None:
    assert price(rate, usage + more) >= price(rate, usage)


def test_a_tier_is_a_cliff_on_the_input_of_one_request_cached_or_not() -> None:
    cheap, dear = Vector(1_000, 1_000, 0, 0, 0, 1_000), Vector(2_000, 2_000, 0, 0, 0, 2_000)
    tiered = Rates(cheap, ((200_000, dear),))
    assert price(tiered, Usage(input=200_000)) == 200_000
    assert price(tiered, Usage(input=200_001)) == 400_002
    assert price(tiered, Usage(input=1, cache_read=200_000, output=5)) == 2 * 200_006


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**6))
def test_division_rounds_half_to_even(numerator: int, denominator: int) -> None:
    assert divide(numerator, denominator) == round(Fraction(numerator, denominator))
