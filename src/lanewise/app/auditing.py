"""An audit from end to end: logs read into a database of its own, added up by the price book of the home."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lanewise.app.progress import Watch, unwatched
from lanewise.audit.database import database, make_room
from lanewise.audit.estimating import Estimated, estimate
from lanewise.audit.formats import all_formats, named
from lanewise.audit.levers import (
    Found,
    Prices,
    Replayed,
    Shown,
    asking,
    find,
    replayed,
    sample,
    shown,
)
from lanewise.audit.logs.importing import Imported, Wishes, load
from lanewise.audit.logs.mapping import mapped
from lanewise.audit.over_time import OverTime, over_time
from lanewise.audit.samples import Looked
from lanewise.audit.sums import Sums, sums
from lanewise.domain.lanes import Terms
from lanewise.errors import BadInput
from lanewise.pricing import PriceBook

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


_WORTH: Final = (
    "at",
    "input",
    "output",
    "cost_nano",
    "prompt",
    "answer",
)  # what makes a row worth reading


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found. `connection` has the tables that it was found in, to look closer at."""

    imported: Imported
    sums: Sums
    found: Found
    replayed: Replayed | None  # what levers save together, and what caches would
    estimated: tuple[Estimated, ...]  # whose tokens are worked out from texts
    basis: str  # of the prices
    connection: DuckDBPyConnection
    looked: Looked  # at how many prompts
    shown: tuple[Shown, ...] = ()  # only where somebody asked for samples

    def over_time(self) -> OverTime:
        """When money was spent and requests came; goes through all rows once more."""
        waiting = {group.id: group.judged.waiting for group in self.found.groups}
        return over_time(self.connection, waiting)


@contextmanager
def auditing(
    paths: tuple[str, ...],
    wishes: Wishes,
    book: PriceBook,
    now: float,
    *,
    terms: Terms | None = None,
    pace: float | None = None,
    folder: Path | None = None,
    show_samples: bool = False,
    watch: Watch = unwatched,
) -> Iterator[Audit]:
    """Read the logs and add them up; the tables are there until the end. `folder`: where to put them.

    terms: the data terms under which lanes are recommended; None: not said, and asked for. pace: how many
    requests a second a log without times is taken to have sent, for the replay of caches alone. show_samples:
    whether a few prompts are kept to be shown; else nothing of a text is. watch: opened while the work lasts,
    and told what is being done.

    Raises `BadInput` for paths, formats or logs that cannot be used.
    """
    with database(folder, ordered=pace is not None) as connection:
        with watch() as progress:
            progress.at("reading the logs", connection)
            imported = load(connection, paths, wishes)
            estimated = estimate(connection, imported)
            progress.at("adding up")
            added = _added(connection, imported, book, now)
            progress.at("looking who waits")
            found = find(connection, book, now, terms)
            prices = Prices.of(book, now)
            words = {one.model: str(one) for one in estimated}
            progress.at("looking at prompts")
            found, drawn = asking(connection, imported, found, prices, words)
            progress.at("replaying levers")
            again = sample(connection, imported, pace=pace)
            together = replayed(connection, again, found, prices, words)
            make_room(connection)
        if together is not None:
            found = found.with_levers(together.levers)
        yield Audit(
            imported,
            added,
            found,
            together,
            estimated,
            book.basis,
            connection,
            drawn.looked,
            shown(found, drawn) if show_samples else (),
        )


def _added(connection: DuckDBPyConnection, imported: Imported, book: PriceBook, now: float) -> Sums:
    added = sums(connection, book, now) if imported.rows else None
    if added is None or not any(added.coverage[name] for name in _WORTH):
        told = ", ".join(f"{one.file} ({one.format})" for one in imported.read[:5])
        raise BadInput(
            f"no request with a time, tokens, costs or a text in {told}; choose another --format, "
            "or give other files"
        )
    return added


def wishes(format_: str | None, map_: str | None, model: str | None) -> Wishes:
    """How to read, from the flags. Raises `BadInput` for what is unknown or cannot be used together."""
    if format_ is not None and map_ is not None:
        raise BadInput("--format and --map exclude each other: --map describes a format of its own")
    if map_ is not None:
        return Wishes(mapped(map_), model)
    if format_ is None:
        return Wishes(None, model)
    found = named(format_)
    if found is None:
        known = ", ".join(one.name for one in all_formats())
        raise BadInput(f"--format is {format_!r}; accepted are {known}")
    return Wishes(found, model)
