"""A batch that the provider refused as a whole: who is at fault is set aside, the rest is packed again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeAlias, assert_never

from lanewise.domain.batches import Creating, Packed, Submitted, Uploaded, Uploading
from lanewise.domain.counts import counted
from lanewise.domain.deadlines import was_kept
from lanewise.domain.ids import BatchId, fresh_id
from lanewise.domain.lanes import BATCH, HELD
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.results import Verdict
from lanewise.lanes.menus import Class, opening
from lanewise.lanes.queueing import BATCH_BYTES, learn_queue
from lanewise.lanes.shift import BYTES_PER_TOKEN, AccountHeld, Shift, tokens_of
from lanewise.policy import waiting as policy
from lanewise.policy.asking import ask_again
from lanewise.providers.protocol import Failed, Problem, RejectionKind
from lanewise.store.nouns import (
    UNDECIDED,
    Contents,
    NewBatch,
    Outcome,
    Part,
    PlacedPart,
    Waiting,
)
from lanewise.store.segments import body_of
from lanewise.tokens import likely_input

Refusable: TypeAlias = Packed | Uploading | Uploaded | Creating | Submitted
_QUOTA_WAIT = 60.0  # seconds until work that exceeded a queue limit is offered again; doubles


def rejected(shift: Shift, batch: Submitted, contents: Contents, failed: Failed) -> None:
    """The provider took the batch and then failed it: nothing was executed, nothing is charged."""
    first = (
        failed.problems[0] if failed.problems else Problem(None, "failed", "no reason was given")
    )
    match failed.kind:
        case RejectionKind.LINES:
            _set_aside(shift, batch, contents, failed.problems)
        case RejectionKind.WHOLE:
            refuse_whole(shift, batch, contents, first.code, first.message)
        case RejectionKind.QUOTA:
            _wait_for_quota(shift, batch, contents, failed, first)
        case RejectionKind.TRANSIENT:
            _try_later(shift, batch, contents, first)
        case RejectionKind.BILLING:
            later = shift.now() + _QUOTA_WAIT
            requeue(shift, batch, contents, f"{first.code}: {first.message}", not_before=later)
            raise AccountHeld(shift.account, first.message)
        case _:
            assert_never(failed.kind)


def refuse_whole(
    shift: Shift, batch: Refusable, contents: Contents, code: str, message: str
) -> None:
    """Every request in it is refused, with the provider's own words."""
    outcomes = [
        _outcome(part, part.ordinals, Verdict.REFUSED, code, message) for part in contents.parts
    ]
    _record(shift, batch, outcomes, [], f"{code}: {message}")


