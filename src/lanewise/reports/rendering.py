"""From blocks to HTML. Every text is escaped by the template engine; no text is ever markup."""

from __future__ import annotations

from functools import cache
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from lanewise.reports.blocks import Bars, Block, Columns, Heat, Page, Waterfall
from lanewise.reports.drawing import (
    Drawing,
    draw_bars,
    draw_columns,
    draw_heat,
    draw_waterfall,
)


def render(page: Page) -> str:
    """The page as one HTML document.

    >>> "&lt;script&gt;" in render(Page("<script>", "", ()))
    True
    """
    return _template("page.html").render(page=page)


@cache
def _template(name: str) -> Template:
    folder = resources.files(__package__) / "templates"
    environment = Environment(
        loader=FunctionLoader(lambda path: (folder / path).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = lambda block: type(block).__name__.lower()
    environment.filters["drawn"] = _drawn
    return environment.get_template(name)


def _drawn(block: Block) -> Drawing | None:
    """A chart as a drawing; None of what is no chart."""
    match block:
        case Bars():
            return draw_bars(block)
        case Waterfall():
            return draw_waterfall(block)
        case Columns():
            return draw_columns(block)
        case Heat():
            return draw_heat(block)
        case _:
            return None
