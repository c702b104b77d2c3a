"""Lists and documents that DuckDB does not take, since they break off or are several: one record a line."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from lanewise.audit.broken import CUT, Line
from lanewise.audit.reading import LARGEST
from lanewise.audit.sources import Source
from lanewise.audit.staging import Stage
from lanewise.errors import BadInput
from lanewise.intake.sources import blocks

_BETWEEN: Final = re.compile(r"[\s,\[\]]*")  # records of a list, or of lists
_NEWLINES: Final = str.maketrans("\r\n", "  ")  # between tokens, since a string of JSON has none


def mend(source: Source, stage: Stage) -> tuple[Source, list[Line]] | None:
    """A copy of lists or documents up to where they break, and where that is; None for tables.

    None also where it cannot be unpacked to its end.
    """
    if source.table is not None or source.layout == "parquet":
        return None
    cuts: list[Line] = []
    try:
        copy = stage.copied(_whole(source.path, cuts), "mended.jsonl")
    except BadInput:
        return None
    return Source(str(copy), "lines", source.name), cuts


def _whole(path: str, cuts: list[Line]) -> Iterator[bytes]:
    """The records that are whole, a line each; of what follows, its first line goes to `cuts`."""
    decoder, letters = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8")("replace")
    text, number = "", 1
    for block in chain(blocks(path), (b"",)):
        text += letters.decode(block, final=not block)
        at = 0
        while True:
            start = _begin(text, at)
            end = _end(decoder, text, start)
            if end is None:
                break
            number += text.count("\n", at, end)
            yield text[start:end].translate(_NEWLINES).encode() + b"\n"
            at = end
        text = text[at:]
        if len(text) > LARGEST:
            break
    rest = _begin(text, 0)
    if rest < len(text):
        number += text.count("\n", 0, rest)
        cuts.append(Line(number, CUT))


def _begin(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    assert found is not None, "it matches nothing too"
    return found.end()


def _end(decoder: json.JSONDecoder, text: str, start: int) -> int | None:
    """Where the record that begins here ends; None if it does not, or not yet."""
    if start == len(text):
        return None
    try:
        return decoder.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None
