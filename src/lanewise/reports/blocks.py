"""What a page is made of. Values are texts as they are shown, and integers for the lengths of charts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that matters, with its name and a remark."""

    label: str
    value: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers that a reader looks for first."""

    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts; the first column is to the left, the others to the right unless named in `left`.

    In a text, what follows the first line is shown small below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """One label with a value for each series, any unit, and what is written beside it."""

    label: str
    values: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars, one for each series under each label; negative values go to the left."""

    title: str
    series: tuple[str, ...]
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """From where to where it goes in each series, and what is written beside it."""

    label: str
    spans: tuple[tuple[int, int], ...]
    text: str
    whole: bool = False  # a sum rather than a change


@dataclass(frozen=True, slots=True)
class Waterfall:
    """How a sum becomes another one, a change after the other; nothing below zero."""

    title: str
    series: tuple[str, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One place on the axis with the heights of its parts, from the bottom up; none below zero."""

    label: str
    values: tuple[int, ...]
    text: str  # what a pointer over it shows


class Tick(NamedTuple):
    """A height that is written at the axis."""

    value: int
    text: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Stacked columns along an axis, such as days.

    Series that are zero throughout keep their colour to themselves and are not in the legend. `colours` names
    a set of colours that the style sheet has; `small` is half as wide.
    """

    title: str
    series: tuple[str, ...]
    columns: tuple[Column, ...]
    ticks: tuple[Tick, ...]
    colours: str = ""
    small: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """How much, for its shade; None where nothing is known. `text` is written in it."""

    value: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Heat:
    """Rows of cells, the darker the more."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Points:
    """A list of sentences."""

    title: str
    points: tuple[str, ...]
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Blocks side by side, where there is room."""

    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under a heading."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks that a reader opens and closes. In print it is open, unless `prints` is false."""

    title: str
    remark: str
    blocks: tuple[Block, ...]
    open: bool = False
    prints: bool = True


Block: TypeAlias = (
    Figures | Table | Bars | Waterfall | Columns | Heat | Note | Points | Row | Section | Fold
)


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page."""

    title: str
    subtitle: str
    blocks: tuple[Block, ...]
    footer: str = ""
