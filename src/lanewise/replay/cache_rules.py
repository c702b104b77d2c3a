"""What a model's prompt cache takes, and for how long, by the provider's own words.

Sources: Anthropic's prompt caching guide of August 2026, OpenAI's of July 2026. Of other providers nothing
was read, and what is assumed of them says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from lanewise.tokens.prefixes import OPENAI_LEAST, least_prefix, wants_key

Written: TypeAlias = Literal["5m", "1h", "other"]  # by which price a write is charged
_OPENAI: Final = re.compile(r"gpt-|chatgpt|o\d|codex|computer-use")
_DAY: Final = re.compile(r"gpt-5|gpt-4\.1(?!-mini|-nano)")  # models that keep a prefix for 24 hours


@dataclass(frozen=True, slots=True)
class Life:
    """How long an entry lives after it was last used, and by which price it is written."""

    name: str
    seconds: float
    written: Written


@dataclass(frozen=True, slots=True)
class Rules:
    """Prefixes of fewer tokens than `least` are not cached; longer ones in steps of `step` from there."""

    least: int
    step: int
    lives: tuple[Life, ...]
    marked: bool  # only what the request marks is cached
    why: str

    def readable(self, tokens: int) -> int:
        """How many of so many shared tokens can be read.

        >>> [rules_of("gpt-4.1").readable(tokens) for tokens in (1_023, 1_100, 1_200)]
        [0, 1024, 1152]
        """
        return 0 if tokens < self.least else tokens - (tokens - self.least) % self.step


SHORT: Final = Life("5m", 300.0, "5m")
LONG: Final = Life("1h", 3_600.0, "1h")
_IN_MEMORY: Final = Life("in memory", 300.0, "other")  # "5 to 10 minutes idle": the least of it
_HALF_HOUR: Final = Life("30m", 1_800.0, "other")
_WHOLE_DAY: Final = Life("24h", 86_400.0, "other")


@lru_cache(1_024)
def rules_of(model: str) -> Rules:
    """The rules for a model, whoever serves it.

    >>> rules = rules_of("claude-haiku-4-5-20251001")
    >>> rules.least, [life.name for life in rules.lives], rules.marked
    (4096, ['5m', '1h'], True)
    >>> [
    ...     [life.name for life in rules_of(name).lives]
    ...     for name in ("gpt-4o", "gpt-5.2", "gpt-5.5", "gpt-6")
    ... ]
    [['in memory'], ['in memory', '24h'], ['24h'], ['30m']]
    """
    name = model.lower().rpartition("/")[2]
    if "claude" in name:
        least = least_prefix(name[name.index("claude") :])
        return Rules(least, 1, (SHORT, LONG), marked=True, why="Anthropic's guide, August 2026")
    why = "OpenAI's guide, July 2026"
    if not _OPENAI.match(name):
        why = "assumed: as OpenAI's, the provider's own rules were not read"
    return Rules(OPENAI_LEAST, 128, _lives(name), marked=False, why=why)


def _lives(name: str) -> tuple[Life, ...]:
    if wants_key(name):
        return (_HALF_HOUR,)
    if name.startswith("gpt-5.5"):
        return (_WHOLE_DAY,)
    return (_IN_MEMORY, _WHOLE_DAY) if _DAY.match(name) else (_IN_MEMORY,)
