"""`lanewise status --watch`: the same lines again and again, in place on a terminal."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final, Self

import click

from lanewise.app import Engine
from lanewise.app.outlooks import Standings
from lanewise.app.standing import Standing
from lanewise.cli.show import when
from lanewise.cli.standing import counts, lines, slack_and_finish
from lanewise.cli.workers import START
from lanewise.store.nouns import Run

_EVERY: Final = 1.0  # seconds
_PLAIN_EVERY: Final = 60.0  # seconds between plain lines without news


def watch(engine: Engine, name: str | None) -> None:
    """Until the run is finished, or, without one, until it is interrupted."""
    show = _Terminal() if sys.stdout.isatty() else _Lines()
    try:
        with show:
            for items in _looks(engine, name):
                now = engine.clock.now()
                show(items, now, alive=bool(engine.store.workers(now)))
    except KeyboardInterrupt:
        return


def _looks(engine: Engine, name: str | None) -> Iterator[Sequence[Standing]]:
    standings = Standings(engine.store)
    seen: set[str] = set()
    while True:
        runs = [engine.run(name)] if name else _open(engine, seen)
        yield standings.of(runs, engine.clock.now())
        if name and runs[0].state == "finished":
            return
        time.sleep(_EVERY)


def _open(engine: Engine, seen: set[str]) -> list[Run]:
    """Open runs, and those that were open when this began to look."""
    runs = engine.store.runs(open_only=True)
    known = {run.id for run in runs}
    ended = [engine.run(run) for run in sorted(seen - known)]
    seen |= known
    return [*runs, *ended]


class _Terminal:
    """Redraws in place, the least slack first; says how many runs there was no room for."""

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.live import Live

        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False)
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def __call__(self, items: Sequence[Standing], now: float, *, alive: bool) -> None:
        """Draw."""
        from rich.text import Text

        head = [f"{when(now)}; Ctrl-C ends this, the work goes on"]
        if not alive:
            head.append(f"no worker is alive: nothing happens until `{START}`")
        said = fitting(items, self._console.height - len(head) - 2) or ["no run is open"]
        # A line that wraps would push others off the screen.
        text = Text("\n".join([*head, "", *said]), no_wrap=True, overflow="ellipsis")
        self._live.update(text, refresh=True)


def fitting(items: Sequence[Standing], rows: int) -> list[str]:
    """The runs that matter first, whole where there is room; the last row says what is left out.

    First comes the run with the least slack, last what is finished.
    """
    blocks = [list(lines(item)) for item in sorted(items, key=_urgency)]
    said: list[str] = []
    for shown, block in enumerate(blocks):
        more = len(blocks) - shown - 1
        room = rows - len(said) - (more > 0)
        if len(block) > room:
            # The first run is cut off rather than hidden: what it says first matters most.
            said += block[: max(room, 1)] if not said else []
            hidden = more + bool(shown)
            return [*said, f"and {hidden:,} more: lanewise status"] if hidden else said
        said += block
    return said


def _urgency(item: Standing) -> tuple[bool, float]:
    slack = math.inf if item.slack is None else item.slack
    return item.run.state == "finished", -math.inf if item.at_once else slack


class _Lines:
    """A line for each run when its counts or batches change, and now and then."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __call__(self, items: Sequence[Standing], now: float, *, alive: bool) -> None:
        """Say what is new."""
        for item in items:
            news = f"{item.run.name}: {item.run.state}, {counts(item.run)}"
            said, at = self._said.get(item.run.id, ("", 0.0))
            if news != said or now - at >= _PLAIN_EVERY:
                self._said[item.run.id] = (news, now)
                more = slack_and_finish(item)
                click.echo(f"{when(now)}  {news}" + (f"; {more}" if more else ""))
