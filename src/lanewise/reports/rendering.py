"""From blocks to HTML. Every text is escaped by the template engine; no text is ever markup."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from lanewise.reports.blocks import Bars, Columns, Page

_WIDTH = 720  # of every drawing; the page scales it
_LABELS = 190  # left of the bars
_TEXTS = 190  # right of the bars
_BAR, _GAP = 16, 12
_HEIGHT = 180  # of columns


def render(page: Page) -> str:
    """The page as one HTML document.

    >>> "&lt;script&gt;" in render(Page("<script>", "", ()))
    True
    """
    return _template("page.html").render(page=page, draw_bars=draw_bars, draw_columns=draw_columns)


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
    return environment.get_template(name)


@dataclass(frozen=True, slots=True)
class Shape:
    """A rectangle of a series, in the drawing's own units."""

    x: int
    y: int
    width: int
    height: int
    series: int


@dataclass(frozen=True, slots=True)
class Label:
    """A text in a drawing."""

    x: int
    y: int
    text: str
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Drawing:
    """What the template turns into SVG."""

    width: int
    height: int
    shapes: tuple[tuple[Shape, str], ...]  # with what a pointer over it shows
    labels: tuple[Label, ...]
    zero: int | None = None  # where the line through zero stands, for bars


def draw_bars(bars: Bars) -> Drawing:
    """One group of bars for each label, from a common line through zero."""
    values = [value for bar in bars.bars for value in bar.values]
    low, high = min([0, *values]), max([0, *values])
    room = _WIDTH - _LABELS - _TEXTS
    spread = max(1, high - low)
    zero = _LABELS + room * -low // spread
    shapes: list[tuple[Shape, str]] = []
    labels: list[Label] = []
    y = 0
    for bar in bars.bars:
        tall = _BAR * len(bar.values)
        middle = y + tall // 2 + 4
        labels.append(Label(_LABELS - 8, middle, _short(bar.label), "end"))
        for series, value in enumerate(bar.values):
            length = max(1, room * abs(value) // spread) if value else 0
            x = zero if value >= 0 else zero - length
            shapes.append(
                (Shape(x, y + series * _BAR, length, _BAR - 2, series), f"{bar.label}: {bar.text}")
            )
        end = zero + room * max([0, *bar.values]) // spread
        labels.append(Label(end + 8, middle, bar.text))
        y += tall + _GAP
    return Drawing(_WIDTH, max(y, 1), tuple(shapes), tuple(labels), zero)


def draw_columns(columns: Columns) -> Drawing:
    """Stacked columns; labels are thinned out where they would overlap."""
    highest = max([1, *(sum(column.values) for column in columns.columns)])
    count = max(1, len(columns.columns))
    step = min(60, (_WIDTH - 70) // count) or 1
    every = max(1, -(-64 // step))
    shapes: list[tuple[Shape, str]] = []
    labels = [Label(62, 12, columns.top, "end"), Label(62, _HEIGHT, "0", "end")]
    for place, column in enumerate(columns.columns):
        x, y = 70 + place * step, _HEIGHT
        for series, value in enumerate(column.values):
            tall = (_HEIGHT - 4) * value // highest
            y -= tall
            shapes.append((Shape(x, y, max(1, step - 2), tall, series), column.text))
        if place % every == 0:
            labels.append(Label(x, _HEIGHT + 16, column.label))
    return Drawing(_WIDTH, _HEIGHT + 24, tuple(shapes), tuple(labels))


def _short(text: str) -> str:
    return text if len(text) <= 26 else text[:25] + "…"
