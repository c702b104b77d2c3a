"""Prompt caches: the prefix that requests share, and what is put into a body so that a provider keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, TypeAlias

Ttl: TypeAlias = Literal["5m", "1h"]
TTL_SECONDS: Final[dict[Ttl, float]] = {"5m": 300.0, "1h": 3_600.0}

# Members by which a body says itself how it is cached. Within a text a quote is escaped, so that what is
# found is a member, or a text that is exactly this word.
_OWN: Final = (b'"cache_control"', b'"prompt_cache_')


class Breakpoint(StrEnum):
    """Where the shared part of a prompt ends, or how else the provider is told of it."""

    TOOLS = "tools"  # after the last tool
    SYSTEM = "system"  # after the system prompt, and the tools before it
    BLOCK = "block"  # after the first block of the first user message
    KEY = "key"  # the provider finds it by itself, surely only with a key
    UNASKED = "unasked"  # the provider finds it by itself

    @property
    def marked(self) -> bool:
        """Whether it is cached only where the body marks it."""
        return self in (Breakpoint.TOOLS, Breakpoint.SYSTEM, Breakpoint.BLOCK)


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning of a prompt, long enough for the model to cache it.

    Requests of equal `hash` share it, are for the same model, and are alike in whether their caller
    set the caching (`own`): such requests may travel together, and are never marked.
    """

    hash: int  # 64 bits, never 0: 0 stands for no prefix
    tokens: int  # estimated; what is shared at the least where the provider finds it by itself
    at: Breakpoint
    own: bool = False


@dataclass(frozen=True, slots=True)
class Marks:
    """What is put into the body of one request: a breakpoint that lives so long, or a key."""

    at: Breakpoint
    ttl: Ttl | None = None
    key: str | None = None


def sets_own_caching(body: bytes) -> bool:
    r"""Whether a body already says how it is to be cached.

    >>> (
    ...     sets_own_caching(b'{"prompt_cache_key":"mine"}'),
    ...     sets_own_caching(b'{"x":"\\"cache_control\\""}'),
    ... )
    (True, False)
    """
    return _OWN[0] in body or _OWN[1] in body
