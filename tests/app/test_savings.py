"""Savings: what is shown adds up, and nothing is claimed that cannot be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.app.savings import savings
from lanewise.domain.lanes import REALTIME
from lanewise.domain.usage import Usage
from lanewise.errors import BadInput
from lanewise.pricing import PriceBook

SMALL = Usage(input=1_000, output=100)


def test_the_saving_is_the_baseline_minus_everything_that_was_paid_waste_included(books):
    books.book([SMALL] * 10)
    books.book([SMALL], kind="waste")
    total = savings(books.entries, by="workflow", since=None, until=0.0).total
    each = books.entries[1].row.cost_nano
    assert (total.spent_nano, total.waste_nano) == (11 * each, each)
    assert total.baseline_nano == 20 * each
    assert total.saved_nano == 9 * each
    assert (total.answers, total.moved) == (10, 10)


def test_real_time_answers_save_nothing_and_count_as_not_moved(books):
    books.book([SMALL] * 3, lane=REALTIME)
    books.book([SMALL])
    total = savings(books.entries, by="lane", since=None, until=0.0).total
    assert (total.answers, total.moved) == (4, 1)
    assert total.saved_nano == books.entries[1].row.cost_nano


def test_answers_of_unknown_price_are_counted_and_in_no_sum(books):
    books.book([SMALL] * 5, model="nobody-knows")
    total = savings(books.entries, by="model", since=None, until=0.0).total
    assert (total.unpriced, total.spent_nano, total.baseline_nano) == (5, 0, 0)
    assert total.as_json()["saved_percent"] is None
    assert total.by_status == {}


def test_where_caching_makes_the_batch_dearer_the_saving_is_negative(books):
    """gpt-4.1 has no cached price in batches: cached tokens cost more there than live."""
    books.book([Usage(input=100, cache_read=100_000, output=10)], model="gpt-4.1")
    group = savings(books.entries, by="model", since=None, until=0.0).groups[0]
    assert group.saved_nano < 0
    assert group.as_json()["saved_usd"] < 0


def test_what_caching_saved_is_reckoned_against_the_plain_input_price_and_told_by_who_saw_to_it(
    books,
):
    """claude-sonnet-4-6 in batch, USD per million tokens: input 1.5, read 0.15, written for an hour 3."""
    claude = {"provider": "anthropic", "model": "claude-sonnet-4-6"}
    marked = [Usage(input=9, cache_write_1h=4_000, output=9), Usage(input=9, cache_read=4_000)]
    books.book(marked, marked=True, **claude)
    books.book([Usage(input=9, cache_read=1_001)] * 2, workflow="own", **claude)
    books.book([SMALL], workflow="none")
    report = savings(books.entries, by="workflow", since=None, until=0.0)
    found = {group.name: (group.marked_nano, group.cached_nano) for group in report.groups}
    assert found == {
        "tickets": (4_000 * 1_350 - 4_000 * 1_500, 0),
        "own": (0, 2_002 * 1_350),
        "none": (0, 0),
    }
    assert report.total.as_json()["saved_by_cache_marks_usd"] == -0.0006
    assert report.total.as_json()["saved_by_other_caching_usd"] == 0.0027027


def test_each_part_of_the_saving_says_what_its_prices_rest_on(books):
    books.book([SMALL])
    books.book([SMALL], model="text-embedding-3-small")
    total = savings(books.entries, by="workflow", since=None, until=0.0).total
    assert set(total.by_status) == {"listed", "rule"}
    assert sum(total.by_status.values()) == total.saved_nano


def test_corrections_change_the_sums_and_not_the_rows(books):
    [entry] = books.book([SMALL] * 4)
    books.book([SMALL], kind="correction", corrects=entry.id)
    total = savings(books.entries, by="workflow", since=None, until=0.0).total
    assert total.answers == 5
    assert total.spent_nano == 5 * books.entries[1].row.cost_nano


def test_upper_bounds_are_spent_and_named(books):
    books.book([SMALL], kind="unknown_upper_bound", baseline_nano=0)
    total = savings(books.entries, by="workflow", since=None, until=0.0).total
    assert total.uncertain_nano == total.spent_nano == -total.saved_nano


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("workflow", ["search", "tickets"]),
        ("model", ["gpt-4o-mini", "claude-haiku-4-5"]),
        ("provider", ["openai", "anthropic"]),
        ("lane", ["batch"]),
        ("day", ["2026-11-20", "2026-11-21"]),
        ("tag:team", ["(no such tag)", "red"]),
    ],
)
def test_every_grouping_shows_the_same_total(books, by, names):
    books.book([SMALL] * 2, tags={"team": "red"})
    model = {"provider": "anthropic", "model": "claude-haiku-4-5"}
    books.book([SMALL] * 3, workflow="search", at=1_795_262_400.0, **model)
    report = savings(books.entries, by=by, since=None, until=0.0)
    assert sorted(group.name for group in report.groups) == sorted(names)
    assert sum(group.spent_nano for group in report.groups) == report.total.spent_nano
    assert sum(group.saved_nano for group in report.groups) == report.total.saved_nano


def test_groups_are_ordered_by_saving_and_days_by_date(books):
    books.book([SMALL], workflow="little", at=1_795_262_400.0)
    books.book([SMALL] * 9, workflow="much")
    by_workflow = savings(books.entries, by="workflow", since=None, until=0.0)
    assert [group.name for group in by_workflow.groups] == ["much", "little"]
    by_day = savings(books.entries, by="day", since=None, until=0.0)
    assert [group.name for group in by_day.groups] == ["2026-11-20", "2026-11-21"]


@pytest.mark.parametrize("by", ["", "team", "tag:", "Workflow"])
def test_another_grouping_is_refused_with_those_there_are(by):
    with pytest.raises(
        BadInput, match="accepted are workflow, model, provider, lane, day and tag:KEY"
    ):
        savings([], by=by, since=None, until=0.0)


@given(
    usages=st.lists(
        st.builds(
            Usage,
            input=st.integers(0, 400_000),
            cache_read=st.integers(0, 400_000),
            output=st.integers(0, 10_000),
        ),
        min_size=1,
        max_size=20,
    ),
    seed=st.randoms(use_true_random=False),
)
def test_the_order_of_answers_changes_no_sum(new_books, usages, seed):
    one, other = new_books(), new_books()
    shuffled = list(usages)
    seed.shuffle(shuffled)
    for books, items in ((one, usages), (other, shuffled)):
        books.book(items, provider="anthropic", model="claude-sonnet-4-5")
    totals = [
        savings(books.entries, by="workflow", since=None, until=0.0).total for books in (one, other)
    ]
    assert totals[0] == totals[1]


def test_an_upgraded_price_book_changes_no_row(books, monkeypatch):
    books.book([SMALL] * 3)
    before = savings(books.entries, by="model", since=None, until=0.0)
    monkeypatch.setattr(PriceBook, "resolve", None)
    assert savings(books.entries, by="model", since=None, until=0.0) == before
