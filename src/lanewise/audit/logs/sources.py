"""Which files an audit reads, each once, and how each is laid out."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lanewise.audit.logs.addresses import fetch, is_address
from lanewise.audit.logs.layouts import READABLE, Layout, look, suffix
from lanewise.audit.logs.staging import Stage
from lanewise.audit.logs.tables import Table
from lanewise.errors import BadInput
from lanewise.intake.sources import blocks

STDIN: Final = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """A file: its path as DuckDB takes it, its layout, what people call it, and the form of a CSV file.

    `lines`: one JSON record a line. `array`: one JSON list. `document`: JSON values one after the other.
    """

    path: str
    layout: Layout
    name: str
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that was not read, and why."""

    file: str
    why: str


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that was found: where it lies, what people call it, and whether it was named itself."""

    path: str
    name: str
    asked_for: bool = True


def find(paths: tuple[str, ...], stage: Stage) -> tuple[list[Source], list[Unread]]:
    """The sources of files, folders, globs, addresses and standard input, each once; and files that are none.

    Raises `BadInput` for a path where nothing is.
    """
    found: dict[str, Source | Unread] = {}
    for path in paths:
        for one in _expanded(path, stage):
            if isinstance(one, Unread):
                found.setdefault(one.file, one)
                continue
            place = os.path.realpath(one.path)
            if place not in found:
                found[place] = _source(one, stage)
    sources = [one for one in found.values() if isinstance(one, Source)]
    return sources, [one for one in found.values() if isinstance(one, Unread)]


def _source(found: _Found, stage: Stage) -> Source | Unread:
    """A file as a source; in a folder, only what has the suffix of a log."""
    if not found.asked_for and suffix(found.path) not in READABLE:
        return Unread(found.name, "its suffix is not that of a log")
    if not os.path.isfile(found.path):  # noqa: PTH113 - not every path is one that Path leaves alone
        return Unread(found.name, "it is no file, or a link to nothing")
    try:
        seen = look(found.path, found.name)
        return Source(stage.readable(found.path, seen), seen.layout, found.name, seen.table)
    except BadInput as error:
        return Unread(found.name, str(error))
    except OSError as error:
        return Unread(found.name, f"it cannot be opened: {error.strerror}")


def _expanded(path: str, stage: Stage) -> Iterator[_Found | Unread]:
    if is_address(path):
        yield from (_Found(str(copy), name) for name, copy in fetch(path, stage))
    elif path == STDIN:
        yield _Found(str(stage.copied(blocks(path, unpack=False), "stdin")), "standard input")
    else:
        try:
            yield from _local(path, Path(path).expanduser(), stage)
        except OSError as error:
            raise BadInput(f"cannot look for {path!r}: {error.strerror}") from None


def _local(path: str, here: Path, stage: Stage) -> Iterator[_Found | Unread]:
    if here.is_dir():
        yield from _walked(here)
    elif here.is_file():
        yield _Found(str(here), path)
    elif here.is_fifo():
        yield _Found(str(stage.copied(blocks(here, unpack=False), here.name)), path)
    else:
        names = sorted(filter(os.path.isfile, glob.iglob(str(here), recursive=True)))  # noqa: PTH207
        if not names:
            raise BadInput(
                f"nothing at {path!r}; PATH takes a file, a folder, a glob such as 'logs/*.jsonl.gz', an "
                "address such as s3://bucket/logs/*.jsonl, or - for standard input"
            )
        yield from (_Found(name, name) for name in names)


def _walked(folder: Path) -> Iterator[_Found | Unread]:
    """The files in a folder and in those below it, links too, but no folder twice and nothing hidden."""
    seen: set[str] = set()
    failed: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=failed.append, followlinks=True):
        real = os.path.realpath(place)
        again = real in seen
        seen.add(real)
        folders[:] = [] if again else sorted(name for name in folders if name[0] != ".")
        for name in () if again else sorted(files):
            path = os.path.join(place, name)  # noqa: PTH118
            if name[0] != ".":
                yield _Found(path, path, asked_for=False)
    yield from (
        Unread(str(error.filename), f"it cannot be opened: {error.strerror}") for error in failed
    )


def parted(sources: list[Source], most: int, room: int | None) -> Iterator[list[Source]]:
    """So many sources at a time, and of so many bytes (None: of any); one that is larger goes alone."""
    batch: list[Source] = []
    left = room
    for source in sources:
        size = 0 if room is None else Path(source.path).stat().st_size
        if batch and (len(batch) == most or (left is not None and size > left)):
            yield batch
            batch, left = [], room
        batch.append(source)
        left = None if left is None else left - size
    yield batch
