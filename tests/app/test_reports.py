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
from lanewise.reports import (
    Bar,
    Bars,
    Cell,
    Column,
    Columns,
    Fold,
    Heat,
    Note,
    Page,
    Points,
    Row,
    Section,
    Step,
    Table,
    Waterfall,
    render,
    ticks,
)
from lanewise.reports.drawing import (
    Drawing,
    draw_bars,
    draw_columns,
    draw_heat,
    draw_waterfall,
)

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


AMOUNT = st.integers(0, 10**18)


def assert_inside(drawing: Drawing) -> None:
    for shape, _ in drawing.shapes:
        assert 0 <= shape.x <= shape.x + shape.width <= drawing.width
        assert 0 <= shape.y <= shape.y + shape.height <= drawing.height


@given(st.lists(st.lists(st.tuples(AMOUNT, AMOUNT), min_size=2, max_size=2), max_size=8))
def test_a_waterfall_stays_inside_its_drawing(steps):
    made = tuple(Step("a step", tuple(spans), "text") for spans in steps)
    assert_inside(draw_waterfall(Waterfall("t", ("least", "most"), made)))


def test_the_bars_of_a_waterfall_begin_where_the_one_before_ended():
    steps = (
        Step("before", ((0, 900),), "", whole=True),
        Step("saves", ((900, 600),), ""),
        Step("costs", ((600, 700),), ""),
        Step("after", ((0, 700),), "", whole=True),
    )
    before, saves, costs, after = (
        shape for shape, _ in draw_waterfall(Waterfall("t", ("x",), steps)).shapes
    )
    assert before.x + before.width == saves.x + saves.width
    assert saves.x == costs.x
    assert costs.x + costs.width == pytest.approx(after.x + after.width, abs=1)


@given(st.lists(st.one_of(st.none(), AMOUNT), min_size=6, max_size=6))
def test_a_cell_is_the_darker_the_more_and_empty_where_nothing_is_known(values):
    cells = tuple(Cell(value, "n") for value in values)
    heat = Heat("t", ("a", "b", "c"), (("one", cells[:3]), ("two", cells[3:])))
    drawing = draw_heat(heat)
    assert_inside(drawing)
    shades = [shape.kind for shape, _ in drawing.shapes]
    assert [kind == "unseen" for kind in shades] == [value is None for value in values]
    known = [
        (value, int(kind[1:]))
        for value, kind in zip(values, shades, strict=True)
        if value is not None
    ]
    assert [shade for _, shade in sorted(known)] == sorted(shade for _, shade in known)
    assert all((shade == 0) == (value == 0) for value, shade in known)


@given(AMOUNT)
def test_ticks_begin_at_zero_and_reach_the_highest_value_in_few_steps(highest):
    values = [tick.value for tick in ticks(highest, str)]
    assert values[0] == 0
    assert values[-1] >= highest
    assert 2 <= len(values) <= 5


def test_a_series_that_is_nowhere_keeps_its_colour_and_is_not_in_the_legend():
    columns = (Column("d", (0, 3, 0, 4), ""),)
    drawing = draw_columns(Columns("t", ("a", "b", "c", "d"), columns, ()))
    assert drawing.legend == (("s1", "b"), ("s3", "d"))
    assert [shape.kind for shape, _ in drawing.shapes] == ["s1", "s3"]


def test_blocks_lie_in_each_other_with_headings_one_level_down():
    folded = Fold("closely", "a remark", (Points("why", (EVIL, "two")), Note("a note")))
    page = render(Page("T", "S", (Section("part", (Row((folded,)),)),)))
    assert re.search("<h2>part</h2>.*<summary><h3>closely</h3>.*<h4>why</h4>", page, re.DOTALL)
    assert page.count("<li>") == 2
    assert "<img" not in page


def test_what_follows_the_first_line_of_a_cell_is_small():
    page = render(Page("T", "S", (Table("t", ("x",), (("one\ntwo",),)),)))
    assert "one<small>two</small>" in page
