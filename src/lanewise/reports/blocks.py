"""What a page is made of. Values are texts as they are shown, and integers for the lengths of charts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


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
    """Rows of texts; the first column is to the left, the others to the right unless named in `left`."""

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
class Column:
    """One place on the axis with the heights of its parts, from the bottom up; none below zero."""

    label: str
    values: tuple[int, ...]
    text: str  # what a pointer over it shows


@dataclass(frozen=True, slots=True)
class Columns:
    """Stacked columns along an axis, such as days."""

    title: str
    series: tuple[str, ...]
    columns: tuple[Column, ...]
    top: str  # what the highest column amounts to, written at the axis


@dataclass(frozen=True, slots=True)
class Note:
    """A paragraph."""

    text: str


Block: TypeAlias = Figures | Table | Bars | Columns | Note


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page."""

    title: str
    subtitle: str
    blocks: tuple[Block, ...]
    footer: str = ""
