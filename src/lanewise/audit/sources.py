"""Which files an audit reads, and how each is laid out."""

from __future__ import annotations

import glob
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from lanewise.errors import BadInput
from lanewise.intake.sources import blocks

Layout: TypeAlias = Literal["lines", "array", "document", "csv", "parquet"]
READABLE: Final = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".log")
_PACKED: Final = (".gz", ".zst")
_PEEKED: Final = 1 << 20  # bytes of a file that tell its layout


@dataclass(frozen=True, slots=True)
class Source:
    """A file or an address: its path as DuckDB takes it, and its layout.

    `lines`: one JSON record a line. `array`: one JSON list. `document`: JSON values one after the other.
    """

    path: str
    layout: Layout
    part_of: str = ""  # the file that it was made of

    @property
    def name(self) -> str:
        """What its rows are filed under."""
        return self.part_of or self.path

    @property
    def remote(self) -> bool:
        """Whether it is an address rather than a file."""
        return is_address(self.path)


def is_address(path: str) -> bool:
    """Whether a path is an address such as s3://bucket/logs/*.jsonl."""
    return "://" in path


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that was not read, and why."""

    file: str
    why: str


def find(paths: tuple[str, ...]) -> tuple[list[Source], list[Unread]]:
    """The sources of files, folders, globs and addresses, each once; and files that are none.

    Raises `BadInput` for a path where nothing is.
    """
    found: dict[str, Source | Unread] = {}
    for path in paths:
        for name in _expanded(path):
            if name not in found:
                found[name] = _source(name, asked_for=name == path)
    sources = [one for one in found.values() if isinstance(one, Source)]
    return sources, [one for one in found.values() if isinstance(one, Unread)]


def _source(name: str, *, asked_for: bool) -> Source | Unread:
    """A file as a source; in a folder, only what has the suffix of a log."""
    if not (asked_for or is_address(name) or suffix(name) in READABLE):
        return Unread(name, "its suffix is not that of a log")
    try:
        return Source(name, layout(name))
    except BadInput as error:
        return Unread(name, str(error))


def _expanded(path: str) -> list[str]:
    if is_address(path):
        return [path]
    here = Path(path).expanduser()
    if here.is_dir():
        return sorted(
            str(item) for item in here.rglob("*") if item.is_file() and not _hidden(item, here)
        )
    if here.is_file():
        return [path if str(here) == path else str(here)]
    names = sorted(filter(os.path.isfile, glob.iglob(str(here), recursive=True)))  # noqa: PTH207
    if not names:
        raise BadInput(
            f"nothing at {path!r}; PATH takes a file, a folder, a glob such as 'logs/*.jsonl.gz', or an "
            "address such as s3://bucket/logs/*.jsonl"
        )
    return names


def _hidden(item: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in item.relative_to(folder).parts)


def suffix(name: str) -> str:
    """The suffix that says what is in it, without that of its compression."""
    low = name.lower()
    for packed in _PACKED:
        low = low.removesuffix(packed)
    return Path(low).suffix


def layout(name: str) -> Layout:
    """How a file is laid out, by its name and its beginning."""
    kind = suffix(name)
    if kind == ".parquet":
        return "parquet"
    if kind in (".csv", ".tsv"):
        return "csv"
    if is_address(name):
        return "document" if kind == ".json" else "lines"
    return _json_layout(_beginning(name))


def _json_layout(start: bytes) -> Layout:
    """Of JSON: a list, records one a line, or documents that go over many lines."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] == b"[":
        return "array"
    lines = [line for line in text.split(b"\n")[:20] if line.strip()]
    if lines and _opens(lines[0]):
        return "document"
    return "lines"


def is_wide(name: str) -> bool:
    """Whether the first line of a file is longer than what is looked at to tell its layout."""
    start = _beginning(name)
    return len(start) >= _PEEKED and b"\n" not in start.strip()


def _opens(line: bytes) -> bool:
    """Whether a document goes on after its first line, rather than that the line is broken."""
    return line.rstrip()[-1:] in b"{[,:" and not _whole(line)


def _whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _beginning(name: str) -> bytes:
    """The first megabyte of a file, unpacked; raises `BadInput` if it cannot be read."""
    start = b""
    for block in blocks(name):
        start += block
        if len(start) >= _PEEKED:
            break
    return start
