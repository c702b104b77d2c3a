"""What shows without any text: limits far above use, histories that grow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from lanewise.audit.prompts.findings import Finding, Worth

ENOUGH_REQUESTS: Final = 50
TIMES_ABOVE: Final = 4  # a limit so many times what 99 of 100 answers need
LEAST_ABOVE: Final = 1_000  # tokens
KEPT_TURNS: Final = 10
LEAST_TURNS: Final = 15


class Answered(NamedTuple):
    """What an answer could have been and what it was, in tokens."""

    limit: int
    output: int
    input: int


class Turn(NamedTuple):
    """One request of a session."""

    session: str
    at: float
    input: int
    cached: int = 0


def loose_limit(answers: Sequence[Answered]) -> Finding | None:
    """A limit of output tokens far above what answers need; lowering it bounds a runaway answer."""
    if len(answers) < ENOUGH_REQUESTS:
        return None
    outputs = sorted(answer.output for answer in answers)
    usual = outputs[min(len(outputs) * 99 // 100, len(outputs) - 1)]
    least = max(usual * TIMES_ABOVE, usual + LEAST_ABOVE)
    loose = [answer for answer in answers if answer.limit >= least]
    if not loose:
        return None
    says = (
        f"the limit is at least {least:,} tokens in {len(loose):,} of {len(answers):,} requests, while 99 of "
        f"100 answers have at most {usual:,} and the longest {outputs[-1]:,}: a lower one saves nothing by "
        "itself, but bounds what a runaway answer costs"
    )
    return Finding(
        "loose limit",
        says,
        len(answers),
        len(loose),
        sum(answer.input for answer in answers),
        sum(answer.limit - max(usual, answer.output) for answer in loose),
        Worth.BOUND,
    )


def growing_histories(turns: Iterable[Turn]) -> Finding | None:
    """Sessions that send all that was said again with each turn.

    `tokens` is what stands further back than the last ten turns, by how much the input grew: what a summary
    or a window would leave out. What a cache gave back of it is not counted, since it costs a fraction, and
    a window that moves with each turn empties the cache. A session counts from fifteen turns on, while it
    grows.
    """
    requests = total = 0
    old: list[int] = []
    sessions = 0
    for _, session in groupby(sorted(turns), key=lambda turn: turn.session):
        sent = list(session)
        requests += len(sent)
        total += sum(turn.input for turn in sent)
        found = [over for run in _runs(sent) for over in _further_back(run)]
        sessions += bool(found)
        old += found
    if not old:
        return None
    says = (
        f"{sessions:,} sessions send more than {KEPT_TURNS} turns of their history again, in {len(old):,} of "
        f"{requests:,} requests, not read from a cache: a cache is the first remedy, a summary another"
    )
    return Finding("growing history", says, requests, len(old), total, sum(old), Worth.TRIAL)


def _runs(turns: Sequence[Turn]) -> list[list[Turn]]:
    """Stretches in which the input does not shrink: it does where a history was cut or begun anew."""
    runs: list[list[Turn]] = []
    for turn in turns:
        if runs and turn.input >= runs[-1][-1].input:
            runs[-1].append(turn)
        else:
            runs.append([turn])
    return [run for run in runs if len(run) >= LEAST_TURNS]


def _further_back(run: Sequence[Turn]) -> list[int]:
    """For each turn that has any, what came after the first and before the last ten, and was not cached.

    A cache gives back the beginning of a prompt.
    """
    first = run[0].input
    ends = (
        (run[place - KEPT_TURNS].input, run[place].cached) for place in range(KEPT_TURNS, len(run))
    )
    return [old for end, cached in ends if (old := end - max(first, cached)) > 0]
