"""Estimates for people."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from lanewise.domain.counts import counted
from lanewise.domain.lanes import BATCH, REALTIME
from lanewise.pricing.dollars import dollars, plain
from lanewise.tokens.estimate import Estimate, Group, Offer
from lanewise.tokens.measuring import Range, assumed
from lanewise.tokens.models import Method
from lanewise.tokens.packs import Pack

if TYPE_CHECKING:
    from rich.table import Table

_FROM = {
    "none": "no output",
    "history": "by its history",
    "limit": "at most its limit",
    "assumed": "assumed",
}


def show(estimate: Estimate, names: Sequence[str]) -> None:
    """A table of models and lanes on standard output, and under it what else there is to know.

    `names`: of the sources that were read, for warnings.
    """
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    console.print(_table(estimate))
    console.print()
    for line in (summary(estimate), *notes(estimate, names)):
        console.print(line, markup=False)


def summary(estimate: Estimate) -> str:
    """One line: the batch lane's range, and what it saves."""
    batch, realtime = estimate.total(BATCH), estimate.total(REALTIME)
    batches = counted(estimate.batches, "batch", "batches")
    if estimate.unpriced == estimate.requests:
        return f"{counted(estimate.requests, 'request')} in {batches}; what they cost is not known"
    text = (
        f"{counted(estimate.requests, 'request')} in {batches}: likely {about(batch.likely)}, "
        f"{about(batch.low)} to {about(batch.high)}"
    )
    if not estimate.unpriced:
        text += f"; in real time likely {about(realtime.likely)}"
    return text


def notes(estimate: Estimate, names: Sequence[str]) -> Iterator[str]:
    """What is not in the table: packing, warnings, assumptions."""
    for pack in estimate.packs:
        yield from _packed(pack)
    for warned in estimate.warnings:
        where = f"{names[warned.source]}:{warned.line}"
        yield f"warning: {counted(warned.requests, 'request')}, first {where}: {warned.what}"
    if estimate.unpriced:
        models = ", ".join(estimate.unpriced_models)
        yield (
            f"warning: {counted(estimate.unpriced, 'request')} of unknown price in the batch lane, in no "
            f"total: {models}"
        )
    for group in estimate.groups:
        yield from _assumptions(group)


def _packed(pack: Pack) -> Iterator[str]:
    name = f"{pack.provider} {pack.model or pack.endpoint}"
    if pack.full:
        why = ", ".join(f"{count:,} full by {limit}" for limit, count in pack.full.items())
        yield f"{name}: {counted(pack.batches, 'batch', 'batches')} ({why})"
    hourly = pack.limits.creations_per_hour
    if hourly is not None and pack.batches > hourly:
        hours = -(-pack.batches // hourly)
        yield f"{name}: {counted(hours, 'hour')} to create them, at {hourly:,} batches an hour"


def _assumptions(group: Group) -> Iterator[str]:
    name = f"{group.provider} {group.model}"
    if group.method not in (Method.EXACT, Method.EXACT_FAMILY):
        yield f"{name}: tokens by {group.counting}"
    if group.sampled:
        yield f"{name}: sampled, {group.counted:,} of {group.requests:,} requests counted"
    for part, count in group.parts.items():
        _, likely, high = assumed(part, group.model)
        yield (
            f"{name}: {counted(count, 'part')} not countable ({part}), taken for {likely:,} tokens each, "
            f"at most {high:,}"
        )
    if group.schemas:
        with_ = counted(group.schemas, "request")
        yield f"{name}: {with_} with tools or an answer format, counted as their JSON"
    for day in group.changes:
        yield f"{name}: other prices are known from {day}"


def _table(estimate: Estimate) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    title = f"Estimate, prices of {estimate.at.date().isoformat()}"
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, pad_edge=False
    )
    table.add_column("model")
    for name in ("requests", "tokens in", "tokens out"):
        table.add_column(name, justify="right")
    table.add_column("lane")
    for name in ("at least", "likely", "at most"):
        table.add_column(name, justify="right")
    table.add_column("price")
    for group in estimate.groups:
        described = _described(group)
        offered = [_offered(offer, group) for offer in group.offers]
        for left, right in zip_longest(described, offered, fillvalue=("",) * 5):
            table.add_row(*left[:4], *right)
        table.add_section()
    if len(estimate.groups) > 1:
        for lane in (REALTIME, BATCH):
            total = estimate.total(lane)
            table.add_row("all", f"{estimate.requests:,}", "", "", lane, *map(about, total), "")
    return table


def _described(group: Group) -> list[tuple[str, ...]]:
    sources = ", ".join(_FROM[source] for source in group.output_from)
    return [
        (group.model, f"{group.requests:,}", f"{group.input.likely:,}", f"{group.output.likely:,}"),
        (group.endpoint, "", _between(group.input), _between(group.output)),
        ("", "", str(group.method), sources),
    ]


def _offered(offer: Offer, group: Group) -> tuple[str, ...]:
    if offer.cost is None:
        return offer.lane, "", "unknown", "", offer.status
    cheapest = offer.lane == group.cheapest and offer.cost.likely > 0
    status = f"{offer.status}, cheapest" if cheapest else offer.status
    return offer.lane, *(about(amount) for amount in offer.cost), status


def _between(tokens: Range) -> str:
    return "" if tokens.low == tokens.high else f"{tokens.low:,} to {tokens.high:,}"


def about(nano: int) -> str:
    """An estimated amount: cents, and below a dollar three digits that mean something.

    >>> about(1_234_567_890), about(70_858_250), about(186_375), about(0)
    ('$1.23', '$0.0709', '$0.000186', '$0')
    """
    if nano >= 1_000_000_000:
        return dollars(nano)
    return f"${plain(round(nano, 3 - len(str(nano))))}"
