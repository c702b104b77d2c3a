"""Sets of ordinals behave like sets of integers, and survive being written down."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.ordinals import Ordinals

numbers = st.sets(st.integers(0, 300), max_size=60)


@given(numbers)
def test_they_hold_exactly_what_they_were_made_of(members: set[int]) -> None:
    ordinals = Ordinals.of(members)
    assert list(ordinals) == sorted(members)
    assert len(ordinals) == len(members)
    assert bool(ordinals) is bool(members)


@given(numbers, numbers)
def test_union_and_difference_are_those_of_sets(left: set[int], right: set[int]) -> None:
    a, b = Ordinals.of(left), Ordinals.of(right)
    assert set(a | b) == left | right
    assert set(a - b) == left - right
    assert (a - b) | b == a | b


@given(numbers, st.integers(0, 70))
def test_taking_the_first_few_loses_and_invents_nothing(members: set[int], count: int) -> None:
    first, rest = Ordinals.of(members).take(count)
    assert [*first, *rest] == sorted(members)
    assert len(first) == min(count, len(members))


@given(st.sets(st.integers(0, 10**7), max_size=60))
def test_what_was_written_down_is_read_back(members: set[int]) -> None:
    ordinals = Ordinals.of(members)
    assert Ordinals.decode(ordinals.encode()) == ordinals


def test_a_whole_segment_is_written_in_a_few_bytes() -> None:
    assert len(Ordinals.span(0, 50_000).encode()) <= 4


@given(st.binary(max_size=30))
def test_bytes_that_were_not_written_by_us_are_refused_or_read_but_never_crash(data: bytes) -> None:
    with suppress(ValueError):
        assert len(Ordinals.decode(data)) >= 0


@pytest.mark.parametrize("ranges", [((3, 3),), ((0, 2), (2, 4)), ((5, 6), (1, 2))])
def test_ranges_that_are_empty_touching_or_unsorted_cannot_exist(
    ranges: tuple[tuple[int, int], ...],
) -> None:
    with pytest.raises(ValueError, match="ordinals"):
        Ordinals(ranges)
