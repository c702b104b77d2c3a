"""From charts to rectangles, lines and labels in whole units, which the template writes as SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lanewise.reports.blocks import Bars, Columns, Heat, Waterfall

_WIDTH, _HALF = 900, 440  # of every drawing; the page scales it
_LABELS = 210  # left of the bars
_TEXTS = 230  # right of the bars
_BAR, _GAP = 16, 12
_HEIGHT, _LOW = 220, 110  # of columns
_AXIS = 70  # left of columns
_WIDEST = 118  # of a column
_LETTER = 8  # at the most, on average
_CELL, _DAYS = 24, 44  # the height of a cell, and what is left of the first
SHADES = 9


@dataclass(frozen=True, slots=True)
class Shape:
    """A rectangle of a class of the style sheet, in the drawing's own units."""

    x: int
    y: int
    width: int
    height: int
    kind: str


@dataclass(frozen=True, slots=True)
class Label:
    """A text in a drawing."""

    x: int
    y: int
    text: str
    anchor: str = "start"
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that helps to read."""

    x1: int
    y1: int
    x2: int
    y2: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """What the template turns into SVG."""

    width: int
    height: int
    shapes: tuple[tuple[Shape, str], ...]  # with what a pointer over it shows
    labels: tuple[Label, ...]
    lines: tuple[Line, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()  # class and name
    colours: str = ""


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
            shape = Shape(x, y + series * _BAR, length, _BAR - 2, f"s{series}")
            shapes.append((shape, f"{bar.label}: {bar.text}"))
        end = zero + room * max([0, *bar.values]) // spread
        labels.append(Label(end + 8, middle, bar.text))
        y += tall + _GAP
    height = max(y, 1)
    axis = Line(zero, 0, zero, height)
    return Drawing(_WIDTH, height, tuple(shapes), tuple(labels), (axis,), _legend(bars.series))


def draw_waterfall(fall: Waterfall) -> Drawing:
    """A group of bars for each step, each where the one before it ended."""
    ends = [end for step in fall.steps for span in step.spans for end in span]
    room, highest = _WIDTH - _LABELS - _TEXTS, max([1, *ends])
    shapes: list[tuple[Shape, str]] = []
    labels: list[Label] = []
    lines = [Line(_LABELS, 0, _LABELS, _falls(fall))]
    y = 0
    for place, step in enumerate(fall.steps):
        tall = _BAR * len(step.spans)
        middle = y + tall // 2 + 4
        labels.append(Label(_LABELS - 8, middle, _short(step.label), "end"))
        labels.append(Label(_WIDTH - _TEXTS + 12, middle, step.text))
        for series, span in enumerate(step.spans):
            left, right = (_LABELS + room * end // highest for end in sorted(span))
            top = y + series * _BAR
            kind = f"s{series} whole" if step.whole else f"s{series}"
            shape = Shape(left, top, max(1, right - left), _BAR - 2, kind)
            shapes.append((shape, f"{step.label}, {fall.series[series]}: {step.text}"))
            if place + 1 < len(fall.steps):
                x = _LABELS + room * span[1] // highest
                lines.append(Line(x, top + _BAR - 2, x, top + tall + _GAP))
        y += tall + _GAP
    height = max(y - _GAP, 1)
    legend = _legend(fall.series)
    return Drawing(_WIDTH, height, tuple(shapes), tuple(labels), tuple(lines), legend, "fall")


def _falls(fall: Waterfall) -> int:
    return sum(_BAR * len(step.spans) + _GAP for step in fall.steps) - _GAP


def draw_columns(columns: Columns) -> Drawing:
    """Stacked columns; labels are thinned out where they would overlap."""
    width, height = (_HALF, _LOW) if columns.small else (_WIDTH, _HEIGHT)
    sums = (sum(column.values) for column in columns.columns)
    highest = max([1, *(tick.value for tick in columns.ticks), *sums])
    count = max(1, len(columns.columns))
    step = max(1, min(_WIDEST, (width - _AXIS) // count))
    longest = max([1, *(len(column.label) for column in columns.columns)])
    every = max(1, -(-(longest * _LETTER + 8) // step))
    shapes: list[tuple[Shape, str]] = []
    labels: list[Label] = []
    lines: list[Line] = []
    room = height - 10
    for tick in columns.ticks:
        y = height - room * tick.value // highest
        labels.append(Label(_AXIS - 8, y + 4, tick.text, "end"))
        lines.append(Line(_AXIS, y, _AXIS + step * count, y))
    for place, column in enumerate(columns.columns):
        x, y = _AXIS + place * step, height
        for series, value in enumerate(column.values):
            tall = room * value // highest
            y -= tall
            if tall:
                shape = Shape(x, y, max(1, step - (2 if step > 4 else 1)), tall, f"s{series}")
                shapes.append((shape, column.text))
        if place % every == 0:
            wide = step >= longest * _LETTER
            at = x + step // 2 if wide else x
            labels.append(Label(at, height + 18, column.label, "middle" if wide else "start"))
    return Drawing(
        width,
        height + 26,
        tuple(shapes),
        tuple(labels),
        tuple(lines),
        _legend(columns.series, tuple(column.values for column in columns.columns)),
        columns.colours,
    )


def draw_heat(heat: Heat) -> Drawing:
    """Cells with their figures in them; where nothing is known, a cell is empty."""
    highest = max([1, *(cell.value or 0 for _, cells in heat.rows for cell in cells)])
    wide = (_WIDTH - _DAYS) // max(1, len(heat.columns))
    shapes: list[tuple[Shape, str]] = []
    labels = [
        Label(_DAYS + place * wide + wide // 2, 12, name, "middle")
        for place, name in enumerate(heat.columns)
    ]
    for row, (name, cells) in enumerate(heat.rows):
        y = 20 + row * _CELL
        labels.append(Label(_DAYS - 8, y + 16, name, "end"))
        for place, cell in enumerate(cells):
            x = _DAYS + place * wide
            kind = shade(cell.value, highest)
            shape = Shape(x, y, wide - 1, _CELL - 1, kind)
            shapes.append((shape, f"{name} {heat.columns[place]}: {cell.text or 'not in the log'}"))
            if cell.value:
                labels.append(Label(x + wide // 2, y + 16, cell.text, "middle", f"in {kind}"))
    return Drawing(_WIDTH, 20 + _CELL * len(heat.rows), tuple(shapes), tuple(labels))


def shade(value: int | None, highest: int) -> str:
    """The class of a cell: by the square root, so that the small differ too.

    >>> shade(None, 9), shade(0, 9), shade(1, 10_000), shade(9, 9)
    ('unseen', 'h0', 'h1', 'h9')
    """
    if value is None:
        return "unseen"
    return f"h{min(SHADES, math.ceil(SHADES * math.sqrt(value / highest)))}"


def _legend(
    series: tuple[str, ...], columns: tuple[tuple[int, ...], ...] | None = None
) -> tuple[tuple[str, str], ...]:
    """The series that show."""
    return tuple(
        (f"s{place}", name)
        for place, name in enumerate(series)
        if columns is None or any(values[place] for values in columns)
    )


def _short(text: str) -> str:
    return text if len(text) <= 28 else text[:27] + "…"
