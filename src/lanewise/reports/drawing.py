"""From charts to rectangles, lines and labels in whole units, which the template writes as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from lanewise.reports.blocks import Bars, Column, Columns, Heat, Waterfall

_WIDTH: Final = 900  # of a drawing, in its own units; the page scales it
_HALF: Final = 440  # of a small one
_LABELS: Final = 210  # left of the bars
_TEXTS: Final = 230  # right of the bars
_BAR: Final = 16
_GAP: Final = 12
_HEIGHT: Final = 220  # of columns
_LOW: Final = 110  # of small ones
_ABOVE: Final = 10
_BELOW: Final = 26  # for their labels
_AXIS: Final = 70  # left of columns
_WIDEST: Final = 118  # of a column
_LETTER: Final = 8  # at the most, on average
_CELL: Final = 24  # the height of a cell
_DAYS: Final = 44  # left of cells
_HEAD: Final = 20  # above them
_SHADES: Final = 9


@dataclass(frozen=True, slots=True)
class Shape:
    """A rectangle of a class of the style sheet, in the drawing's own units."""

    x: int
    y: int
    width: int
    height: int
    kind: str


Told: TypeAlias = tuple[Shape, str]  # with what a pointer over it shows


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
    shapes: tuple[Told, ...]
    labels: tuple[Label, ...]
    lines: tuple[Line, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()  # class and name
    colours: str = ""


def draw_bars(bars: Bars) -> Drawing:
    """One group of bars for each label, from a common line through zero."""
    values = [value for bar in bars.bars for value in bar.values]
    low, high = min([0, *values]), max([0, *values])
    room, spread = _WIDTH - _LABELS - _TEXTS, max(1, high - low)
    zero = _LABELS + room * -low // spread
    shapes: list[Told] = []
    labels: list[Label] = []
    y = 0
    for bar in bars.bars:
        labels.append(_beside(bar.label, y, len(bar.values)))
        for series, value in enumerate(bar.values):
            length = max(1, room * abs(value) // spread) if value else 0
            x = zero if value >= 0 else zero - length
            shape = Shape(x, y + series * _BAR, length, _BAR - 2, f"s{series}")
            shapes.append((shape, f"{bar.label}: {bar.text}"))
        end = zero + room * max([0, *bar.values]) // spread
        labels.append(Label(end + 8, labels[-1].y, bar.text))
        y += _BAR * len(bar.values) + _GAP
    height = max(y - _GAP, 1)
    axis = Line(zero, 0, zero, height)
    return Drawing(_WIDTH, height, tuple(shapes), tuple(labels), (axis,), _legend(bars.series))


def draw_waterfall(fall: Waterfall) -> Drawing:
    """A group of bars for each step, each where the one before it ended."""
    highest = max([1, *(end for step in fall.steps for span in step.spans for end in span)])
    shapes: list[Told] = []
    labels: list[Label] = []
    lines: list[Line] = []
    y = 0
    for place, step in enumerate(fall.steps):
        labels.append(_beside(step.label, y, len(step.spans)))
        labels.append(Label(_WIDTH - _TEXTS + 12, labels[-1].y, step.text))
        for series, span in enumerate(step.spans):
            shape = _spanned(span, highest, y, series, whole=step.whole)
            shapes.append((shape, f"{step.label}, {fall.series[series]}: {step.text}"))
            if place + 1 < len(fall.steps):
                x, next_ = _across(span[1], highest), y + _BAR * len(step.spans) + _GAP
                lines.append(Line(x, shape.y + shape.height, x, next_))
        y += _BAR * len(step.spans) + _GAP
    height = max(y - _GAP, 1)
    axes = (Line(_LABELS, 0, _LABELS, height), *lines)
    legend = _legend(fall.series)
    return Drawing(_WIDTH, height, tuple(shapes), tuple(labels), axes, legend, "fall")


def _beside(text: str, y: int, bars: int) -> Label:
    """What stands to the left of a group of bars, in its middle."""
    return Label(_LABELS - 8, y + _BAR * bars // 2 + 4, _short(text), "end")


def _spanned(span: tuple[int, int], highest: int, y: int, series: int, *, whole: bool) -> Shape:
    left, right = (_across(end, highest) for end in sorted(span))
    kind = f"s{series} whole" if whole else f"s{series}"
    return Shape(left, y + series * _BAR, max(1, right - left), _BAR - 2, kind)


def _across(value: int, highest: int) -> int:
    return _LABELS + (_WIDTH - _LABELS - _TEXTS) * value // highest


def draw_columns(columns: Columns) -> Drawing:
    """Stacked columns; labels are thinned out where they would overlap."""
    axes = _Axes.of(columns)
    shapes = tuple(
        told for place, column in enumerate(columns.columns) for told in axes.stacked(place, column)
    )
    labels = (
        *(Label(_AXIS - 8, axes.y(tick.value) + 4, tick.text, "end") for tick in columns.ticks),
        *axes.labels(columns.columns),
    )
    lines = tuple(axes.line(tick.value) for tick in columns.ticks)
    legend = _legend(columns.series, tuple(column.values for column in columns.columns))
    height = axes.height + _BELOW
    return Drawing(axes.width, height, shapes, labels, lines, legend, columns.colours)


@dataclass(frozen=True, slots=True)
class _Axes:
    """Where columns stand, and how tall they are."""

    width: int
    height: int
    step: int  # from one column to the next
    count: int
    highest: int
    room: int  # that the longest label takes

    @classmethod
    def of(cls, columns: Columns) -> _Axes:
        width, height = (_HALF, _LOW) if columns.small else (_WIDTH, _HEIGHT)
        sums = (sum(column.values) for column in columns.columns)
        highest = max([1, *(tick.value for tick in columns.ticks), *sums])
        count = max(1, len(columns.columns))
        step = max(1, min(_WIDEST, (width - _AXIS) // count))
        room = _LETTER * max([1, *(len(column.label) for column in columns.columns)])
        return cls(width, height, step, count, highest, room)

    def y(self, value: int) -> int:
        return self.height - self.tall(value)

    def tall(self, value: int) -> int:
        return (self.height - _ABOVE) * value // self.highest

    def line(self, value: int) -> Line:
        return Line(_AXIS, self.y(value), _AXIS + self.step * self.count, self.y(value))

    def stacked(self, place: int, column: Column) -> Iterator[Told]:
        y, wide = self.height, max(1, self.step - (2 if self.step > 4 else 1))
        for series, value in enumerate(column.values):
            tall = self.tall(value)
            y -= tall
            if tall:
                shape = Shape(_AXIS + place * self.step, y, wide, tall, f"s{series}")
                yield shape, column.text

    def labels(self, columns: Sequence[Column]) -> Iterator[Label]:
        """Below the middle of wide columns; else as many as fit, from where their column begins."""
        wide = self.step >= self.room
        every = 1 if wide else -(-(self.room + 8) // self.step)
        for place in range(0, len(columns), every):
            x = _AXIS + place * self.step
            if wide:
                middle = x + self.step // 2
                yield Label(middle, self.height + 18, columns[place].label, "middle")
            elif x + self.room <= self.width:
                yield Label(x, self.height + 18, columns[place].label)


def draw_heat(heat: Heat) -> Drawing:
    """Cells with their figures in them; where nothing is known, a cell is empty."""
    highest = max([1, *(cell.value or 0 for _, cells in heat.rows for cell in cells)])
    wide = (_WIDTH - _DAYS) // max(1, len(heat.columns))
    shapes: list[Told] = []
    labels = [
        Label(_DAYS + place * wide + wide // 2, 12, name, "middle")
        for place, name in enumerate(heat.columns)
    ]
    for row, (name, cells) in enumerate(heat.rows):
        y = _HEAD + row * _CELL
        labels.append(Label(_DAYS - 8, y + 16, name, "end"))
        for place, cell in enumerate(cells):
            x, kind = _DAYS + place * wide, shade(cell.value, highest)
            told = f"{name} {heat.columns[place]}: {cell.text or 'not in the log'}"
            shapes.append((Shape(x, y, wide - 1, _CELL - 1, kind), told))
            if cell.value:
                labels.append(Label(x + wide // 2, y + 16, cell.text, "middle", f"in {kind}"))
    return Drawing(_WIDTH, _HEAD + _CELL * len(heat.rows), tuple(shapes), tuple(labels))


def shade(value: int | None, highest: int) -> str:
    """The class of a cell: by the square root, so that the small differ too.

    >>> shade(None, 9), shade(0, 9), shade(1, 10_000), shade(9, 9)
    ('unseen', 'h0', 'h1', 'h9')
    """
    if value is None:
        return "unseen"
    return f"h{min(_SHADES, math.ceil(_SHADES * math.sqrt(value / highest)))}"


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
