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
    or a window would leave out. A session counts from fifteen turns on, while its input grows.
    """
    requests = affected = total = tokens = sessions = 0
    for _, session in groupby(sorted(turns), key=lambda turn: turn.session):
        inputs = [turn.input for turn in session]
        requests += len(inputs)
        total += sum(inputs)
        old = [
            over for run in _runs(inputs) if len(run) >= LEAST_TURNS for over in _further_back(run)
        ]
        sessions += bool(old)
        affected += len(old)
        tokens += sum(old)
    if not affected:
        return None
    says = (
        f"{sessions:,} sessions send more than {KEPT_TURNS} turns of their history again, in {affected:,} "
        f"of {requests:,} requests: a window or a summary would leave it out, if the answers allow"
    )
    return Finding("growing history", says, requests, affected, total, tokens, Worth.TRIAL)


def _runs(inputs: Sequence[int]) -> list[list[int]]:
    """Stretches in which the input does not shrink: it does where a history was cut or begun anew."""
    runs: list[list[int]] = []
    for size in inputs:
        if runs and size >= runs[-1][-1]:
            runs[-1].append(size)
        else:
            runs.append([size])
    return runs


def _further_back(run: Sequence[int]) -> list[int]:
    """For each turn that has any, how much of its input came after the first and before the last ten."""
    return [
        old for place in range(KEPT_TURNS, len(run)) if (old := run[place - KEPT_TURNS] - run[0])
    ]
