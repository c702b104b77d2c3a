"""The story of a request in plain words, in lines that fit the terminal."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from lanewise.app.standing import provider_id
from lanewise.app.story import Story, Try
from lanewise.cli.otherwise import other_way
from lanewise.cli.show import when
from lanewise.domain.counts import counted
from lanewise.domain.deadlines import UNLESS
from lanewise.domain.decisions import Decision
from lanewise.domain.lanes import BATCH, HELD
from lanewise.domain.results import Verdict
from lanewise.policy.saying import lane_said, span
from lanewise.pricing.dollars import dollars
from lanewise.store.nouns import Call, Event, RequestTrace
from lanewise.store.records import Record

_WIDEST: Final = 100
_INDENT: Final = "    "

# What happened to a batch, as a sentence begins; what is not told is left out, others are shown as they are.
_HAPPENED: Final = {
    "batch.waits": "waits",
    "batch.submitted": "the provider has it",
    "batch.unknown": "nobody knows whether the provider took it: it is looked for, never sent twice",
    "batch.stuck": "noticed that it is stuck",
    "batch.withdrawn": "called back",
    "batch.cancel_failed": "calling it back failed",
    "batch.rescued": "from here on the first answer counts",
    "batch.ended": "the provider is done with the batch",
    "batch.rejected": "taken out of the batch",
    "batch.cancelled": "given up before it was sent",
    "results.gone": "the results are gone",
    "run.cancelling": "the run was cancelled",
    "run.retried": "the run was opened again",
}
_UNTOLD: Final = (
    "batch.sending", "batch.uploading", "batch.uploaded", "batch.creating", "batch.collected",
    "batch.settled", "batch.note", "run.accepted", "run.finished", "cache.primed",
)  # fmt: skip
_RESULTS: Final = {
    Verdict.ANSWERED: "answered",
    Verdict.SURPLUS: "answered once more: another answer was first, this one is waste",
    Verdict.REFUSED: "refused by the provider",
    Verdict.FAILED: "the provider could not answer it",
    Verdict.EXPIRED: "not answered before the batch expired, and not charged",
    Verdict.CANCELLED: "not answered before it was called back, and not charged",
    Verdict.MISSING: "no result came back for it",
}
_CALLS: Final = {
    "sent": "sent",
    "accepted": "accepted by the provider, which works on it in the background",
    "not_taken": "not taken by the provider, and not charged",
    "lost": "no answer, and nobody knows whether there was one: the most it may cost is booked",
}


def lines(story: Story) -> Iterator[str]:
    """The whole story, each line no wider than the terminal."""
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    for text, indent in _told(story):
        yield from textwrap.wrap(
            text,
            width,
            initial_indent=indent,
            subsequent_indent=indent + _INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]


def _told(story: Story) -> Iterator[tuple[str, str]]:
    yield from ((text, "") for text in _head(story))
    yield "", ""
    for moment in _timeline(story):
        yield f"{when(moment.at)}  {moment.text}", ""
    yield "", ""
    yield from _ending(story)
    if story.otherwise:
        yield "", ""
        yield "otherwise", ""
        yield from ((other_way(item, story), "  ") for item in story.otherwise)


def _head(story: Story) -> Iterator[str]:
    trace, run = story.trace, story.trace.run
    yield f"request {trace.caller_id!r}: line {trace.number} of {run.source}, {trace.length:,} bytes"
    yield from _shared(trace)
    yield f"run {run.name}, workflow {run.workflow}; providers know it as {story.custom_id}"
    whose = "its run said" if run.asked.endswith(UNLESS) else "said"
    said = f' ({whose} "{run.asked}")' if run.asked else ""
    if story.deadline is not None:
        yield f"deadline {when(story.deadline)}{said}"
    else:
        yield f"deadline {'at once' if story.at_once else 'none, whenever'}{said}"


def _shared(trace: RequestTrace) -> Iterator[str]:
    """Whose answer a copy gets, and who else gets that of an original."""
    if trace.original is not None:
        yield f"same content as {trace.original!r}: that is asked, and this gets its answer"
        yield f"what follows is told of {trace.original!r}; this one costs nothing more"
    elif trace.copies == 1:
        yield "one other request of the same content gets its answer"
    elif trace.copies:
        yield f"{trace.copies:,} other requests of the same content get its answer"


# -- in order -------------------------------------------------------------------------------------
def _timeline(story: Story) -> list[_Moment]:
    """What happened, oldest first; things of one instant in the order in which they were written down."""
    told = [_Moment(story.trace.run.created_at, 0, text) for text in _accepted(story)]
    decision = story.trace.decision
    for item in story.tries:
        told += _folded(list(_try(item, decision, again=item is not story.tries[0])))
        decision = item.trace.batch.decision or decision
    ends = max((moment.at for moment in told), default=0.0)
    told += [
        _Moment(event.at, event.id, text)
        for event in story.events
        if (event.at <= ends or story.state == "waiting") and (text := _said(event))
    ]
    if story.trace.outcome is not None and story.trace.outcome_at is not None:
        text = f"ended without an answer: {story.trace.outcome.message}"
        told.append(_Moment(story.trace.outcome_at, sys.maxsize, text))
    return sorted(told, key=lambda moment: (round(moment.at, 3), moment.order))


class _Moment(NamedTuple):
    """Something that happened; `order`: the number of the event that tells it, or of the one before it."""

    at: float  # seconds since the epoch; of calls, to the millisecond
    order: int
    text: str


def _folded(told: list[_Moment]) -> Iterator[_Moment]:
    """What happened to one try again and again is told once, where it began."""
    counted = Counter(moment.text for moment in told)
    last = {moment.text: moment.at for moment in told}
    for moment in told:
        count = counted.pop(moment.text, 0)
        if count == 1:
            yield moment
        elif count > 1:
            until = when(last[moment.text])
            yield moment._replace(text=f"{moment.text} ({count} times, until {until})")


def _accepted(story: Story) -> Iterator[str]:
    yield "accepted"
    decision = story.trace.decision
    if decision is not None:
        yield f"decided on {_why(decision)}{_rule(decision)}"


def _why(decision: Decision) -> str:
    """The lane, and the sentence that says why; most of them begin with the lane."""
    lane = lane_said(decision.lane)
    return decision.why if decision.why.startswith(lane) else f"{lane}: {decision.why}"


def _rule(decision: Decision) -> str:
    if not decision.policy:
        return ""
    rule = f"rule {decision.rule!r}" if decision.rule else "no rule, the default"
    return f" ({rule} of policy {decision.policy})"


def _try(item: Try, before: Decision | None, *, again: bool) -> Iterator[_Moment]:
    packed = next((event for event in item.events if event.kind == "batch.packed"), None)
    order = 0 if packed is None else packed.id
    yield _Moment(item.trace.batch.created_at, order, _packed(item, before, again=again))
    for event in item.events:
        if event is packed:
            continue
        order = event.id
        if event.kind == "batch.settled" and item.settled_at is not None:
            yield from _calls(item, order - 1)
            yield _Moment(item.settled_at, order, _result(item))
        elif event.kind == "batch.packed":
            yield _Moment(event.at, order, f"not taken yet, tried again later: {event.detail}")
        elif text := _said(event):
            yield _Moment(event.at, order, text)
    if item.settled_at is None:
        yield from _calls(item, order)


def _packed(item: Try, before: Decision | None, *, again: bool) -> str:
    row, now = item.trace.batch, item.trace.batch.decision
    what = "packed again" if again else "packed"
    text = f"{what} into batch {row.batch.id} of {counted(row.requests, 'request')}"
    if row.lane != BATCH:
        text += ", held for its hours" if row.lane == HELD else f", to go in {lane_said(row.lane)}"
    if row.after is not None:
        text += f", behind batch {row.after}, which warms the prompt cache"
    elif row.marked:
        text += ", marked for the prompt cache"
    if now is not None and before is not None and now.why != before.why:
        text += f", decided anew on {_why(now)}"
    return text


def _said(event: Event) -> str:
    if event.kind in _UNTOLD:
        return ""
    begins = _HAPPENED.get(event.kind, event.kind.replace(".", " "))
    joint = " " if event.kind == "batch.waits" else ": "
    return f"{begins}{joint}{event.detail}" if event.detail else begins


def _calls(item: Try, order: int) -> Iterator[_Moment]:
    """Calls that lanewise made itself; of how most of them ended no time is kept."""
    at = item.trace.batch.created_at
    for call in item.trace.calls:
        at = call.at or at
        if call.what != "result":
            yield _Moment(at, order, _call(call))


def _call(call: Call) -> str:
    text = _CALLS[call.what]
    return f"{text} as {call.provider_id}" if call.provider_id else text


def _result(item: Try) -> str:
    verdict, record = item.verdict, item.trace.record
    if verdict is None or record is None:
        return "its results were read, and are no longer kept"
    if (text := _without_result(item, verdict)) is not None:
        return text
    text = _RESULTS[verdict]
    if item.waste_nano is not None:
        text += f" of {dollars(item.waste_nano)}"
    status = record.status if verdict in (Verdict.REFUSED, Verdict.FAILED) else 0
    return f"{text} (HTTP {status})" if status else text


def _without_result(item: Try, verdict: Verdict) -> str | None:
    """How it ended here, where that is not what the verdict alone says."""
    row, calls = item.trace.batch, item.trace.calls
    if row.rescued_at is not None and not verdict.final:
        return "the batch ended without an answer for it"
    if verdict is Verdict.CANCELLED and item.called_back_at is None:
        return "cancelled before it was answered, and not charged"
    if verdict is not Verdict.MISSING:
        return None
    if calls and calls[-1].what == "not_taken":
        return f"{lane_said(row.lane)} was left without an answer, and nothing was charged"
    return "never sent from this batch" if not calls and provider_id(row) is None else None


# -- what came of it ------------------------------------------------------------------------------
def _ending(story: Story) -> Iterator[tuple[str, str]]:
    answer, outcome = story.answer, story.trace.outcome
    if answer is not None and answer.settled_at is not None:
        yield f"answered {when(answer.settled_at)}{_punctual(story)}", ""
        if answer.trace.record is not None:
            yield from ((text, "  ") for text in _money(answer.trace.record))
    elif outcome is not None:
        yield f"{story.state}: {outcome.code}, {outcome.message}", ""
    else:
        states = {
            "sent": "under way: no result yet",
            "waiting": "waits to be packed",
            "refused": "refused: the provider said no; its words are in the results",
        }
        yield states.get(story.state, story.state), ""
    wasted = [item.waste_nano for item in story.tries if item.waste_nano is not None]
    if wasted:
        often = "twice" if len(wasted) == 1 else f"{len(wasted) + 1} times"
        yield f"waste {dollars(sum(wasted))}: it was answered {often}", "  "
    for bound in (item.bound for item in story.tries if item.bound is not None):
        of = "" if bound.requests == 1 else f" and {bound.requests - 1:,} more like it"
        yield (
            f"booked besides: at most {dollars(bound.nano)}, for this one{of}, perhaps answered and lost",
            "  ",
        )


def _punctual(story: Story) -> str:
    late = story.late_by
    if late is None:
        return ""
    return f", {span(abs(late))} {'after' if late > 0.0 else 'before'} its deadline"


def _money(record: Record) -> Iterator[str]:
    used = record.usage
    cached = f" ({used.cache_read:,} of them from the cache)" if used.cache_read else ""
    written = used.cache_write_5m + used.cache_write_1h + used.cache_write_other
    kept = f", {written:,} written to the cache" if written else ""
    yield f"tokens: {used.total_input:,} in{cached}{kept}, {used.output:,} out"
    if not record.priced:
        yield "cost: not known, the model has no price here"
        return
    saved = record.baseline_nano - record.cost_nano
    yield (
        f"cost {dollars(record.cost_nano)}, in real time {dollars(record.baseline_nano)}, "
        f"saved {dollars(saved)}"
    )
