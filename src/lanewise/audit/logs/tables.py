"""How a CSV file is written: its delimiter, its escapes and its columns, told by its beginning.

DuckDB can guess too, but refuses a file where one row spoils the guess.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from io import StringIO
from typing import Final

_DELIMITERS: Final = ",;\t|"
_EXCEL: Final = re.compile(r"^sep=(.)\r?\n")  # how Excel is told, in a line before the head

_BACKSLASH: Final = re.compile(
    r'\\"[^",;\t|\r\n]'
)  # within a field; where quotes are doubled, one follows


@dataclass(frozen=True, slots=True)
class Table:
    """The form of a CSV file."""

    delimiter: str
    escape: str
    skipped: int  # lines before the head
    columns: tuple[str, ...]  # each name once, none empty


def table(start: str) -> Table:
    r"""The form of a CSV file that begins so.

    >>> table('sep=;\nmodel;"in;out"\n').columns
    ('model', 'in;out')
    """
    told = _EXCEL.match(start)
    text = start[told.end() :] if told else start
    lead = len(text) - len(text.lstrip("\r\n"))
    head = text[lead:]
    delimiter = told[1] if told else max(_DELIMITERS, key=_first_line(head).count)
    names = next(csv.reader(StringIO(head, newline=""), delimiter=delimiter), [])
    escape = "\\" if _BACKSLASH.search(text) else '"'
    skipped = text[:lead].count("\n") + (1 if told else 0)
    return Table(delimiter, escape, skipped, tuple(_distinct(names)))


def _first_line(text: str) -> str:
    return re.sub(r'"[^"]*"', "", text.partition("\n")[0])


def _distinct(names: list[str]) -> list[str]:
    """Names as DuckDB takes them, which sees no case."""
    found: dict[str, None] = {}
    for place, name in enumerate(names):
        plain = (
            name.strip().removesuffix(" [UTC]") or f"column {place + 1}"
        )  # as Azure's portal writes it
        found[plain if plain.lower() not in map(str.lower, found) else f"{plain} {place + 1}"] = (
            None
        )
    return list(found)
