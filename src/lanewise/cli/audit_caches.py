"""What `lanewise audit` tells of prompt caches."""

from __future__ import annotations

from typing import Final

import click

from lanewise.audit.caching.replaying import WINDOWS
from lanewise.audit.caching.traces import SIZES
from lanewise.audit.levers import Cached, Caches, Found, Replayed
from lanewise.audit.levers.caches import WITHIN, finding, order, rested
from lanewise.audit.waiting import Waiting
from lanewise.cli.printing import print_table

_SHOWN: Final = 12
_SAID: Final = 6  # sentences of a kind


def tell_caches(replayed: Replayed | None, found: Found) -> None:
    """A table of what repeats, what can be read of it and what was, and what another order would add."""
    if replayed is None:
        return
    if replayed.sample.prompts.unsized:
        sizes = f"{SIZES[0]} to {SIZES[-1]:,} tokens"
        click.echo(
            f"\nprompt caches: the ids of blocks fit no size of {sizes}: nothing can be said"
        )
    elif replayed.caches is None:
        click.echo(
            "\nprompt caches: nothing can be said without prompts; log them, or hashes of their blocks"
        )
    if replayed.caches is None:
        return
    caches = replayed.caches
    click.echo(f"\nprompt caches, replayed over {rested(replayed.sample)}")
    click.echo(_whole(caches))
    _table(caches)
    waits = {group.name: group.judged.waiting for group in found.groups}
    _say([finding(one) for one in caches.lines])
    _say([order(one, waits.get(one.line.workflow, Waiting.UNKNOWN)) for one in caches.lines])
    if any("assumed:" in words for one in caches.lines for words in one.line.rests_on):
        click.echo("where a provider's rules were not read, those of OpenAI are assumed")
    if caches.sample.prompts.missing:
        click.echo(
            f"could not be read again, and is left out: {', '.join(caches.sample.prompts.missing[:5])}"
        )


def _whole(caches: Caches) -> str:
    """Shares of all the input."""
    whole = caches.whole
    input_ = max(whole.input, 1)
    parts = []
    for window, words in WITHIN.items():
        share = f"{whole.repeated.get(window, 0) / input_:.1%} within {words}"
        found = caches.intervals.get(window)
        parts.append(share + (f" (90%: {found.low:.1%} to {found.high:.1%})" if found else ""))
    if caches.sample.timeless:
        parts = [f"{whole.repeated.get(WINDOWS[0], 0) / input_:.1%}"]
    read = caches.cached
    achieved = "the log does not say what was read"
    if read is not None:
        achieved = f"{read / input_:.1%} was read, by the log"
    other = "" if caches.sorted is None else f", {caches.sorted / input_:.1%} if sorted by prefix"
    return (
        f"of the input {' and '.join(parts)} repeats as a prefix; {whole.usable / input_:.1%} can be read "
        f"under the providers' rules{other}; {achieved}"
    )


def _table(caches: Caches) -> None:
    from rich.table import Table

    table = Table(show_edge=False, pad_edge=False)
    for name in ("workflow", "model"):
        table.add_column(name, overflow="fold")
    for name in ("input", "5 min", "1 h", "usable", "cached", "best life", "saves more"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in caches.lines[:_SHOWN]:
        table.add_row(*_cells(one))
    print_table(table)
    if len(caches.lines) > _SHOWN:
        click.echo(f"and {len(caches.lines) - _SHOWN:,} more; --json has all")


def _cells(one: Cached) -> tuple[str, ...]:
    line = one.line
    shares = (line.share(line.repeated.get(window, 0)) for window in WITHIN)
    return (
        line.workflow or "(none)",
        line.model or "?",
        f"{line.input:,}",
        *(f"{share:.1%}" for share in shares),
        f"{line.share(line.usable):.1%}",
        "?" if line.cached is None else f"{line.share(line.cached):.1%}",
        line.best.life if line.best else "",
        str(one.money) if one.money.high else "",
    )


def _say(sentences: list[str | None]) -> None:
    said = [sentence for sentence in sentences if sentence is not None]
    for sentence in said[:_SAID]:
        click.echo(sentence)
    if len(said) > _SAID:
        click.echo(f"and {len(said) - _SAID:,} more of these; --json has all")
