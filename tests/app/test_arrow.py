"""The Arrow tables say what the ledger says, exactly."""

from __future__ import annotations

import sys
from decimal import Decimal

import pytest

from lanewise import Books
from lanewise.app.arrow import ledger_table, savings_table
from lanewise.app.ledger_rows import LEDGER_COLUMNS, row_of
from lanewise.app.savings import savings
from lanewise.domain.usage import Usage
from lanewise.errors import BadSettings


def test_every_column_of_every_row_comes_back_as_it_is(books):
    books.book([Usage(input=1_234, cache_read=77, output=3)], tags={"team": "red", "env": "test"})
    books.book([Usage(input=5, output=3)] * 2, model="nobody-knows")
    found = ledger_table(books.entries).to_pylist(maps_as_pydicts="strict")
    assert found == [row_of(entry) for entry in books.entries]
    assert found[1]["cost_usd"] is None


def test_savings_are_exact_decimals_in_the_order_of_the_report(books):
    books.book([Usage(input=1, output=1)], workflow="little")
    books.book([Usage(input=1_000, output=100)] * 9, workflow="much")
    report = savings(books.entries, by="workflow", since=None, until=0.0)
    found = savings_table(report).to_pylist()
    assert [row["workflow"] for row in found] == ["much", "little"]
    assert [row["saved_usd"] for row in found] == [
        Decimal(group.saved_nano).scaleb(-9) for group in report.groups
    ]


def test_an_empty_home_gives_empty_tables_with_all_columns(tmp_path):
    with Books(tmp_path / "home") as books:
        assert books.ledger().num_rows == 0
        assert books.ledger().column_names == list(LEDGER_COLUMNS)
        assert books.savings(by="day").num_rows == 0


def test_without_pyarrow_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with Books(tmp_path / "home") as books, pytest.raises(BadSettings, match=r"lanewise\[arrow\]"):
        books.ledger()
