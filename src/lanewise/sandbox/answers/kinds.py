"""What an answer is made of: the provider's response object, the tokens it bills, or a refusal."""

from dataclasses import dataclass
from typing import Any


@dataclass(eq=False, slots=True)
class Invalid(Exception):
    """A request the provider would refuse, in the provider's own terms.

    `status` is the HTTP status; `type`, `code`, `param` and `message` are the fields of the
    provider's error object (Anthropic has neither `code` nor `param`: both are None there).
    """

    status: int
    type: str
    code: str | None
    param: str | None
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Tokens:
    """Disjoint counts: `input` excludes cached parts. `reasoning` is a part of `output`."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def prompt(self) -> int:
        """All tokens read, however they are priced."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's full response object, what it bills, and the canonical name of the model."""

    body: dict[str, Any]
    tokens: Tokens
    model: str
