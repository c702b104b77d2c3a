"""Results leave in the order of the caller's input, in the provider's own output form."""

from __future__ import annotations

from collections.abc import Iterator

from lanewise.domain.ids import RunId, custom_id
from lanewise.providers.dialects import relabel, told_apart, unanswered
from lanewise.store.nouns import Answer
from lanewise.store.protocol import Store


def result_lines(store: Store, run: RunId) -> Iterator[bytes]:
    """One line for each request that has its final result, streamed, under the caller's own ids."""
    for answer in store.answers(run):
        if answer.verdict is not None:
            yield _line(answer)


def _line(answer: Answer) -> bytes:
    """A copy has the line of the request that was asked, under an id of its own: no two lines share one."""
    line = _line_of(answer)
    return told_apart(line, answer.sequence) if answer.copy else line


def _line_of(answer: Answer) -> bytes:
    ours = custom_id(answer.segment, answer.ordinal)
    if answer.line is not None:
        return relabel(answer.line, ours, answer.caller_id)
    assert answer.outcome is not None, "a final result is a line or an outcome"
    assert answer.verdict is not None, "only final results are delivered"
    outcome = answer.outcome
    return unanswered(
        answer.provider, answer.caller_id, answer.verdict, outcome.code, outcome.message, ours=ours
    )
