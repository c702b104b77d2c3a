"""Results leave in the order of the caller's input, in the provider's own output form."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lanewise.domain.ids import RunId, custom_id
from lanewise.errors import StoreUnusable
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


def write_results(store: Store, run: RunId, target: Path) -> int:
    """Write the results to `target`, whole or not at all; returns the number of lines."""
    try:
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.name}.", suffix=".part"
        )
    except OSError as error:
        raise StoreUnusable(f"writing results to {target} failed: {error.strerror}") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb", buffering=1024 * 1024) as file:
            count = 0
            for line in result_lines(store, run):
                file.write(line)
                count += 1
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise StoreUnusable(f"writing results to {target} failed: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return count
