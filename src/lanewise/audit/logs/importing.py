"""Logs in, normal rows out: which format each source is, and what could not be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from lanewise.audit.database import folder_of, of_database, spacious, unhurried
from lanewise.audit.formats import Format, Recognised, all_formats
from lanewise.audit.logs import broken, reading
from lanewise.audit.logs.checking import check
from lanewise.audit.logs.layouts import Layout, is_wide
from lanewise.audit.logs.mending import mend
from lanewise.audit.logs.narrowing import narrowed
from lanewise.audit.logs.sources import Source, Unread, find, parted
from lanewise.audit.logs.staging import Stage
from lanewise.audit.logs.telling import TABLES, Failed, errors, plain, told
from lanewise.audit.statements import statements, text
from lanewise.errors import BadInput

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_AT_ONCE: Final = 500  # files that one statement reads,
_WHOLE: Final = 64 << 20  # and of how many bytes, where records are taken apart as texts
_MARK: Final = re.compile(r"\{(rows|format|model)\}")
_WITHIN: Final = frozenset(name for one in all_formats() for name in one.within)


@dataclass(frozen=True, slots=True)
class Wishes:
    """How to read, where the caller knows better than the files tell."""

    format: Format | None = None  # what every source is
    model: str | None = None  # of rows that name none


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of one source."""

    file: str
    format: str  # its name
    rows: int
    unread: int = 0  # lines of which nothing could be read
    samples: tuple[broken.Line, ...] = ()
    notes: tuple[str, ...] = ()  # what was left out or mended, and why


@dataclass(frozen=True, slots=True)
class Imported:
    """What an audit has before it."""

    read: tuple[Read, ...]
    unread: tuple[Unread, ...]
    sources: tuple[tuple[Source, Recognised], ...] = ()  # that can be read again

    @property
    def rows(self) -> int:
        """Normal rows in the table."""
        return sum(one.rows for one in self.read)

    @property
    def broken(self) -> int:
        """Lines of which nothing could be read."""
        return sum(one.unread for one in self.read)


def load(connection: DuckDBPyConnection, paths: tuple[str, ...], wishes: Wishes) -> Imported:
    """Read files, folders, globs, addresses and standard input (`-`) into `requests`.

    Raises `BadInput` where nothing is, or where none of the sources is of a known format.
    """
    stage = Stage(folder_of(connection) / "staged")
    sources, unread = find(paths, stage)
    run = _Import(connection, wishes, stage, unread)
    for source in sources:
        run.tell(source)
    for batch in _batches(run.known):
        run.fill(batch)
    read = _reported(run)
    if not read:
        raise BadInput(_nothing(unread))
    return Imported(tuple(read), tuple(unread), tuple(run.known.items()))


@dataclass(frozen=True, slots=True)
class _Import:
    """What an import has at hand, and what it has found."""

    connection: DuckDBPyConnection
    wishes: Wishes
    stage: Stage
    unread: list[Unread]
    known: dict[Source, Recognised] = field(default_factory=dict)
    losses: dict[str, list[broken.Line]] = field(
        default_factory=dict
    )  # by path: what never became a row
    wide: dict[str, Source] = field(default_factory=dict)  # by the path of its copy in short lines

    def tell(self, source: Source) -> None:
        """Take a source of a known format."""
        if self._gives_none(source):
            source = self._narrow(replace(source, layout="document")) or source
        what = told(self.connection, source, self.wishes.format)
        if isinstance(what, Failed):
            self._mend(source, what)
        elif isinstance(what, Unread):
            self.unread.append(what)
        elif _holds_many(source, what):
            self.known[self._narrow(source) or source] = what
        else:
            self.known[source] = what

    def _gives_none(self, source: Source) -> bool:
        """Whether no record can be had as they lie: they may be in one page, large or broken."""
        if source.layout not in ("lines", "document"):
            return False
        try:
            some = reading.sample(self.connection, source, most=1)
        except errors():
            return True
        except BadInput:  # it is cut off so early that it gives none in any way
            return False
        return not some

    def _narrow(self, source: Source) -> Source | None:
        """The records of a source in short lines, in a copy; None where it is no page."""
        found = narrowed(source, self.stage, _WITHIN)
        if found is None:
            return None
        copy, cuts = found
        self.losses[copy.path] = cuts
        self.wide[copy.path] = source
        return copy

    def fill(self, sources: list[Source], *, roomy: bool = False) -> None:
        """Read sources of one kind; where that fails, one by one and with more memory."""
        try:
            _fill(self.connection, sources, self.known[sources[0]], self.wishes, roomy=roomy)
        except errors() as error:
            if of_database(error):
                raise
            self._again(sources, error, roomy=roomy)
            return
        if sources[0].layout == "csv":
            self.losses[sources[0].path] = broken.rejected(self.connection)

    def _again(self, sources: list[Source], error: Exception, *, roomy: bool) -> None:
        first = sources[0]
        if len(sources) > 1:
            for one in sources:
                self.fill([one])
        elif not roomy and first.layout not in TABLES:
            with spacious(self.connection):
                self.fill(sources, roomy=True)
        else:
            del self.known[first]
            mended = self._mend(first, Failed(first.name, plain(error, first)))
            if mended is not None:
                self.fill([mended])

    def _mend(self, source: Source, failed: Failed) -> Source | None:
        """Take what is whole of lists that break off; where nothing is, they are unread."""
        mended = mend(source, self.stage)
        what = failed if mended is None else told(self.connection, mended[0], self.wishes.format)
        if mended is None or isinstance(what, Unread):
            self.unread.append(failed)
            return None
        one, self.losses[mended[0].path] = mended
        self.known[one] = what
        return one


