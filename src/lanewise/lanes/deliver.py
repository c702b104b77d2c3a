"""Results leave in the order of the caller's input, in the provider's own output form."""

from __future__ import annotations

from collections.abc import Iterator

from lanewise.domain.ids import RunId, custom_id
from lanewise.providers.dialects import relabel, unanswered
from lanewise.store.nouns import Answer
from lanewise.store.protocol import Store


def result_lines(store: Store, run: RunId) -> Iterator[bytes]:
    """One line for each request that has its final result, streamed, under the caller's own ids."""
    for answer in store.answers(run):
        if answer.verdict is not None:
            yield _line(answer)


def _line(answer: Answer) -> bytes:
    if answer.line is not None:
        ours = custom_id(answer.segment, answer.ordinal)
        return relabel(answer.line, ours, answer.caller_id)
    assert answer.outcome is not None, "a final result is a line or an outcome"
    assert answer.verdict is not None, "only final results are delivered"
    outcome = answer.outcome
    return unanswered(
        answer.provider, answer.caller_id, answer.verdict, outcome.code, outcome.message
    )
