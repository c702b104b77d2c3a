"""Files whose records are too large for DuckDB, written anew as lines of few megabytes.

An export of spans may hold thousands of them in one line, and a page of an API's answer a whole log in one
document. Their records are small; only what is around them is large. Here they are taken out of it, in memory
that is bounded by the longest line, or of a document by its longest record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import msgspec

from lanewise.audit.logs.broken import CUT, Line
from lanewise.audit.logs.documents import Reader
from lanewise.audit.logs.sources import Source
from lanewise.audit.logs.staging import NoRoomError, Stage
from lanewise.errors import BadInput
from lanewise.intake.sources import blocks
from lanewise.intake.splitting import Oversized, split

LONGEST: Final = 256 << 20  # bytes of a line that is taken apart at all
_WIDE: Final = 1 << 20  # bytes from which on a list is written in parts
_Fields = dict[str, msgspec.Raw]


class _Scope(msgspec.Struct, omit_defaults=True):
    scope: msgspec.Raw = msgspec.Raw(b"{}")
    spans: list[msgspec.Raw] = []


class _Resource(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw(b"{}")
    scopeSpans: list[_Scope] = []  # noqa: N815 - the name that OTLP gives it


class _Spans(msgspec.Struct):
    resourceSpans: list[_Resource]  # noqa: N815


class _NoPageError(Exception):
    """A document that is no object with lists of records."""


def narrowed(
    source: Source, stage: Stage, within: frozenset[str]
) -> tuple[Source, list[Line]] | None:
    """The same records in a copy of few megabytes a line, and where they break off; None: it is no page.

    within: the names of lists of records. Lines that are no JSON stay as they are. None also where
    it cannot be unpacked to its end.
    """
    cuts: list[Line] = []
    wide = source.layout == "lines"
    parts = _lines(source.path, within) if wide else _document(source.path, within, cuts)
    try:
        copy = stage.copied(parts, "narrow.jsonl")
    except NoRoomError:
        raise
    except (_NoPageError, BadInput):
        return None
    return replace(source, path=str(copy), layout="lines"), cuts


def _lines(path: str, within: frozenset[str]) -> Iterator[bytes]:
    for line in split(blocks(path), LONGEST):
        for part in (b"",) if isinstance(line, Oversized) else _apart(line, within):
            yield part + b"\n"


def _apart(line: bytes, within: frozenset[str]) -> Iterator[bytes]:
    """A line as several, where it holds a long list of records."""
    if len(line) < _WIDE:
        yield line
        return
    try:
        fields = msgspec.json.decode(line, type=_Fields)
        if "resourceSpans" in fields:
            yield from _spans(msgspec.json.decode(line, type=_Spans))
        else:
            yield from _pages(fields, within)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        yield line


def _spans(whole: _Spans) -> Iterator[bytes]:
    for resource in whole.resourceSpans:
        for scope in resource.scopeSpans:
            for spans in _parts(scope.spans):
                few = _Resource(resource.resource, [_Scope(scope.scope, spans)])
                yield msgspec.json.encode(_Spans([few]))


def _pages(fields: _Fields, within: frozenset[str]) -> Iterator[bytes]:
    """The list of a page in parts, each with all that stands beside it."""
    lists = [one for one in fields if one in within and bytes(fields[one]).lstrip()[:1] == b"["]
    if len(lists) != 1:
        yield msgspec.json.encode(fields)
        return
    name = lists[0]
    for part in _parts(msgspec.json.decode(fields[name], type=list[msgspec.Raw])):
        yield msgspec.json.encode(fields | {name: msgspec.Raw(msgspec.json.encode(part))})


def _parts(records: list[msgspec.Raw]) -> Iterator[list[msgspec.Raw]]:
    part: list[msgspec.Raw] = []
    size = 0
    for record in records:
        part.append(record)
        size += len(bytes(record))
        if size >= _WIDE // 4:
            yield part
            part, size = [], 0
    if part:
        yield part


def _document(path: str, within: frozenset[str], cuts: list[Line]) -> Iterator[bytes]:
    """The records that lie in lists of one JSON object. Raises `_NoPageError` where there are none."""
    reader, count = Reader(path), 0
    try:
        for line in _members(reader, within):
            count += 1
            yield line
        _expect(reader, "}")
    except ValueError:
        if not count:
            raise _NoPageError from None
        cuts.append(Line(reader.line, CUT))
        return
    if reader.peek() or not count:
        raise _NoPageError


def _members(reader: Reader, within: frozenset[str]) -> Iterator[bytes]:
    beside: dict[str, Any] = {}
    _expect(reader, "{")
    while reader.peek() == '"':
        name = json.loads(reader.value())
        _expect(reader, ":")
        if name in within and reader.peek() == "[":
            yield from _listed(reader, name, beside)
        else:
            beside[name] = json.loads(reader.value())
        if reader.peek() == ",":
            reader.skip()


def _expect(reader: Reader, sign: str) -> None:
    if reader.peek() != sign:
        raise ValueError(sign)
    reader.skip()


def _listed(reader: Reader, name: str, beside: dict[str, Any]) -> Iterator[bytes]:
    reader.skip()
    head = json.dumps(beside)[:-1] + (", " if beside else "") + json.dumps(name) + ": ["
    while (sign := reader.peek()) != "]":
        if sign == ",":
            reader.skip()
        else:
            yield f"{head}{reader.value()}]}}\n".encode()
    reader.skip()