def _holds_many(source: Source, what: Recognised) -> bool:
    """Whether many records lie in each long line."""
    many = what.within is not None or what.format.name == "otlp"
    return many and source.layout == "lines" and is_wide(source.path)


def _batches(known: dict[Source, Recognised]) -> Iterator[list[Source]]:
    """Files of a kind by hundreds; tables one by one, as each has columns of its own."""
    groups: dict[tuple[str, str | None, Layout], list[Source]] = {}
    for source, what in known.items():
        groups.setdefault((what.format.name, what.within, source.layout), []).append(source)
    for (_, _, layout), sources in groups.items():
        most = 1 if layout in TABLES else _AT_ONCE
        yield from parted(sources, most, _WHOLE if known[sources[0]].format.whole else None)


def _fill(
    connection: DuckDBPyConnection,
    sources: list[Source],
    what: Recognised,
    wishes: Wishes,
    *,
    roomy: bool,
) -> None:
    rows = reading.statement(connection, sources, what.format, what.within, roomy=roomy)
    model = "NULL" if wishes.model is None else text(wishes.model)
    values = {"rows": rows, "format": text(what.format.name), "model": model}
    # all marks at once: a field of a log may have the name of one
    fill = _MARK.sub(lambda mark: values[mark[1]], statements("requests")["fill"])
    with unhurried(connection):
        connection.execute(fill)


def _reported(run: _Import) -> list[Read]:
    """What came of each source; lines that could not be read and rows that cannot stand leave the table."""
    asked = statements("requests")
    bad = dict(run.connection.execute(asked["unread"]).fetchall())
    if bad:
        run.connection.execute(asked["forget_unread"])
    notes = check(run.connection)
    run.connection.execute(asked["finish"])
    rows = {file: count for file, _, count in run.connection.execute(asked["counted"]).fetchall()}
    found: list[Read] = []
    for source, what in run.known.items():
        file = source.path
        lost = run.losses.get(file, [])
        lines = (*(broken.sampled(run.wide.get(file, source), what) if file in bad else ()), *lost)
        unread = bad.get(file, 0) + len(lost)
        said = (*([what.lacks] if what.lacks else []), *notes.get(file, ()))
        one = Read(source.name, what.format.name, rows.get(file, 0), unread, notes=said)
        found.append(replace(one, samples=lines[: broken.SHOWN]))
    return sorted(found, key=lambda one: one.file)


def _nothing(unread: list[Unread]) -> str:
    told = "\n".join(f"  {one.file}: {one.why}" for one in unread[:10]) or "  no files"
    more = f"\n  and {len(unread) - 10:,} more" if len(unread) > 10 else ""
    return (
        f"nothing to audit:\n{told}{more}\nKnown formats: "
        f"{', '.join(one.name for one in all_formats())}; say which with --format, or name the fields with "
        "--map model=FIELD,input_tokens=FIELD,..."
    )
