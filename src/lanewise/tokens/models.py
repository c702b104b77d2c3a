"""Which tokenizer a model has, told by its id, and how far a count by another one can be off.

Ratios are percent of what OpenAI's o200k counts for the same text, measured on English, code, JSON, CJK,
emoji and other scripts (docs/decisions/tokens.md): the lowest, the usual and the highest.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple


class Encoding(StrEnum):
    """A vocabulary."""

    O200K = "o200k_base"
    CL100K = "cl100k_base"
    HARMONY = "o200k_harmony"
    GEMMA = "gemma4"
    CLAUDE_3 = "claude-3.0"
    CLAUDE_47 = "claude-4.7"
    CLAUDE_48 = "claude-4.8"
    BYTES = "bytes"


class Method(StrEnum):
    """How a count was made, from surest to least sure."""

    EXACT = "exact"  # by the model's own public tokenizer
    EXACT_FAMILY = "exact-family"  # by the tokenizer of its family; nobody says that it is its own
    RECONSTRUCTED = "reconstructed"  # by an unofficial reconstruction of its tokenizer
    CALIBRATED = "calibrated"  # by another tokenizer times a measured ratio
    BYTES = "bytes"  # from the number of bytes


class Ratio(NamedTuple):
    """Percent of a count: what the true figure is at the least, usually and at the most."""

    low: int
    likely: int
    high: int

    @property
    def plain(self) -> bool:
        """Whether the count stands as it is."""
        return self == PLAIN


PLAIN: Final = Ratio(100, 100, 100)
_BYTES: Final = Ratio(60, 105, 250)  # of bytes / 4, to o200k; the most is for text like base64
_OLD_CLAUDE: Final = Ratio(112, 125, 150)
_NEW_CLAUDE: Final = Ratio(137, 150, 200)
_GEMINI: Final = Ratio(86, 115, 140)
_ANY: Final = Ratio(86, 120, 200)  # whatever else: the whole of what was measured
_RECONSTRUCTED: Final = Ratio(95, 100, 105)  # its author's claim, with a margin


class Way(NamedTuple):
    """One way to count: the vocabulary, the method it is by, and its ratio."""

    encoding: Encoding
    method: Method
    ratio: Ratio


class Family(NamedTuple):
    """What the id of a model says about its tokens."""

    ways: tuple[Way, ...]  # best first; the first whose vocabulary is installed is used
    framing: tuple[int, int] = (
        4,
        3,
    )  # tokens for each message, its role included, and for the reply
    reasoning: bool = False  # thinks unasked, and bills that as output


def _own(encoding: Encoding, method: Method = Method.EXACT) -> tuple[Way, ...]:
    return (Way(encoding, method, PLAIN), _last_resort(PLAIN))


def _by_ratio(ratio: Ratio, *better: Way) -> tuple[Way, ...]:
    return (*better, Way(Encoding.O200K, Method.CALIBRATED, ratio), _last_resort(ratio))


def _last_resort(ratio: Ratio) -> Way:
    both = (of_bytes * of_o200k // 100 for of_bytes, of_o200k in zip(_BYTES, ratio, strict=True))
    return Way(Encoding.BYTES, Method.BYTES, Ratio(*both))


_CL100K: Final = re.compile(
    r"gpt-4(?!o|\.|-o)|gpt-3\.5|gpt-35|text-embedding|davinci-002|babbage-002"
)
_O200K: Final = re.compile(r"gpt-4o|chatgpt-4o|gpt-4\.[15]|o[134](?![a-z0-9])|gpt-5|codex-mini")
_LATER: Final = re.compile(r"gpt-(\d+)|chatgpt|codex|omni-moderation|text-moderation|computer-use")
_REASONING: Final = re.compile(r"o\d+(?![a-z0-9])|gpt-([5-9]|\d\d)|gpt-oss|codex")
_CLAUDE: Final = re.compile(r"claude(?:-[a-z]+)*-(\d+)(?:[-.](\d{1,2}))?(?!\d)")


@lru_cache(1_024)
def family(model: str) -> Family:
    """The family that a model belongs to.

    >>> way = family("gpt-4o-mini").ways[0]
    >>> way.encoding.value, way.method.value
    ('o200k_base', 'exact')
    >>> family("gpt-6").ways[0].method.value, family("gpt-6").reasoning
    ('exact-family', True)
    >>> [family(name).ways[1].ratio.likely for name in ("claude-sonnet-4-6", "claude-opus-4-7")]
    [125, 150]
    """
    name = model.lower().rpartition("/")[2].removeprefix("ft:")
    if "claude" in name:
        return _claude(name)
    if name.startswith("gemini"):
        ways = _by_ratio(_GEMINI, Way(Encoding.GEMMA, Method.EXACT_FAMILY, PLAIN))
        return Family(ways, reasoning=True)
    if name.startswith("gpt-oss"):
        return Family(_own(Encoding.HARMONY), reasoning=True)
    reasoning = _REASONING.match(name) is not None and "chat" not in name
    for pattern, ways in (
        (_CL100K, _own(Encoding.CL100K)),
        (_O200K, _own(Encoding.O200K)),
        (_LATER, _own(Encoding.O200K, Method.EXACT_FAMILY)),
    ):
        if pattern.match(name):
            return Family(ways, reasoning=reasoning)
    return Family(_by_ratio(_ANY))


def _claude(name: str) -> Family:
    """By version; one that cannot be read is taken for new, whose texts have more tokens."""
    found = _CLAUDE.search(name)
    version = (int(found[1]), int(found[2] or 0)) if found else (99, 0)
    if version < (4, 7):
        rebuilt, ratio = Encoding.CLAUDE_3, _OLD_CLAUDE
    else:
        rebuilt = Encoding.CLAUDE_47 if version < (4, 8) else Encoding.CLAUDE_48
        ratio = _NEW_CLAUDE
    better = Way(rebuilt, Method.RECONSTRUCTED, _RECONSTRUCTED)
    return Family(_by_ratio(ratio, better))
