"""Pages: one file, nothing fetched, nothing executed, every text escaped."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.app.budgets import BudgetStanding
from lanewise.app.savings import savings
from lanewise.app.savings_page import savings_page
from lanewise.domain.usage import Usage
from lanewise.reports import Bar, Bars, Column, Columns, Note, Page, Table, render
from lanewise.reports.drawing import draw_bars, draw_columns

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture
def page(books) -> str:
    books.book([Usage(input=1_000, output=100)] * 5, workflow=EVIL)
    books.book([Usage(input=1_000, output=100)] * 5, at=1_795_262_400.0, tags={"a": EVIL})
    report = savings(books.entries, by="workflow", since=None, until=0.0)
    days = savings(books.entries, by="day", since=None, until=0.0)
    return render(savings_page(report, days, [BudgetStanding(EVIL, 10, 9, 0, 80)]))


def test_the_page_fetches_nothing_and_runs_nothing(page):
    assert "<script" not in page
    assert not re.search(r"<[^>]*\s(src|href|on\w+)\s*=", page)
    assert not re.search(r"@import|url\((?!#)", page)
    assert "default-src 'none'" in page


def test_no_text_becomes_markup(page):
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_every_chart_is_well_formed_and_names_itself(page):
    drawings = re.findall(r"<svg [^>]*class=\"chart.*?</svg>", page, re.DOTALL)
    assert len(drawings) == 2
    for drawing in drawings:
        root = ET.fromstring(drawing)
        assert root.attrib["role"] == "img"
        assert root.attrib["aria-label"]


def test_what_a_chart_shows_stands_in_a_table_too(page):
    for amount in re.findall(r"saved (\$[\d.]+)", page):
        assert page.count(amount) >= 2


@given(
    st.lists(
        st.tuples(
            st.text(max_size=40), st.lists(st.integers(-(10**18), 10**18), min_size=2, max_size=2)
        ),
        max_size=8,
    )
)
def test_bars_stay_inside_their_drawing(items):
    bars = tuple(Bar(label, tuple(values), "text") for label, values in items)
    drawing = draw_bars(Bars("t", ("one", "two"), bars))
    for shape, _ in drawing.shapes:
        assert shape.x >= 0
        assert shape.x + shape.width <= drawing.width
        assert shape.y + shape.height <= drawing.height
        assert shape.width >= 0


@given(st.lists(st.lists(st.integers(0, 10**18), min_size=2, max_size=2), max_size=400))
def test_columns_stay_inside_their_drawing(items):
    columns = tuple(Column("d", tuple(values), "text") for values in items)
    drawing = draw_columns(Columns("t", ("one", "two"), columns, ()))
    for shape, _ in drawing.shapes:
        assert 0 <= shape.y <= shape.y + shape.height <= drawing.height
        assert shape.x + shape.width <= drawing.width


def test_bars_are_as_long_as_their_values_say():
    bars = (Bar("a", (100, 200), ""), Bar("b", (0, 50), ""))
    widths = [shape.width for shape, _ in draw_bars(Bars("t", ("x", "y"), bars)).shapes]
    assert widths[1] == pytest.approx(2 * widths[0], abs=1)
    assert widths[3] == pytest.approx(widths[0] / 2, abs=1)
    assert widths[2] == 0


def test_a_page_of_other_blocks_renders():
    text = render(
        Page("T", "S", (Note("a note"), Table("t", ("x", "y"), (("1", "2"),), ("s", "3"))))
    )
    assert "a note" in text
    assert "<tfoot>" in text
