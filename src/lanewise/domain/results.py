"""What became of a request: answered, refused by the provider, or unanswered for now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from lanewise.domain.usage import Usage


class Verdict(IntEnum):
    """One result's meaning; the numbers are stored in result records and never change."""

    MISSING = 0  # no line came back for it: not executed, or lost by the provider
    ANSWERED = 1
    REFUSED = 2  # the provider says no, and would say so again: 4xx for this very request
    FAILED = 3  # the provider could not, this time: 5xx, 429 or overload for this line
    EXPIRED = 4  # the window closed before it was executed; not charged
    CANCELLED = 5  # cancelled before it was executed; not charged
    SURPLUS = 6  # answered and charged, but another answer was first: waste

    @property
    def final(self) -> bool:
        """Whether asking again in another batch cannot be right."""
        return self in (Verdict.ANSWERED, Verdict.REFUSED, Verdict.SURPLUS)


@dataclass(frozen=True, slots=True)
class ResultLine:
    """One line of a provider's results, translated."""

    custom_id: str
    verdict: Verdict
    status: int = 0  # HTTP status of the line, 0 where there is none
    model: str = ""  # the model that answered, as the provider names it
    usage: Usage | None = None
    code: str = ""  # the provider's error code, for people
    message: str = ""  # the provider's error message, for people
    service_tier: str = ""  # what was really used, where the provider says so


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is not a result: cut off, not JSON, or without a custom_id."""

    why: str
