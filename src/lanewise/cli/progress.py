"""How a run is getting on: a bar on a terminal, plain lines elsewhere, nothing for programs."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import click

from lanewise.app.standing import Standing
from lanewise.cli.standing import counts, slack_and_finish
from lanewise.store.nouns import Run

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_EVERY = 0.2  # seconds between looks at the batches
_WIDE = 110  # columns: a bar, slack, finish and the states of batches fit beside each other
_PLAIN_EVERY = 10.0  # seconds between plain lines without news


class Progress(Protocol):
    """Told what happens; may be entered more than once, one time after the other."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def pause(self) -> None:
        """Leave the terminal to somebody who asks a question."""
        ...

    def reading(self, count: int) -> None:
        """So many requests were read."""
        ...

    def working(self, run: Run, look: Callable[[], Standing]) -> None:
        """The run stands like this."""
        ...


def progress_for(*, quiet: bool) -> Progress:
    """The form that fits where standard error goes."""
    if quiet:
        return Silent()
    return Bar() if sys.stderr.isatty() else Plain()


class Silent:
    """Says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def pause(self) -> None:
        """Nothing to leave."""

    def reading(self, count: int) -> None:
        """Nothing to say."""

    def working(self, run: Run, look: Callable[[], Standing]) -> None:
        """Nothing to say."""


class Plain(Silent):
    """A line when something changed, at most one in a while when nothing did."""

    def __init__(self) -> None:
        self._said = ""
        self._said_at = 0.0
        self._looked_at = 0.0

    def working(self, run: Run, look: Callable[[], Standing]) -> None:
        """One line of counts and batch states, with slack and finish where something is due."""
        now = time.monotonic()
        if run.state != "finished" and now - self._looked_at < _EVERY:
            return
        self._looked_at = now
        item = look()
        text = f"{run.name}: {counts(run)}; {_states(item)}"
        if text != self._said or now - self._said_at > _PLAIN_EVERY:
            more = slack_and_finish(item)
            click.echo(f"{text}; {more}" if more else text, err=True)
            self._said, self._said_at = text, now


class Bar(Silent):
    """A bar with the counts and the states of the batches."""

    def __init__(self) -> None:
        self._shown: RichProgress | None = None
        self._task: TaskID | None = None
        self._looked_at = 0.0

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._shown = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[states]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = None
        self._shown.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pause()

    def pause(self) -> None:
        """Take the bar away: what others write would be held back while it stands."""
        if self._shown is not None:
            self._shown.stop()
            self._shown = None

    def reading(self, count: int) -> None:
        """How far the input was read; its length is not known."""
        self._update("reading", count, None, "")

    def working(self, run: Run, look: Callable[[], Standing]) -> None:
        """How many requests have their final result."""
        now = time.monotonic()
        if now - self._looked_at >= _EVERY:
            self._looked_at = now
            done = run.requests - run.remaining
            self._update(run.name, done, run.requests, self._standing(look()))

    def _standing(self, item: Standing) -> str:
        """On a narrow terminal, when it is done matters more than what its batches do."""
        due, states = slack_and_finish(item), _states(item)
        narrow = self._shown is not None and self._shown.console.width < _WIDE
        return due if due and narrow else "; ".join(filter(None, (due, states)))

    def _update(self, what: str, done: int, total: int | None, states: str) -> None:
        if self._shown is None:
            return
        if self._task is None:
            self._task = self._shown.add_task(what, total=total, states=states)
        self._shown.update(self._task, description=what, completed=done, total=total, states=states)


def _states(item: Standing) -> str:
    found = Counter(batch.row.batch.state for batch in item.batches)
    return ", ".join(f"{count} {state}" for state, count in found.items()) or "nothing under way"
