"""Pages that people open: one self-contained HTML file, charts as inline SVG, no scripts, nothing fetched.

    html = render(Page("Savings", "November 2026", (Figures((Figure("saved", "$12"),)),)))

Whatever is shown in a chart also stands in a table, so that nothing depends on seeing colours.
"""

from lanewise.reports.blocks import (
    Bar,
    Bars,
    Block,
    Cell,
    Column,
    Columns,
    Figure,
    Figures,
    Fold,
    Heat,
    Note,
    Page,
    Points,
    Row,
    Section,
    Step,
    Table,
    Tick,
    Waterfall,
)
from lanewise.reports.rendering import render
from lanewise.reports.ticks import ticks

__all__ = [
    "Bar",
    "Bars",
    "Block",
    "Cell",
    "Column",
    "Columns",
    "Figure",
    "Figures",
    "Fold",
    "Heat",
    "Note",
    "Page",
    "Points",
    "Row",
    "Section",
    "Step",
    "Table",
    "Tick",
    "Waterfall",
    "render",
    "ticks",
]
