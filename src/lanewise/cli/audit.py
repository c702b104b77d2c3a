"""`lanewise audit`: what the logs that a team has already say about its traffic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click

from lanewise.app.audit_json import as_json as audit_json
from lanewise.app.auditing import Audit, auditing, wishes
from lanewise.app.rollout import classes, proposed
from lanewise.audit.costing import RELATIVE
from lanewise.audit.logs.importing import Imported
from lanewise.audit.sums import Group, Sums
from lanewise.cli.audit_caches import tell_caches
from lanewise.cli.audit_levers import tell_levers, tell_samples
from lanewise.cli.audit_progress import shown
from lanewise.cli.ending import ending
from lanewise.cli.options import (
    echo_json,
    example_option,
    home_option,
    json_option,
    logs_from,
    settings_from,
)
from lanewise.cli.pages import html_option, write_page
from lanewise.cli.printing import print_table
from lanewise.cli.written import STDOUT, force_option, target_option, write_text
from lanewise.clock import SystemClock
from lanewise.domain.lanes import Terms
from lanewise.errors import BadInput
from lanewise.pricing import PriceBook
from lanewise.pricing.dollars import dollars

_GROUPS: Final = 20  # that are shown
_FILES: Final = 8


@click.command
@click.argument("paths", metavar="PATH...", nargs=-1)
@example_option
@click.option(
    "--format", "format_", metavar="NAME", help="What the logs are; without it, they tell."
)
@click.option(
    "--map", "map_", metavar="NAME=FIELD,...",
    help="Where a log of another form has what: model=m,input_tokens=usage.in,...",
)  # fmt: skip
@click.option("--model", help="The model of requests that name none.")
@click.option(
    "--pace", type=click.FloatRange(min=0, min_open=True), metavar="PER_SECOND",
    help="Replay caches as if a log without times had sent so many a second, in its order.",
)  # fmt: skip
@click.option(
    "--terms", type=click.Choice([term.value for term in Terms]),
    help="What may be done with the data: any, zero retention (zdr), or in the EU.",
)  # fmt: skip
@target_option(
    "--write-policy", says="Write a policy for what may surely wait; it only observes at first."
)
@click.option(
    "--show-samples", is_flag=True,
    help="Show a few prompts of each workflow, shortened, with secrets masked. Else no text is shown.",
)  # fmt: skip
@html_option
@force_option
@json_option
@home_option
@ending()
def audit(
    *,
    paths: tuple[str, ...],
    example: bool,
    format_: str | None,
    map_: str | None,
    model: str | None,
    pace: float | None,
    terms: str | None,
    write_policy: Path | None,
    show_samples: bool,
    html: Path | None,
    force: bool,
    as_json: bool,
    home: Path | None,
) -> None:
    """Read logs that are there already: what the traffic costs, who waits for it, what would cost less.

    PATH is a file, a folder, a glob, an address (s3://...) or - for standard input: JSONL, JSON, CSV or
    Parquet, plain, .gz or .zst. Logs of gateways, observability tools, providers and lanewise itself are
    recognised. Texts are hashed here and go nowhere.
    """
    if write_policy == STDOUT:
        raise BadInput("--write-policy names -, where the report goes; name a file")
    if html == STDOUT and as_json:
        raise BadInput("--html - and --json both write to standard output; name a file for --html")
    wished = wishes(format_, map_, model)
    book = PriceBook.of_home(settings_from(home).home)
    said = None if terms is None else Terms(terms)
    now = SystemClock().now()
    logs = logs_from(paths, example=example)
    with auditing(
        logs, wished, book, now, terms=said, pace=pace, show_samples=show_samples, watch=shown
    ) as found:
        if html is not None:
            _write_page(html, found, now, force=force)
        if as_json:
            echo_json(audit_json(found))
        elif html is None:
            _tell(found)
        if write_policy is not None:
            text, policy = proposed(classes(found.found), now, said or Terms.ANY)
            write_text(write_policy, text, force=force)
            rules = _counted(len(policy.rules), "rule")
            tried = f"{write_policy} {'--example' if example else 'LOGS'}"
            click.echo(
                f"wrote {write_policy}: {rules}; try it: lanewise simulate --rolled-out {tried}",
                err=True,
            )


def _write_page(path: Path, found: Audit, now: float, *, force: bool) -> None:
    from lanewise.app.audit_page import audit_page

    _tell_unread(found.imported)
    write_page(path, audit_page(found, now), force=force)


def _tell(found: Audit) -> None:
    _tell_files(found.imported)
    total = found.sums.total
    click.echo(
        f"{_requests(total)} {'request' if total.requests == 1 else 'requests'}, "
        f"{total.input:,} input tokens ({total.cached:,} cached), {total.output:,} output tokens"
        f"{_span(total)}"
    )
    click.echo(_money(total))
    _table(found.sums)
    _tell_coverage(found.sums)
    for one in found.estimated:
        click.echo(str(one))
    tell_caches(found.replayed, found.found)
    tell_levers(found.found, found.replayed, found.looked)
    tell_samples(found.shown)
    click.echo(f"prices: {found.basis}")


def _tell_files(imported: Imported) -> None:
    """What was read as what."""
    kinds: dict[str, list[int]] = {}
    for one in imported.read:
        kinds.setdefault(one.format, []).append(one.rows)
    for name, rows in kinds.items():
        click.echo(f"read {_counted(len(rows), 'file')} of {name}: {_counted(sum(rows), 'row')}")
    _tell_unread(imported)


def _tell_unread(imported: Imported) -> None:
    """What was not read, and why."""
    broken = [one for one in imported.read if one.unread]
    for one in broken[:_FILES]:
        click.echo(f"{one.file}: {_counted(one.unread, 'line')} could not be read", err=True)
        for line in one.samples:
            click.echo(f"  line {line.number:,}: {line.why}", err=True)
    noted = [one for one in imported.read if one.notes]
    for one in noted[:_FILES]:
        click.echo(f"{one.file}: {'; '.join(one.notes)}", err=True)
    for other in imported.unread[:_FILES]:
        click.echo(f"not read: {other.file}: {other.why}", err=True)
    more = sum(max(len(files) - _FILES, 0) for files in (broken, noted, imported.unread))
    if more:
        click.echo(f"and {more:,} more files; --json names all", err=True)


def _money(total: Group) -> str:
    """What was paid by the log, and what the same costs by our prices."""
    parts = []
    if total.logged_nano is not None:
        whole = (
            ""
            if total.logged_rows == total.rows
            else f" (in {total.logged_rows:,} of {total.rows:,} rows)"
        )
        parts.append(f"by the log {dollars(total.logged_nano)}{whole}")
    if total.reckoned_nano is not None:
        parts.append(f"by the price book {dollars(total.reckoned_nano)}")
    if total.unpriced:
        parts.append(
            f"{_counted(total.unpriced, 'row')} without a known price for their model and lane"
        )
    return "; ".join(parts) or "no money: neither costs nor tokens are in the log"


def _table(sums: Sums) -> None:
    from rich.table import Table

    table = Table(show_edge=False, pad_edge=False)
    for name in ("workflow", "model", "lane"):
        table.add_column(name, overflow="fold")
    for name in ("requests", "input", "cached", "output", "logged", "reckoned"):
        table.add_column(name, justify="right", no_wrap=True)
    for group in sums.groups[:_GROUPS]:
        table.add_row(*_cells(group))
    print_table(table)
    if sums.count > _GROUPS:
        click.echo(
            f"and {sums.count - _GROUPS:,} more groups; --json has {len(sums.groups):,} of them"
        )


def _cells(group: Group) -> tuple[str, ...]:
    share = f"{group.cached / group.input:.0%}" if group.input else ""
    model = group.model or "?"
    return (
        group.workflow or "(none)",
        f"{model} at {group.provider}" if group.provider else model,
        group.lane or "",
        _requests(group),
        f"{group.input:,}",
        share,
        f"{group.output:,}",
        "" if group.logged_nano is None else dollars(group.logged_nano),
        "" if group.reckoned_nano is None else dollars(group.reckoned_nano),
    )


def _tell_coverage(sums: Sums) -> None:
    """What share of the rows says what, and what cannot be said."""
    shares = [f"{name} {share:.0%}" for name, share in sums.coverage.items() if share]
    click.echo(f"rows that have: {', '.join(shares)}")
    if 0 < sums.total.untold < sums.total.rows:
        click.echo(
            f"{_counted(sums.total.untold, 'row')} without tokens: in no sum of tokens or money"
        )
    if sums.aggregates:
        click.echo(f"{_counted(sums.aggregates, 'row')} are buckets of many requests")
    if any(sums.untold_bytes):
        prompt, answer = sums.untold_bytes
        click.echo(
            f"rows without tokens have texts of {prompt:,} and {answer:,} bytes, very roughly 4 bytes a token"
        )
    for words in sums.missing:
        click.echo(f"not in this log: {words}")


def _requests(group: Group) -> str:
    """How many; buckets may not say."""
    if group.requests is None:
        return "?"
    return f"{group.requests:,}+?" if group.uncounted else f"{group.requests:,}"


def _counted(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def _span(group: Group) -> str:
    if group.first is None or group.last is None:
        return ""
    if group.last < RELATIVE:  # since a trace began
        return f", over {timedelta(seconds=round(group.last - group.first))} h; times are not dates"
    first, last = (datetime.fromtimestamp(at, UTC) for at in (group.first, group.last))
    return f", {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
