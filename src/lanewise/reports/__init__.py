"""Pages that people open: one self-contained HTML file, charts as inline SVG, no scripts, nothing fetched.

    html = render(Page("Savings", "November 2026", (Figures((Figure("saved", "$12"),)),)))

Whatever is shown in a chart also stands in a table, so that nothing depends on seeing colours.
"""

from lanewise.reports.blocks import (
    Bar,
    Bars,
    Block,
    Column,
    Columns,
    Figure,
    Figures,
    Note,
    Page,
    Table,
)
from lanewise.reports.rendering import render

__all__ = [
    "Bar",
    "Bars",
    "Block",
    "Column",
    "Columns",
    "Figure",
    "Figures",
    "Note",
    "Page",
    "Table",
    "render",
]
