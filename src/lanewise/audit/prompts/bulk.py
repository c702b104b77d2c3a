"""What makes prompts longer than they need be: white space in JSON, and more examples than may be needed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from lanewise.audit.prompts.findings import (
    Count,
    Finding,
    Text,
    Worth,
    common_beginning,
    neighbours,
)

_OPENS: Final = re.compile(r"[\[{][ \t]*\r?\n")
_STRING_OR_SPACE: Final = re.compile(r'("(?:[^"\\]|\\.)*")|\s+')
_TRIES: Final = 20  # places in one text at which JSON is looked for
_LEAST_JSON: Final = 200  # characters
_EXAMPLE: Final = re.compile(
    r"^[#*\s]*(examples?|q|question|input|user|text|passage|sentence|query)\s*\d*\s*[:.)]",
    re.IGNORECASE | re.MULTILINE,
)
ENOUGH: Final = 3  # examples that a trial may begin with
MANY: Final = 6
_decode = json.JSONDecoder().raw_decode


def pretty_json(texts: Sequence[Text], count: Count) -> Finding | None:
    """JSON with line breaks and indentation; `tokens` is what its white space takes, by `count`."""
    affected = tokens = 0
    for text in texts:
        saved = sum(count(span) - count(compact(span)) for span in _spans(text.text))
        affected += saved > 0
        tokens += max(saved, 0)
    if not tokens:
        return None
    return Finding(
        "pretty JSON",
        "write JSON without white space",
        f"JSON is indented in {affected:,} of {len(texts):,} prompts",
        len(texts),
        affected,
        _input(texts),
        tokens,
        Worth.GONE,
    )


def compact(span: str) -> str:
    r"""JSON without the white space between its parts; strings and numbers stay as they are.

    >>> compact('{ "a b": [1.0,\n  2e5] }')
    '{"a b":[1.0,2e5]}'
    """
    return _STRING_OR_SPACE.sub(lambda found: found[1] or "", span)


def few_shots(texts: Sequence[Text]) -> Finding | None:
    """Many examples that all prompts repeat; `tokens` is what those beyond the third take.

    Examples are told by lines that begin alike (`Q:`, `Example 3:`, `Input:`) in the part that a prompt
    shares with the one before it.
    """
    affected = tokens = most = 0
    for before, text in neighbours(texts):
        shared = text.text[: common_beginning(before.text, text.text)]
        starts = _examples(shared)
        if len(starts) >= MANY:
            affected += 1
            most = max(most, len(starts))
            tokens += text.part(starts[-1] - starts[ENOUGH])
    if not affected:
        return None
    return Finding(
        "many examples",
        f"try {ENOUGH} examples",
        f"up to {most} examples are repeated in {affected:,} of {len(texts):,} prompts",
        len(texts),
        affected,
        _input(texts),
        tokens,
        Worth.TRIAL,
        trial=True,
    )


def _spans(text: str) -> Iterator[str]:
    """Pieces that are JSON and written over several lines."""
    place = 0
    for _ in range(_TRIES):
        found = _OPENS.search(text, place)
        if found is None:
            return
        try:
            _, end = _decode(text, found.start())
        except (ValueError, RecursionError):
            place = found.end()
            continue
        if end - found.start() >= _LEAST_JSON:
            yield text[found.start() : end]
        place = end


def _examples(shared: str) -> list[int]:
    """Where examples begin, by the word that most of them begin with."""
    found = [(match[1].lower(), match.start()) for match in _EXAMPLE.finditer(shared)]
    if not found:
        return []
    word = Counter(word for word, _ in found).most_common(1)[0][0]
    return [start for name, start in found if name == word]


def _input(texts: Sequence[Text]) -> int:
    return sum(text.tokens for text in texts)
