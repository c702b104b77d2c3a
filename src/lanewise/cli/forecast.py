"""`lanewise forecast`: when work will be done, as far as anybody can say."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from lanewise.app import Engine, forecasting
from lanewise.app.accounts import SANDBOX
from lanewise.app.forecasting import CHANCES, TIMES, Forecast, completion, sold_by
from lanewise.cli.options import echo_json, home_option, json_option, settings_from
from lanewise.clock import SystemClock
from lanewise.domain import deadlines
from lanewise.domain.counts import counted
from lanewise.domain.deadlines import By
from lanewise.domain.lanes import BATCH, LaneName
from lanewise.errors import BadInput
from lanewise.policy.completion import Completion, week_block
from lanewise.policy.outlook import Curve
from lanewise.settings import Settings
from lanewise.store.sqlite.connection import DATABASE

_BAR: Final = 24
_WIDEST: Final = 100
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@click.command
@click.option(
    "--provider",
    type=click.Choice(["openai", "anthropic", SANDBOX]),
    required=True,
    help="Whose lanes; sandbox for what batches in the built-in sandbox took.",
)
@click.option("--model", required=True, help="The model; it needs no price.")
@click.option("--requests", type=int, default=1, show_default=True, help="How many are sent.")
@click.option(
    "--lane", default=BATCH, show_default=True, metavar="LANE", help="See `lanewise providers`."
)
@click.option(
    "--deadline", metavar="WHEN", help="The chance of each lane by then: 8h, 06:00, tomorrow 06:00."
)
@json_option
@home_option
def forecast(
    *,
    provider: str,
    model: str,
    requests: int,
    lane: str,
    deadline: str | None,
    as_json: bool,
    home: Path | None,
) -> None:
    """Say when work will be done, and what that rests on.

    It learns from the batches of this home; until there are some, it shows an assumption and says so. Needs
    no network and no credential, and sends nothing.
    """
    now = SystemClock().now()
    until = None if deadline is None else _instant(deadline, now)
    settings = settings_from(home)
    known = _known(settings, now)

    def of(lane: LaneName) -> Forecast:
        return forecasting.forecast(
            known, provider, model, requests, lane=lane, at=now, most=settings.batch_requests
        )

    found = of(LaneName(lane))
    lanes = [] if until is None else [of(offer.lane) for offer in sold_by(provider)]
    if as_json:
        echo_json(found.as_json() | _until_json(until, lanes))
    else:
        _tell(found, until, lanes)


def _known(settings: Settings, now: float) -> Completion:
    """What this home has seen; where there is no home, none is made."""
    if not (settings.home / DATABASE).is_file():
        return Completion([], now)
    with Engine(settings) as engine:
        return completion(engine.store, now)


def _instant(text: str, now: float) -> By:
    here = datetime.fromtimestamp(now, UTC).astimezone().tzinfo or UTC
    found = deadlines.deadline(text, now, here, zones=_zone)
    if not isinstance(found, By):
        raise BadInput(f"--deadline is {text!r}; a forecast needs a time, such as 8h or 06:00")
    return found


def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _until_json(until: By | None, lanes: list[Forecast]) -> dict[str, object]:
    if until is None:
        return {}
    chances = [
        {
            "lane": each.offer.lane,
            "chance": each.curve.done_within(until.at - each.at),
            "basis": each.curve.basis,
        }
        for each in lanes
    ]
    return {"deadline": {"at": until.at, "lanes": chances}}


def _tell(found: Forecast, until: By | None, lanes: list[Forecast]) -> None:
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    click.echo(f"{found.provider} {found.model}, lane {found.offer.lane}: {_size(found)}")
    click.echo(f"sent now, {_block(found.at)}")
    click.echo(textwrap.fill(f"basis: {found.curve.basis}", width))
    for line in _curve(found.curve):
        click.echo(line)
    if until is not None:
        for line in _chances(until, lanes):
            click.echo(line)
    click.echo()
    for note in _notes(found):
        click.echo(textwrap.fill(note, width))


def _curve(curve: Curve) -> Iterator[str]:
    yield ""
    yield "done within   chance"
    for seconds in TIMES:
        chance = curve.done_within(seconds)
        yield f"{lasting(seconds):>11}  {percent(chance):>7}  {'#' * round(_BAR * chance)}".rstrip()
    yield ""
    yield " chance  done within"
    for chance in CHANCES:
        at = curve.quantile(chance)
        yield f"{percent(chance):>7}  {'no time that is known' if at is None else lasting(at)}"


def _chances(until: By, lanes: list[Forecast]) -> Iterator[str]:
    yield ""
    yield f"done by {until.instant():%Y-%m-%d %H:%M} UTC, in {lasting(until.at - lanes[0].at)}"
    for each in lanes:
        chance = percent(each.curve.done_within(until.at - each.at))
        of = "one request" if each.offer.one_by_one else "a batch"
        yield f"{each.offer.lane:<14} {chance:>7}  {of}, {_rests_on(each)}"


def _rests_on(each: Forecast) -> str:
    seen = each.curve.sample.finished + each.curve.sample.censored
    return f"{seen:,} own, prior {percent(each.curve.assumed)}" if seen else each.curve.basis


def _notes(found: Forecast) -> Iterator[str]:
    sample = found.curve.sample
    if sample.finished + sample.censored == 0:
        yield (
            "The prior is an assumption, not a measurement: no provider publishes how long its lanes take. "
            "Nothing is promised from it. Own batches take its place as they are seen."
        )
    else:
        yield "A chance is no promise: batches of one hour share the provider's queue, good or bad."
    if found.batches is None:
        if found.requests > 1:
            yield "The curve is that of one request; how long all of them take, rate limits decide."
    elif found.batches > 1:
        yield "The curve is that of one batch; all are done when the last one is."


def _size(found: Forecast) -> str:
    requests = counted(found.requests, "request")
    if found.batches is None:
        return f"{requests}, each sent by itself"
    return f"{requests}, at least {counted(found.batches, 'batch', 'batches')}"


def _block(at: float) -> str:
    week, hours = divmod(week_block(at), 4)
    return (
        f"{'at the weekend' if week else 'on a weekday'} from {6 * hours} to {6 * hours + 6} h UTC"
    )


def percent(share: float) -> str:
    """A chance for people; never certain where it is not.

    >>> percent(0.7), percent(0.9996), percent(1.0), percent(0.0004), percent(0.0)
    ('70 %', '99.9 %', '100 %', '< 1 %', '0 %')
    """
    if 0.0 < share < 0.005:
        return "< 1 %"
    if 0.99 < share < 1.0:
        return f"{int(share * 1_000 + 1e-6) / 10:g} %"
    return f"{100 * share:.0f} %"


def lasting(seconds: float) -> str:
    """A stretch of time in its two largest units.

    >>> [lasting(s) for s in (0.4, 43, 150, 3_600, 86_400, 100_000)]
    ['0.4 s', '43 s', '2 min 30 s', '1 h', '24 h', '27 h 47 min']
    """
    if seconds < 9.5:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    left = round(seconds) if seconds < 3_600 else round(seconds / 60) * 60
    units = _UNITS if left > 2 * 86_400 else _UNITS[1:]
    parts: list[str] = []
    for size, name in units:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {name}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part)