def shrink(shift: Shift, batch: Refusable, contents: Contents, message: str) -> None:
    """Too large for the provider, whatever its documentation says: learn it and pack smaller."""
    if contents.requests == 1:
        refuse_whole(shift, batch, contents, "request_too_large", message)
        return
    half = max(contents.size // 2, 1)
    shift.store.learn(shift.account, contents.key.model, BATCH_BYTES, half, shift.now())
    requeue(
        shift, batch, contents, f"{message}; batches of this kind are now at most {half:,} bytes"
    )


def _set_aside(
    shift: Shift, batch: Submitted, contents: Contents, problems: tuple[Problem, ...]
) -> None:
    """The named lines are refused; the others never ran and wait again, as if not asked."""
    at_fault: dict[int, Problem] = {}
    for problem in problems:
        if problem.line is not None and 1 <= problem.line <= contents.requests:
            at_fault.setdefault(problem.line - 1, problem)
    if not at_fault:
        refuse_whole(shift, batch, contents, problems[0].code, problems[0].message)
        return
    outcomes: list[Outcome] = []
    waiting: list[Waiting] = []
    for part in contents.parts:
        bad = {ordinal: at_fault[position] for position, ordinal in _positions(part, at_fault)}
        outcomes += [
            _outcome(part, Ordinals.of([ordinal]), Verdict.REFUSED, problem.code, problem.message)
            for ordinal, problem in bad.items()
        ]
        if rest := part.ordinals - Ordinals.of(bad):
            waiting.append(Waiting(part.segment, part.tries, rest))
    _record(
        shift,
        batch,
        outcomes,
        waiting,
        f"{counted(len(at_fault), 'line')} set aside, the rest is packed again",
    )


def _positions(part: PlacedPart, wanted: Iterable[int]) -> list[tuple[int, int]]:
    """(position in the batch, ordinal) of those positions that lie in this part."""
    inside = [
        position for position in wanted if part.start <= position < part.start + len(part.ordinals)
    ]
    if not inside:
        return []
    ordinals = list(part.ordinals)
    return [(position, ordinals[position - part.start]) for position in inside]


def _wait_for_quota(
    shift: Shift, batch: Submitted, contents: Contents, failed: Failed, first: Problem
) -> None:
    """Too much is queued at the provider. The batch is fine; it is offered again when there is room.

    Where nothing of ours is queued, others fill it, and it is offered again later and later.
    """
    key = contents.key
    account, now = shift.account, shift.now()
    ours = learn_queue(shift, batch, contents, limit=failed.limit or 0)
    if not ours and failed.limit is not None and contents.requests == 1:
        tokens = _tokens(shift, contents)
        if tokens > failed.limit:
            why = f"it has some {tokens:,} tokens, and the queue of {key.model} takes {failed.limit:,}"
            _send_elsewhere(shift, batch, contents, first, why)
            return
    if failed.limit is not None and tokens_of(contents.size) > failed.limit:  # it alone is too much
        half = max(failed.limit * BYTES_PER_TOKEN // 2, 1)  # two of the next fit
        shift.store.learn(account, key.model, BATCH_BYTES, half, now)
    pause = 0.0  # our own batches end, and the queue here knows when there is room
    if not ours:
        rounds = shift.store.learned(account).get((key.model, "quota_refusals"), 0) + 1
        shift.store.learn(account, key.model, "quota_refusals", rounds, now)
        pause = policy.backoff(rounds, first=_quota_wait(shift), noise=shift.noise.random())
    until = now + _affordable(pause, contents, now)
    requeue(shift, batch, contents, f"{first.code}: {first.message}", not_before=until)


def _tokens(shift: Shift, contents: Contents) -> int:
    """Of the only request of a batch, as it is counted here."""
    [part] = contents.parts
    line = shift.store.line(part.segment, next(iter(part.ordinals)))
    return likely_input(contents.key.endpoint, contents.key.model, body_of(line))


def _send_elsewhere(
    shift: Shift, batch: Submitted, contents: Contents, first: Problem, why: str
) -> None:
    """What fits into no batch goes in another lane; where none is allowed, that is its end."""
    [row] = [row for row in shift.store.live(shift.account) if row.batch.id == batch.id]
    decided = UNDECIDED.decision if row.decision is None else row.decision
    lanes = tuple(lane for lane in decided.lanes if lane != BATCH)
    if not lanes:
        message = f"{why}; no batch can hold it, and policy allows no other lane. {first.message}"
        refuse_whole(shift, batch, contents, first.code, message)
        return
    key, now = contents.key, shift.now()
    of = Class(key.account, key.provider, key.endpoint, key.model, lanes, decided.held)
    lane = shift.menus().chooser.choose(of, was_kept(contents.deadline), now).lane
    requeue(shift, batch, contents, f"{first.code}: {why}")
    [part] = contents.parts
    moved = NewBatch(
        BatchId(fresh_id()),
        key,
        lane,
        (Part(part.segment, part.ordinals, part.tries),),
        contents.requests,
        contents.size,
        replace(decided, lane=lane, wanted=lane, why=f"{lane}: {why}"),
        contents.deadline,
        due_at=opening(decided.held, now) if lane == HELD else None,
    )
    shift.store.pack(shift.lease, [moved], now)


def _affordable(pause: float, contents: Contents, now: float) -> float:
    """No wait takes more than a tenth of the slack: what waits so is looked at by no rescue."""
    if contents.deadline is None:
        return pause
    return min(pause, max(contents.deadline - now, 0.0) / 10)


def _quota_wait(shift: Shift) -> float:
    fixed = shift.rules.poll_seconds
    return _QUOTA_WAIT if fixed is None else min(fixed, _QUOTA_WAIT)


def _try_later(shift: Shift, batch: Submitted, contents: Contents, problem: Problem) -> None:
    """No fault of the requests, as far as one can tell; asked again a bounded number of times."""
    outcomes: list[Outcome] = []
    waiting: list[Waiting] = []
    now = shift.now()
    again_at = now + _affordable(shift.later(0, first=30.0) - now, contents, now)
    for part in contents.parts:
        if ask_again(Verdict.FAILED, tries=part.tries, max_tries=shift.rules.max_tries):
            waiting.append(Waiting(part.segment, part.tries + 1, part.ordinals, again_at))
        else:
            outcomes.append(
                _outcome(part, part.ordinals, Verdict.FAILED, problem.code, problem.message)
            )
    _record(shift, batch, outcomes, waiting, f"{problem.code}: {problem.message}")


def requeue(
    shift: Shift, batch: Refusable, contents: Contents, detail: str, *, not_before: float = 0.0
) -> None:
    """Back into the queue, as if never packed: nothing of it was executed.

    What belongs to a cancelled run ends there, and what a rescue gave elsewhere stays elsewhere.
    """
    waiting = [
        Waiting(part.segment, part.tries, part.ordinals, not_before) for part in contents.parts
    ]
    _record(shift, batch, [], waiting, detail)


def _record(
    shift: Shift, batch: Refusable, outcomes: list[Outcome], waiting: list[Waiting], detail: str
) -> None:
    shift.store.reject(
        shift.lease,
        batch,
        batch.reject(detail),
        shift.now(),
        outcomes=outcomes,
        waiting=waiting,
        detail=detail,
    )
    shift.store.let_go(shift.lease, batch.id, shift.now())


def _outcome(
    part: PlacedPart, ordinals: Ordinals, verdict: Verdict, code: str, message: str
) -> Outcome:
    return Outcome(part.segment, ordinals, verdict, code, message)
