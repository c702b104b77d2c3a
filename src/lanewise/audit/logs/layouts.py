"""What the beginning of a file tells: how it is laid out, how it is packed, whether it can be read at all."""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from lanewise.audit.logs.tables import Table, table
from lanewise.errors import BadInput
from lanewise.intake.sources import blocks

Layout: TypeAlias = Literal["lines", "array", "document", "csv", "parquet"]
READABLE: Final = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".log")
_PACKED: Final = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}
_REFUSED: Final = {
    b"PK\x03\x04": "a ZIP archive or a workbook",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"7z\xbc\xaf": "a 7-Zip archive",
}
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_TAR: Final = slice(257, 262)  # where a tar archive says that it is one
_PEEKED: Final = 1 << 20  # bytes of a file that tell its layout
_LOOKED_AT: Final = 20  # lines


@dataclass(frozen=True, slots=True)
class Look:
    """How a file is laid out, and what its name should end in for DuckDB to unpack it."""

    layout: Layout
    packed: str  # ".gz", ".zst" or ""
    encoding: str = ""  # where it is not UTF-8
    table: Table | None = None  # of CSV


def suffix(name: str) -> str:
    """The suffix that says what is in it, without that of its compression.

    >>> suffix("logs/2026-11.JSONL.gz")
    '.jsonl'
    """
    return Path(name.lower().removesuffix(packing(name))).suffix


def packing(name: str) -> str:
    """The suffix of its compression, or nothing.

    >>> packing("x.csv.ZST"), packing("x.csv")
    ('.zst', '')
    """
    low = name.lower()
    return next((packed for packed in _PACKED.values() if low.endswith(packed)), "")


def look(path: str, name: str) -> Look:
    """What a file is, by its beginning first and its name second; raises `BadInput` if it cannot be read.

    path: where it is; name: what people call it.
    """
    start, packed = _beginning(path)
    encoding = "utf-16" if start.startswith(_UTF16) else ""
    if encoding:
        start = start[: len(start) & ~1].decode(encoding, "replace").encode()
    start = start.removeprefix(b"\xef\xbb\xbf")
    if not start.strip():
        raise BadInput("it is empty")
    if start[_TAR] == b"ustar":
        raise BadInput("it is a tar archive; unpack it and name the folder")
    kind = _layout(start, suffix(name), packed)
    if kind != "csv":
        return Look(kind, packed, encoding)
    encoding = encoding or ("" if _utf8(start) else "cp1252")
    return Look(kind, packed, encoding, table(start.decode("utf-8", "replace")))


def is_wide(path: str) -> bool:
    """Whether the first line of a file is longer than what is looked at to tell its layout."""
    start, _ = _beginning(path)
    return len(start) >= _PEEKED and b"\n" not in start.strip()


def _utf8(start: bytes) -> bool:
    """Whether a beginning, which may end within a letter, is UTF-8."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return True


def _beginning(path: str) -> tuple[bytes, str]:
    """The first megabyte, unpacked, and how it was packed."""
    with open(path, "rb") as file:  # noqa: PTH123 - a descriptor's path too
        head = file.read(max(map(len, _REFUSED)))
    for magic, what in _REFUSED.items():
        if head.startswith(magic):
            raise BadInput(f"it is {what}; unpack it: plain, .gz and .zst files are read")
    start = b""
    for block in blocks(path):
        start += block
        if len(start) >= _PEEKED:
            break
    return start, next((end for magic, end in _PACKED.items() if head.startswith(magic)), "")


def _layout(start: bytes, kind: str, packed: str) -> Layout:
    if start.startswith(b"PAR1"):
        if packed:
            raise BadInput("Parquet is packed inside; unpack the file around it")
        return "parquet"
    if kind == ".parquet":
        raise BadInput("its name says Parquet, but it is none")
    if kind in (".csv", ".tsv"):
        return "csv"
    text = start.lstrip()
    lines = [line for line in text.split(b"\n")[:_LOOKED_AT] if line.strip()]
    if kind not in (".json", ".jsonl", ".ndjson") and not _any_json(lines):
        return "csv"
    if text[:1] == b"[" and not _records_in_lists(lines):
        return "array"
    opens = _opens(lines[0]) or (len(lines) == 1 and _joined(lines[0]))
    return "document" if opens else "lines"


def _any_json(lines: list[bytes]) -> bool:
    return any(line.lstrip()[:1] in (b"{", b"[") for line in lines)


def _records_in_lists(lines: list[bytes]) -> bool:
    """Whether each line is a list by itself, rather than that one list goes over them."""
    return len(lines) > 1 and _whole(lines[0])


def _joined(line: bytes) -> bool:
    """Whether records follow each other without a newline, as Firehose writes them."""
    try:
        _, end = json.JSONDecoder().raw_decode(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return False
    return line[end : end + 1] == b"{"


def _opens(line: bytes) -> bool:
    """Whether a document goes on after its first line, rather than that the line is broken."""
    return line.rstrip()[-1:] in b"{[,:" and not _whole(line)


def _whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
