"""What becomes of a line that a caller hands in: a request, or the reason why it is none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

LINE_LIMIT: Final = 64_000_000


class Dialect(StrEnum):
    """Whose request bodies these are; the name of the provider that speaks it."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """One request. Made for every line of every input, so it is as small as it can be."""

    number: int  # of its line in its source, from 1
    source: int  # index of the source, from 0
    caller_id: str  # the caller's custom_id; `request-<n>` for a bare body
    dialect: Dialect
    endpoint: str  # "/v1/chat/completions", "/v1/messages", ...
    model: str
    body: bytes  # the JSON of the body as given, in one line; only a missing model is added
    units: int  # inputs of an embeddings request; 1 for any other
    deadline: str = (
        ""  # as its line says it, in the words of `--deadline`; "" where it says nothing
    )
    output_limit: int = 0  # tokens, as the body says it; 0 where it says nothing

    def __repr__(self) -> str:
        """Without the body, which is the caller's own."""
        return f"Accepted({self.source}:{self.number}, {self.endpoint}, {len(self.body)} bytes)"


class Broken(NamedTuple):
    """A line that is not a request: what is wrong, and what would be accepted; never its content."""

    number: int  # of its line in its source, from 1
    source: int  # index of the source, from 0
    why: str


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read: every field may be left alone."""

    endpoint: str | None = None  # where bare bodies are sent; lines that name theirs keep it
    model: str | None = None  # fills a missing model, never overrides one
    renumber: bool = False  # a custom_id used again becomes `<id>~2`, `<id>~3`, ...
    line_limit: int = LINE_LIMIT  # bytes; a longer line is reported and never held in memory
    unpack: bool = True  # gzip and zstd; False for what strangers hand in, who may mean no good


class Unfit(Exception):
    """A line cannot be used; its message is the `why` of a `Broken`."""
