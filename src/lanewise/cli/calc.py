"""`lanewise calc`: what a workload would cost a month, lane by lane. No network, no home needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from lanewise.cli import calc_explain as terms
from lanewise.cli import calc_output as output
from lanewise.cli.calc_input import Asked, from_file, volumes, workload
from lanewise.cli.spans import day as day_of
from lanewise.domain.lanes import LANES
from lanewise.errors import BadInput
from lanewise.pricing import PriceBook
from lanewise.pricing.calculator import Bill, Workload, calculate
from lanewise.pricing.calculator.machines import BreakEven, break_even
from lanewise.pricing.selling import MAKERS, require_known
from lanewise.settings import load


@click.command
@click.option("--model", help="The model, e.g. gpt-4o-mini.")
@click.option("--provider", help="Who sells it; without it, its maker.")
@click.option("--in", "in_", metavar="TOKENS", help="10M/day, or of a request: 1200, or p50..p95.")
@click.option("--out", metavar="TOKENS", help="The same for output.")
@click.option("--n", metavar="RATE", help="Requests, e.g. 20000/day, where --in is one request's.")
@click.option("--cached", metavar="SHARE", help="Of the input, what is read from a cache: 60%.")
@click.option("--wait-share", metavar="SHARE", help="Of the requests, what can wait. [100%]")
@click.option("--wait", metavar="TIME", help="How long it can wait: 8h, 30m, 1d, none. [24h]")
@click.option(
    "--rescue", metavar="SHARE", help="Of what waits, what is sent in real time after all."
)
@click.option("--waste", metavar="SHARE", help="Paid for in the lane and not used, of its cost.")
@click.option("--lane", type=click.Choice(list(LANES)), help="This lane and real time only.")
@click.option("--compare", metavar="MODELS", help="Other models too: a,b or all.")
@click.option(
    "--file", "file", type=click.Path(path_type=Path), help="[[workload]] rows in a TOML file."
)
@click.option("--self-hosted", metavar="NAME", help="Beside a machine of prices.toml.")
@click.option("--at", metavar="DATE", help="Prices of this day (UTC). [today]")
@click.option("--explain", is_flag=True, help="Print every term of the sums.")
@click.option("--json", "form", flag_value="json", help="Print JSON for programs.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV.")
@click.option("--md", "form", flag_value="md", help="Print a Markdown table.")
@click.option(
    "--coefficients", "form", flag_value="coefficients",
    help="Print what a web page needs to calculate by itself, as JSON.",
)  # fmt: skip
@click.option("--home", type=click.Path(path_type=Path), help="Whose prices.toml. [LANEWISE_HOME]")
def calc(
    *,
    compare: str | None,
    file: Path | None,
    lane: str | None,
    self_hosted: str | None,
    at: str | None,
    explain: bool,
    form: str | None,
    home: Path | None,
    **given: str | None,
) -> None:
    """Calculate what a workload costs in a month of 30 days, in every lane its provider offers.

    lanewise calc --model gpt-4o --in 10M/day

    lanewise calc --model gpt-5-mini --in 1200..4000 --out 150 --n 20000/day --cached 60% --wait 8h
    """
    _require_shown(form, explain=explain, self_hosted=self_hosted)
    book = PriceBook.of_home(load(home=home).home)
    when = day_of(at)
    bills = _bills(book, when, _asked(given, file), compare, None if lane is None else [lane])
    machine = None if self_hosted is None else _on_machine(book, self_hosted, bills)
    match form:
        case "json":
            found = output.as_json(book, when, bills, machine)
            if explain:
                terms.add_terms(found, bills)
            click.echo(json.dumps(found))
        case "coefficients":
            click.echo(json.dumps(_coefficients(book, bills, when)))
        case "csv":
            click.echo(output.as_csv(bills), nl=False)
        case "md":
            click.echo(output.as_markdown(bills))
        case _:
            click.echo(output.as_text(when, bills, compared=compare is not None, machine=machine))
    if explain and form is None:
        click.echo(terms.explained(bills))


def _require_shown(form: str | None, *, explain: bool, self_hosted: str | None) -> None:
    """Refuse what the chosen form has no place for, rather than leave it out unsaid."""
    asked = {"--explain": explain, "--self-hosted": self_hosted is not None}
    for name, given in asked.items():
        if given and form not in (None, "json"):
            raise BadInput(
                f"--{form} has no place for {name}; give it with --json, or with no form"
            )


def _asked(given: dict[str, str | None], file: Path | None) -> list[Asked]:
    values = {key.rstrip("_"): text for key, text in given.items() if text is not None}
    if file is None:
        return [Asked("", values)]
    if values:
        names = ", ".join(f"--{key.replace('_', '-')}" for key in values)
        raise BadInput(f"--file holds whole workloads; {names} cannot be given with it")
    return list(from_file(file))


def _bills(
    book: PriceBook,
    when: datetime,
    asked: Sequence[Asked],
    compare: str | None,
    lanes: list[str] | None,
) -> list[Bill]:
    if compare is None:
        works = [workload(book, item, when) for item in asked]
        return [calculate(book, work, when, lanes=lanes) for work in works]
    if len(asked) != 1 or asked[0].where:
        raise BadInput("--compare compares models for one workload; it cannot be given with --file")
    return _compared(book, when, asked[0], compare, lanes)


def _compared(
    book: PriceBook, when: datetime, asked: Asked, compare: str, lanes: list[str] | None
) -> list[Bill]:
    """Cheapest first; of unknown price last."""
    named = [asked.values["model"]] if "model" in asked.values else []
    if compare != "all":
        others = [name.strip() for name in compare.split(",") if name.strip()]
        if not others:
            raise BadInput(f"--compare is {compare!r}; it takes models such as gpt-4o,o3, or all")
        named += others
    works = [
        workload(book, Asked("", asked.values | {"model": name}), when)
        for name in dict.fromkeys(named)
    ]
    bills = [calculate(book, work, when, lanes=lanes, announce=False) for work in works]
    if compare == "all":
        there = {(work.provider, work.model) for work in works}
        every = (work for work in _every(book, asked) if (work.provider, work.model) not in there)
        found = (calculate(book, work, when, lanes=lanes, announce=False) for work in every)
        bills += [bill for bill in found if bill.cheapest is not None and bill.cheapest.pico]
    if not bills:
        raise BadInput("--compare all found no model whose price for this is known; name models")
    return sorted(bills, key=_cost)


def _every(book: PriceBook, asked: Asked) -> Iterator[Workload]:
    """The same work for each model of a provider, or of all makers."""
    provider = asked.values.get("provider")
    if provider is not None:
        require_known(book, provider)
    for who in MAKERS if provider is None else (provider,):
        for model in book.models(who):
            yield volumes(asked, who, model)


def _cost(bill: Bill) -> tuple[bool, Any, str]:
    best = bill.cheapest
    pico = None if best is None else best.pico
    return pico is None, pico or 0, bill.workload.model


def _on_machine(book: PriceBook, name: str, bills: Sequence[Bill]) -> list[BreakEven | None]:
    machines = {machine.name: machine for machine in book.tables[2].machines}
    if name not in machines:
        known = ", ".join(machines) or "none; add [self_hosted.NAME] to prices.toml in the home"
        raise BadInput(f"--self-hosted is {name!r}; known are: {known}")
    return [
        None if (best := bill.cheapest) is None else break_even(machines[name], bill.workload, best)
        for bill in bills
    ]


def _coefficients(book: PriceBook, bills: Sequence[Bill], when: datetime) -> dict[str, Any]:
    from lanewise.pricing.calculator.coefficients import coefficients

    works = [bill.workload for bill in bills]
    return coefficients(book, [(work.provider, work.model) for work in works], when)
