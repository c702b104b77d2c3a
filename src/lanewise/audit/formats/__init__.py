"""The formats of logs that are known, each a `.sql` file that says how it is recognised and read.

The head of a file is `-- key: value` lines: `title`, `about`, `finds` (fields that a record of it has, one
alternative a line; `a.b` is `b` inside `a`, in lists too; `a=x` asks for a value), `within` (names under
which records lie in pages), `outer` (what of a page its records need), `whole` (the one column is the whole
record) and `note`. Under `-- columns` stand the fields that are read, with their types; under `-- rows` the
statement that makes normal rows out of `records`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Any, Final

_HEAD: Final = re.compile(r"^-- (\w+): (.+)$")
_LONGEST: Final = 60  # characters of a name of a field
_LISTED: Final = 1_000  # characters of all names that are shown
_INCLUDE: Final = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Column:
    """A field that is read, and the type that DuckDB gives it."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Format:
    """A format of logs."""

    name: str
    title: str
    about: str
    finds: tuple[tuple[str, ...], ...]
    columns: tuple[Column, ...]
    rows: str
    within: tuple[str, ...] = ()
    whole: bool = False  # its one column is the whole record, as JSON
    outer: tuple[Column, ...] = ()
    notes: tuple[str, ...] = ()

    def misses(self, records: list[dict[str, Any]], path: str) -> bool:
        """Whether none of the records has a field."""
        return not any(_has(one, path) for one in records)

    def fits(self, record: dict[str, Any]) -> int:
        """How well a record is one of this format: fields of the best alternative, 0 for not at all."""
        return max(
            (len(one) for one in self.finds if all(_has(record, path) for path in one)), default=0
        )


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a file is: its format, and the field under which its records lie, if they do."""

    format: Format
    within: str | None
    lacks: str = ""  # fields that were asked for and are not there, in words


def recognise(
    records: list[dict[str, Any]], formats: tuple[Format, ...] | None = None
) -> Recognised | None:
    """The format that most of the records are of; None where none of them is of any."""
    votes: dict[tuple[str, str | None], tuple[int, int]] = {}
    known = {format_.name: format_ for format_ in (formats or all_formats())}
    for record in records:
        for vote, fit in _fits(record, tuple(known.values())):
            count, best = votes.get(vote, (0, 0))
            votes[vote] = (count + 1, max(best, fit))
    if not votes:
        return None
    name, within = max(votes, key=lambda vote: votes[vote])
    return Recognised(known[name], within)


def unfound(records: list[dict[str, Any]], format_: Format) -> str:
    """Which fields of a mapping are in no record, and what is there instead; or nothing."""
    there = list(dict.fromkeys(name for record in records for name in record))
    missing = [path for path in format_.finds[0] if format_.misses(records, path)]
    told = []
    for path in missing:
        meant = near(records, path)
        told.append(f"no field {path}" + (f" (did you mean {meant}?)" if meant else ""))
    return f"{', '.join(told)}; its fields are {_named(there)}" if told else ""


def near(records: list[dict[str, Any]], path: str) -> str | None:
    """The field of the records whose name is nearest to one that is not there, if any is near."""
    return next(iter(get_close_matches(path, _paths(records), 1)), None)


def _paths(records: list[dict[str, Any]]) -> list[str]:
    """The names of fields and of those within them."""
    return list(
        dict.fromkeys(
            path
            for record in records
            for name, held in record.items()
            for value in [held if isinstance(held, dict) else {}]
            for path in (name, *(f"{name}.{inner}" for inner in value))
        )
    )


def _named(names: list[str]) -> str:
    """Names of fields; what is too long for one may be what somebody wrote."""
    return ", ".join(name for name in names if len(name) <= _LONGEST)[:_LISTED] or "none"


def nearest(records: list[dict[str, Any]]) -> str:
    """What records of no known format have, and which format is nearest to that."""
    names = list(dict.fromkeys(name for record in records for name in record))
    best: tuple[float, int, Format, list[str]] | None = None
    for one in all_formats():
        for paths in one.finds:
            missing = [path for path in paths if not any(_has(record, path) for record in records)]
            share = 1 - len(missing) / len(paths)
            if share and (best is None or (share, len(paths)) > best[:2]):
                best = (share, len(paths), one, missing)
    near = (
        ""
        if best is None
        else f"; nearest is {best[2].name}, but {', '.join(best[3])} is not there"
    )
    return f"its fields are {_named(names[:12])}{near}"


def recased(record: dict[str, Any], format_: Format | None = None) -> dict[str, Any]:
    """A row of a table with its columns as formats write them: databases do not keep the case of a name."""
    names = {one.name.lower(): one.name for one in format_.columns} if format_ else _columns()
    return {names.get(name.lower(), name): value for name, value in record.items()}


@cache
def _columns() -> dict[str, str]:
    """Columns in small letters -> as they are written, where that is no question."""
    names: dict[str, set[str]] = {}
    for one in all_formats():
        paths = (path.partition("=")[0].partition(".")[0] for find in one.finds for path in find)
        for name in (*(column.name for column in one.columns), *paths):
            names.setdefault(name.lower(), set()).add(name)
    return {low: next(iter(those)) for low, those in names.items() if len(those) == 1}


def _fits(
    record: dict[str, Any], formats: tuple[Format, ...]
) -> list[tuple[tuple[str, str | None], int]]:
    """The format of a record by itself, else of what lies in it as a page."""
    found: list[tuple[tuple[str, str | None], int]] = []
    for one in formats:
        for key in one.within:
            items = record.get(key)
            inner = (
                [item for item in items if isinstance(item, dict)]
                if isinstance(items, list)
                else []
            )
            fit = max((one.fits(item) for item in inner), default=0)
            if fit:
                found.append(((one.name, key), fit))
    return found or [((one.name, None), fit) for one in formats if (fit := one.fits(record))]


def _has(value: object, path: str) -> bool:
    """Whether a record has a field; a field may have dots in its own name."""
    path, _, wanted = path.partition("=")
    return any(item is not None and (not wanted or item == wanted) for item in _at(value, path))


def _at(value: object, path: str) -> list[object]:
    head, _, rest = path.partition(".")
    if isinstance(value, list) and head.isdigit():
        return (
            _at(value[int(head)], rest)
            if rest and int(head) < len(value)
            else value[int(head) :][:1]
        )
    if isinstance(value, list):
        return [found for item in value for found in _at(item, path)]
    if not isinstance(value, dict):
        return []
    if path in value:
        return [value[path] if value[path] is not None else ""]
    return _at(value[head], rest) if rest and head in value else []


@cache
def all_formats() -> tuple[Format, ...]:
    """Every format, by name."""
    folder = resources.files(__package__)
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return tuple(_parse(name) for name in names if not name.endswith(".part.sql"))


def named(name: str) -> Format | None:
    """The format of a name."""
    return next((one for one in all_formats() if one.name == name), None)


def column(line: str) -> Column:
    """A field and its type, as `name TYPE`."""
    name, _, kind = line.strip().partition(" ")
    return Column(name.strip('"'), kind)


def _parse(file: str) -> Format:
    head, _, rest = _text(file).partition("\n-- columns\n")
    columns, _, rows = rest.partition("\n-- rows\n")
    said: dict[str, list[str]] = {}
    for line in head.splitlines():
        found = _HEAD.match(line)
        assert found is not None, f"{file}: {line!r} is not a line of a head"
        said.setdefault(found[1], []).append(found[2])
    return Format(
        name=file.removesuffix(".sql"),
        title=said["title"][0],
        about=said["about"][0],
        finds=tuple(tuple(line.split(", ")) for line in said["finds"]),
        columns=tuple(column(line) for line in columns.splitlines() if line.strip()),
        rows=_INCLUDE.sub(lambda part: _text(f"{part[1]}.part.sql"), rows).strip(),
        whole="whole" in said,
        within=tuple(name for line in said.get("within", ()) for name in line.split(", ")),
        outer=tuple(column(line) for line in said.get("outer", ())),
        notes=tuple(said.get("note", ())),
    )


def _text(file: str) -> str:
    return (resources.files(__package__) / file).read_text(encoding="utf-8")
