"""FOCUS 1.2: columns, nulls, formats and sums."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from lanewise.app.focus import COLUMNS, NULLABLE, focus, text_of
from lanewise.domain.lanes import REALTIME
from lanewise.domain.usage import Usage

START = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
END = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
# The specification's mandatory columns of version 1.2.
MANDATORY = {
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd",
    "ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost",
    "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName",
}  # fmt: skip
USAGES = st.lists(
    st.builds(
        Usage,
        input=st.integers(0, 400_000),
        cache_read=st.integers(0, 400_000),
        cache_write_5m=st.integers(0, 5_000),
        output=st.integers(1, 10_000),
    ),
    min_size=1,
    max_size=12,
)


def rows(books):
    return focus(books.entries, START, END).rows


def test_every_mandatory_column_is_there_and_ours_come_last():
    names = list(COLUMNS)
    assert set(names) >= MANDATORY
    first_of_ours = next(place for place, name in enumerate(names) if name.startswith("x_"))
    assert all(name.startswith("x_") for name in names[first_of_ours:])


def test_only_columns_that_may_be_null_are_null_and_every_value_has_its_kind(books):
    books.book([Usage(input=10, output=3)], tags={"team": "red"})
    books.book([Usage(input=10, output=3)], provider="anthropic", model="claude-haiku-4-5")
    for row in rows(books):
        assert list(row) == list(COLUMNS)
        for name, value in row.items():
            if value is None:
                assert name in NULLABLE
            else:
                kinds = {"text": str, "number": Decimal, "time": datetime}
                assert isinstance(value, kinds[COLUMNS[name]]), name


def test_texts_have_the_formats_of_the_specification(books):
    books.book([Usage(input=1, output=12_345_678)])
    for row in rows(books):
        for name, value in row.items():
            text = text_of(value)
            if COLUMNS[name] == "number":
                assert re.fullmatch(r"-?\d+\.\d+", text), (name, text)
            if COLUMNS[name] == "time":
                assert re.fullmatch(r"2026-1[12]-\d\dT00:00:00Z", text), (name, text)
        json.loads(text_of(row["Tags"]))
        json.loads(text_of(row["SkuPriceDetails"]))


@settings(max_examples=40, deadline=None)
@given(usages=USAGES)
def test_billed_costs_add_up_to_the_ledger_and_products_hold_exactly(new_books, usages):
    """Tiers included: a row has one price a meter, so quantity times unit price is the cost."""
    books = new_books()
    books.book(usages, provider="anthropic", model="claude-sonnet-4-5")
    made = rows(books)
    booked = sum(entry.row.cost_nano or 0 for entry in books.entries)
    baseline = sum(entry.row.baseline_nano or 0 for entry in books.entries)
    assert sum(row["BilledCost"] for row in made) == Decimal(booked).scaleb(-9)
    assert sum(row["x_BaselineCost"] for row in made) == Decimal(baseline).scaleb(-9)
    for row in made:
        assert row["PricingQuantity"] * row["ContractedUnitPrice"] == row["ContractedCost"]
        assert row["PricingQuantity"] * row["ListUnitPrice"] == row["ListCost"]
        assert row["x_BaselineCost"] - row["EffectiveCost"] == row["x_SavingsAmount"]
        rounding = Decimal(len(usages) + 3).scaleb(-9)
        assert abs(row["ContractedCost"] - row["BilledCost"]) <= rounding


def test_list_minus_effective_is_the_saving_that_finops_tools_show(books):
    books.book([Usage(input=1_000_000, output=1_000_000)])
    made = rows(books)
    shown = sum(row["ListCost"] - row["EffectiveCost"] for row in made)
    assert shown == sum(row["x_SavingsAmount"] for row in made) == Decimal("0.375")


def test_wasted_answers_show_no_saving(books):
    books.book([Usage(input=1_000, output=10)], kind="waste")
    for row in rows(books):
        assert row["ListCost"] == row["ContractedCost"]
        assert row["x_WasteCost"] == row["BilledCost"] > 0
        assert row["x_BaselineCost"] == 0


def test_a_correction_is_marked_as_one(books):
    [entry] = books.book([Usage(input=1_000, output=10)])
    books.book([Usage(input=-5, output=0)], kind="correction", corrects=entry.id)
    made = [row for row in rows(books) if row["ChargeClass"] == "Correction"]
    assert [row["ConsumedQuantity"] for row in made] == [Decimal(-5)]


def test_rows_are_those_charged_in_the_month_by_the_providers_clock(books):
    books.book([Usage(input=1, output=1)], charged_at=END - 1, at=END + 60)
    books.book([Usage(input=1, output=1)], charged_at=END, at=END + 60)
    made = rows(books)
    assert {row["ChargePeriodStart"] for row in made} == {datetime(2026, 11, 30, tzinfo=UTC)}
    assert {row["BillingPeriodEnd"] for row in made} == {datetime(2026, 12, 1, tzinfo=UTC)}


def test_equal_groups_are_one_row_and_different_prices_are_not(books):
    books.book([Usage(input=10, output=3)] * 2)
    books.book([Usage(input=10, output=3)] * 3)
    books.book([Usage(input=10, output=3)], lane=REALTIME)
    made = rows(books)
    quantities = sorted(
        (row["x_Lane"], row["SkuMeter"], int(row["ConsumedQuantity"])) for row in made
    )
    assert quantities == [
        ("batch", "Input Tokens", 50),
        ("batch", "Output Tokens", 15),
        ("realtime", "Input Tokens", 10),
        ("realtime", "Output Tokens", 3),
    ]
    assert {row["PricingCategory"] for row in made} == {"Standard", "Other"}


def test_answers_of_unknown_price_are_left_out_and_counted(books):
    books.book([Usage(input=10, output=3)] * 4, model="nobody-knows")
    found = focus(books.entries, START, END)
    assert (found.rows, found.unpriced) == ((), 4)


def test_the_parquet_file_says_the_same_as_the_csv(books, tmp_path):
    from pyarrow import parquet

    from lanewise.app.arrow import focus_table

    books.book([Usage(input=1_234, cache_read=77, output=3)])
    made = rows(books)
    parquet.write_table(focus_table(made), tmp_path / "focus.parquet")
    back = parquet.read_table(tmp_path / "focus.parquet").to_pylist()
    assert [list(row) for row in back] == [list(COLUMNS)] * len(made)
    for one, other in zip(back, made, strict=True):
        assert {name: text_of(one[name]) for name in COLUMNS} == {
            name: text_of(other[name]) for name in COLUMNS
        }
