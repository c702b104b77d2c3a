"""Lists and documents that DuckDB does not take, since they break off or are several: one record a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lanewise.audit.logs.broken import CUT, Line
from lanewise.audit.logs.documents import Reader
from lanewise.audit.logs.sources import Source
from lanewise.audit.logs.staging import NoRoomError, Stage
from lanewise.errors import BadInput

_BETWEEN: Final = ",[]"  # records of a list, or of lists


def mend(source: Source, stage: Stage) -> tuple[Source, list[Line]] | None:
    """A copy of lists or documents up to where they break, and where that is; None for tables.

    None also where it cannot be unpacked to its end.
    """
    if source.table is not None or source.layout == "parquet":
        return None
    cuts: list[Line] = []
    try:
        copy = stage.copied(_whole(source.path, cuts), "mended.jsonl")
    except NoRoomError:
        raise
    except BadInput:
        return None
    return Source(str(copy), "lines", source.name), cuts


def _whole(path: str, cuts: list[Line]) -> Iterator[bytes]:
    """The records that are whole, a line each; of what follows, its first line goes to `cuts`."""
    reader = Reader(path)
    while sign := reader.peek():
        if sign in _BETWEEN:
            reader.skip()
            continue
        try:
            yield reader.value().encode() + b"\n"
        except ValueError:
            cuts.append(Line(reader.line, CUT))
            return
