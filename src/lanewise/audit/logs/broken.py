"""Lines that could not be read: which, and why; never what stands in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from lanewise.audit.formats import Recognised
from lanewise.audit.logs.sources import Source
from lanewise.intake.lines import LINE_LIMIT
from lanewise.intake.sources import blocks
from lanewise.intake.splitting import Oversized, split

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LIST: Final = "a list, not a record"
CUT: Final = "no JSON from here on: nothing after this is read"
SHOWN: Final = 3  # lines that are named for each file


@dataclass(frozen=True, slots=True)
class Line:
    """A line that could not be read."""

    number: int  # from 1
    why: str


def sampled(source: Source, what: Recognised) -> tuple[Line, ...]:
    """The first lines of a file of which nothing could be read. Reads no further than to the last of them."""
    if source.layout != "lines":
        return ()
    found: list[Line] = []
    for number, line in enumerate(split(blocks(source.path), LINE_LIMIT), start=1):
        why = _why(line, what)
        if why is not None:
            found.append(Line(number, why))
            if len(found) == SHOWN:
                break
    return tuple(found)


def first(source: Source) -> Line | None:
    """The first line of a file, if it is no record, and why."""
    for number, line in enumerate(split(blocks(source.path), LINE_LIMIT), start=1):
        if isinstance(line, Oversized) or line.strip():
            why = _no_object(line)
            return Line(number, why) if why else None
    return None


def _why(line: bytes | Oversized, what: Recognised) -> str | None:
    if isinstance(line, Oversized):
        return _no_object(line)
    if not line.strip():
        return None
    why = _no_object(line)
    if why is not None:
        return why
    record = msgspec.json.decode(line)
    if all(record.get(name) is None for name in _wanted(what)):
        return f"JSON, but without any field of {what.format.title}"
    return None


def _no_object(line: bytes | Oversized) -> str | None:
    """Why a line is no object of JSON, or None."""
    if isinstance(line, Oversized):
        return f"longer than {line.limit:,} bytes"
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"no JSON: {error}"
    except RecursionError:
        return "JSON that is nested too deeply"
    if isinstance(value, list):
        return LIST
    return None if isinstance(value, dict) else "JSON, but no object"


def _wanted(what: Recognised) -> list[str]:
    """The fields of which a record has at least one."""
    if what.within:
        return [what.within]
    if what.format.whole:
        return [path.partition(".")[0] for find in what.format.finds for path in find]
    return [column.name for column in what.format.columns]


def rejected(connection: DuckDBPyConnection) -> list[Line]:
    """Lines of the CSV file just read that DuckDB refused."""
    rows = connection.execute(
        "SELECT DISTINCT line, error_type::VARCHAR FROM reject_errors ORDER BY line"
    ).fetchall()
    connection.execute("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans")
    return [Line(int(line), f"no row of this table ({kind})") for line, kind in rows]
