"""The order of a prompt: what changes should stand behind what stays, or no cache can read what stays."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from lanewise.audit.prompts.findings import Finding, Text, Worth, common_beginning
from lanewise.replay.cache_rules import Rules

_MASK: Final = "\0"
_VARIABLE: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"  # dates and times
    r"|\b\d\d?:\d\d(?::\d\d)?\b"
    r"|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"  # UUIDs
    r"|\b(?=[a-zA-Z_-]*\d)[0-9a-zA-Z]+[_-][0-9a-zA-Z]{8,}\b"  # ids like req_8f3k2m1x
    r"|\b(?=[a-f]*\d)[0-9a-f]{12,}\b"
    r"|\b\d{5,}\b"
)


def variable_first(texts: Sequence[Text], rules: Rules) -> Finding | None:
    """Times and ids early in prompts that are alike behind them; None where moving them would gain nothing.

    A text counts as affected if it and the one before part at such a place, and would share more tokens than
    the cache takes at the least with it moved to the end. `tokens` are those that could be read then.
    """
    affected = tokens = 0
    for before, text, one, other in _masked(texts):
        shared = _stripped(one[: common_beginning(one, other)])
        alike = common_beginning(before.text, text.text)
        more = rules.readable(text.part(shared)) - rules.readable(text.part(alike))
        if more > 0:
            affected += 1
            tokens += more
    if not affected:
        return None
    return Finding(
        "variable text first",
        "move times and ids behind the text that does not change",
        f"they stand before it in {affected:,} of {len(texts):,} prompts, so that no cache can read it",
        len(texts),
        affected,
        _whole(texts),
        tokens,
        Worth.READ,
    )


def instructions_last(texts: Sequence[Text], rules: Rules) -> Finding | None:
    """Text that does not change but stands behind what does; None where moving it would let nothing be read.

    What prompts end with alike is counted from the next line on; what `variable_first` counts is not counted
    again. Whether a model answers as well with its instructions first, only a trial tells.
    """
    affected = tokens = 0
    for _, text, one, other in _masked(texts):
        alike = common_beginning(one, other)
        ending = _stripped(_common_ending(one[alike:], other[alike:]))
        shared = _stripped(one[:alike])
        more = rules.readable(text.part(shared + ending)) - rules.readable(text.part(shared))
        if more > 0:
            affected += 1
            tokens += more
    if not affected:
        return None
    return Finding(
        "instructions last",
        "move instructions before the text that changes",
        f"the same stand behind it in {affected:,} of {len(texts):,} prompts, so that no cache can read them",
        len(texts),
        affected,
        _whole(texts),
        tokens,
        Worth.READ,
        trial=True,
    )


def _whole(texts: Sequence[Text]) -> int:
    return sum(text.tokens for text in texts)


def _masked(texts: Sequence[Text]) -> Iterator[tuple[Text, Text, str, str]]:
    """Neighbours, and both again with their times and ids masked."""
    masked, before = "", None
    for text in texts:
        former, masked = masked, _VARIABLE.sub(_MASK, text.text)
        if before is not None and before.text != text.text:
            yield before, text, former, masked
        before = text


def _stripped(masked: str) -> int:
    """The characters that are no masks."""
    return len(masked) - masked.count(_MASK)


def _common_ending(one: str, other: str) -> str:
    """What two texts end with alike, whole lines only."""
    length = common_beginning(one[::-1], other[::-1])
    ending = one[len(one) - length :]
    line = ending.find("\n")
    return "" if line < 0 else ending[line + 1 :]
