"""Where runs stand, in lines for people that fit 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from lanewise.app.standing import ROOM, BatchStanding, Finish, Standing, provider_id
from lanewise.cli.show import when
from lanewise.domain.counts import counted
from lanewise.policy.saying import percent, span
from lanewise.store.nouns import Run

_DAY: Final = 86_400.0
_WIDTH: Final = 78
SHOWN: Final = 8  # batches of a run where nobody asked for all of them


def lines(item: Standing, *, most: int | None = SHOWN) -> Iterator[str]:
    """A run and what is open of it; at most so many batches, those with the least slack."""
    yield run_line(item.run)
    if item.run.state == "finished":
        return
    for line in _prospects(item, whole=most is None):
        yield from textwrap.wrap(line, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    shown = item.batches[:most]
    for batch in shown:
        yield from (f"  {line}" for line in batch_lines(batch, item.now, whole=most is None))
    if len(shown) < len(item.batches):
        more = len(item.batches) - len(shown)
        yield f"  and {counted(more, 'more batch', 'more batches')} (lanewise status {item.run.name})"


def run_line(run: Run) -> str:
    """Its name, its state, its counts, and since when."""
    since = datetime.fromtimestamp(run.created_at, UTC).astimezone()
    return f"{run.name}  {run.state}  {counts(run)}  since {since:%Y-%m-%d %H:%M}"


def counts(run: Run) -> str:
    """How many of its requests have which result.

    >>> from lanewise.domain.ids import RunId
    >>> counts(Run(RunId("r"), "r", "w", "", "", 9, 1, "open", 0.0, None, 5, 1, 0))
    '5 of 9 answered, 1 refused'
    """
    parts = [f"{run.answered:,} of {run.requests:,} answered"]
    parts += [f"{run.refused:,} refused"] * bool(run.refused)
    parts += [f"{run.unanswered:,} unanswered"] * bool(run.unanswered)
    parts += [f"{run.late:,} late"] * bool(run.late)
    return ", ".join(parts)


def slack_and_finish(item: Standing) -> str:
    """The same in half a line, for progress; empty where nothing is due."""
    if item.due is None or item.finish is None:
        return ""
    slack = "no slack" if not item.slack or item.slack <= 0.0 else f"slack {span(item.slack)}"
    likely = item.finish.likely
    return slack if likely is None else f"{slack}, done about {clock(likely, item.now)}"


def clock(at: float, now: float) -> str:
    """An instant in local time, as short as it is clear beside `now`.

    >>> [len(clock(at, 0.0)) for at in (0.0, 3 * 86_400.0, 30 * 86_400.0)]
    [5, 9, 16]
    """
    there, here = (datetime.fromtimestamp(t, UTC).astimezone() for t in (at, now))
    if there.date() == here.date():
        return f"{there:%H:%M}"
    return f"{there:%a %H:%M}" if 0.0 < at - now < 6 * _DAY else f"{there:%Y-%m-%d %H:%M}"


def _prospects(item: Standing, *, whole: bool) -> Iterator[str]:
    now, found = item.now, item.finish
    yield from _due(item)
    if found is not None:
        yield from _finish(item, found)
        full = sum(batch.waits == ROOM for batch in item.batches)
        if full:
            waits = "1 batch waits" if full == 1 else f"{full:,} batches wait"
            yield f"{waits} for room in the provider's queue: it may take longer"
        if whole:
            yield f"basis: {found.basis}"
    if item.unpacked:
        yield f"not packed yet: {counted(item.unpacked, 'request')}"
    if item.slack is not None and item.last_call is not None:
        then = f": at {clock(item.last_call, now)} what is missing is sent in real time"
        yield f"slack {_left(item.slack)}" + (then if found is not None and found.rescued else "")


def _due(item: Standing) -> Iterator[str]:
    said = f' (said "{item.run.asked}")' if item.run.asked else ""
    if item.at_once:
        yield "wanted at once"
    if item.due is not None:
        left = item.due - item.now
        away = f"in {span(left)}" if left > 0 else f"{span(-left)} ago"
        yield f"due {when(item.due)}{said}, {away}"
    elif not item.at_once:
        yield "no deadline: the cheapest lane, whenever"


def _finish(item: Standing, found: Finish) -> Iterator[str]:
    if found.likely is None:
        yield "when it will be done is not known"
        return
    text = f"expected to be done about {clock(found.likely, item.now)}"
    if found.nearly is not None and found.nearly - found.likely >= 60.0:
        text += f", nine times in ten by {clock(found.nearly, item.now)}"
    yield text
    if item.due is not None and item.due <= item.now:
        yield "late already: what is missing is sent as soon as anybody can"
    elif found.in_time == 1.0:
        yield "in time, as far as the rate limits tell"
    elif found.in_time is not None:
        rest = "; what is late is called back" if found.rescued else ""
        yield f"{percent(found.in_time)} in time where it is now{rest}"


def batch_lines(item: BatchStanding, now: float, *, whole: bool) -> Iterator[str]:
    """A batch; `whole`: with whom it is sent to."""
    row = item.row
    done = counted(row.requests, "request")
    if row.done is not None:
        done = f"{row.done:,} of {row.requests:,} done"
    slack = "" if item.last_call is None else f"  slack {_left(item.last_call - now)}"
    yield f"batch {row.batch.id}  {row.batch.state}  {row.lane}  {done}{slack}"
    if whole:
        named = [row.key.provider, row.key.endpoint, row.key.model]
        if (theirs := provider_id(row)) is not None:
            named.append(f"as {theirs}")
        yield "  " + " ".join(filter(None, named))
    for note in _notes(item, now):
        yield from textwrap.wrap(note, _WIDTH, initial_indent="  ", subsequent_indent="    ")


def _notes(item: BatchStanding, now: float) -> Iterator[str]:
    row = item.row
    reason = getattr(row.batch, "why", "")
    if reason:
        yield reason
    if item.waits:
        timed = item.waits != ROOM and row.batch.due_at is not None and row.batch.due_at > now
        yield f"{item.waits}{f', until {clock(row.batch.due_at or now, now)}' if timed else ''}"
    if item.stuck:
        yield f"stuck: {item.stuck}"
    if row.rescued_at is not None:
        yield "what it had not answered is asked elsewhere; the first answer counts"
    elif row.cancel_asked_at is not None:
        yield f"called back at {clock(row.cancel_asked_at, now)}; what it did is collected"


def _left(seconds: float) -> str:
    return span(seconds) if seconds > 0.0 else "none"
