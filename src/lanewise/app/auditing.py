"""An audit from end to end: logs read into a database of its own, added up by the price book of the home."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lanewise.app.audit_caches import caches_json, estimated_json
from lanewise.app.audit_times import over_time_json
from lanewise.app.progress import Watch, unwatched
from lanewise.app.receipt import usd
from lanewise.audit.database import database, make_room
from lanewise.audit.estimating import Estimated, estimate
from lanewise.audit.formats import all_formats, named
from lanewise.audit.importing import Imported, Wishes, load
from lanewise.audit.levers import (
    Found,
    Lever,
    Prices,
    Replayed,
    Shown,
    asking,
    find,
    next_steps,
    replayed,
    sample,
    shown,
)
from lanewise.audit.levers import Group as Workflow
from lanewise.audit.mapping import mapped
from lanewise.audit.money import Money
from lanewise.audit.over_time import OverTime, over_time
from lanewise.audit.samples import Looked
from lanewise.audit.sums import Group, Sums, sums
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
        return over_time(self.connection, self.found.groups)

    def as_json(self) -> dict[str, Any]:
        """The fields of `--json`; money in USD as exact decimal numbers."""
        return {
            "files": [
                {
                    "file": one.file,
                    "format": one.format,
                    "rows": one.rows,
                    "unreadable_lines": one.unread,
                    "examples": [{"line": line.number, "why": line.why} for line in one.samples],
                    "notes": list(one.notes),
                }
                for one in self.imported.read
            ],
            "not_read": [{"file": one.file, "why": one.why} for one in self.imported.unread],
            "rows": self.imported.rows,
            "aggregate_rows": self.sums.aggregates,
            "unreadable_lines": self.imported.broken,
            "total": group_json(self.sums.total),
            "groups": [group_json(group) for group in self.sums.groups],
            "groups_found": self.sums.count,
            "coverage": {name: round(share, 4) for name, share in self.sums.coverage.items()},
            "cannot_be_said": list(self.sums.missing),
            **found_json(self.found),
            "tokens_estimated": [estimated_json(one) for one in self.estimated],
            "caches": None if self.replayed is None else caches_json(self.replayed),
            "together": None if self.replayed is None else _together_json(self.replayed),
            "prompts_looked_at": asdict(self.looked),
            "samples": [one._asdict() for one in self.shown],
            **over_time_json(self.over_time()),
            "prices": self.basis,
        }


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


def found_json(found: Found) -> dict[str, Any]:
    """Who waits, the levers and what to do next, for programs."""
    counted = {group.name: group.facts.counted is not None for group in found.groups}
    return {
        "who_waits": [_workflow_json(group) for group in found.groups],
        "workflows_found": found.count,
        "levers": [_lever_json(lever, counted.get(lever.group, True)) for lever in found.levers],
        "lever_total_usd": _range(found.total),
        "data_terms": found.terms,
        "next_steps": list(next_steps(found)),
    }


def _workflow_json(group: Workflow) -> dict[str, Any]:
    facts, judged = group.facts, group.judged
    return {
        "workflow": group.name,
        "discovered": not facts.name,
        "looks": group.looks,
        "requests_in_real_time": facts.live,
        "requests_looked_at": facts.requests,
        "requests_in_other_lanes": facts.elsewhere,
        "realtime_usd": usd(group.now),
        "who_waits": judged.waiting,
        "confidence": judged.confidence,
        "confidence_level": judged.level,
        "evidence": list(judged.evidence),
        "evidence_against": list(judged.against),
        "to_log": list(judged.to_log),
    }


def _lever_json(lever: Lever, counted: bool) -> dict[str, Any]:
    """`counted`: whether the log says how many requests there are."""
    return {
        "lever": lever.kind,
        "workflow": lever.group,
        "does": lever.does,
        "requests": lever.requests if counted else None,
        "now_usd": usd(lever.now),
        "saves_usd": _range(lever.money),
        "saves_usd_by_data_terms": {
            terms: _range(money) for terms, money in lever.by_terms.items()
        },
        "confidence": lever.sure,
        "in_total": lever.counts,
        "evidence": list(lever.evidence),
        "rests_on": list(lever.rests_on),
    }


def _together_json(replayed: Replayed) -> dict[str, Any]:
    found = replayed.together
    return {
        "requests_replayed": found.requests,
        "of_requests": replayed.sample.of,
        "stretches": replayed.sample.stretches,
        "texts_read": replayed.sample.texts,
        "now_usd": usd(found.now),
        "saves_alone_usd": {
            "lane": _range(found.lanes),
            "cache": _range(found.cache),
            "dedupe": _range(found.dedupe),
        },
        "saves_together_usd": _range(found.joint),
        "saves_step_by_step_usd": {name: _range(step) for name, step in found.steps.items()},
        "whole_log_now_usd": usd(replayed.now),
        "whole_log_saves_together_usd": None if replayed.joint is None else _range(replayed.joint),
    }


def _range(money: Money) -> dict[str, Any]:
    return {"low": usd(money.low), "high": usd(money.high)}


def group_json(group: Group) -> dict[str, Any]:
    """A group for programs."""
    return {
        "workflow": group.workflow,
        "provider": group.provider,
        "model": group.model,
        "lane": group.lane,
        "rows": group.rows,
        "requests": group.requests,
        "rows_without_count": group.uncounted,
        "rows_without_tokens": group.untold,
        "input_tokens": group.input,
        "cached_tokens": group.cached,
        "cache_write_tokens": group.cache_write,
        "output_tokens": group.output,
        "logged_usd": None if group.logged_nano is None else usd(group.logged_nano),
        "rows_with_logged_cost": group.logged_rows,
        "reckoned_usd": None if group.reckoned_nano is None else usd(group.reckoned_nano),
        "unpriced_rows": group.unpriced,
        "failed": group.failed,
        "first": group.first,
        "last": group.last,
        "price_statuses": list(group.statuses),
    }
