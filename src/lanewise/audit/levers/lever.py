"""One way to spend less on a group, with what it is worth and what that rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from lanewise.audit.money import Money
from lanewise.domain.lanes import LaneName, Terms

SURE: Final = (
    "high",
    "medium",
)  # what can be recommended; `trial` and `none` are to be found out first


@dataclass(frozen=True, slots=True)
class Lever:
    """Over the span of the log.

    `sure` is `high` or `medium`, `trial` where only a trial tells, or `none`: `needs` says what comes first.
    """

    kind: str  # lane, cache, dedupe, route, prompt
    group: str
    does: str  # in words
    requests: int
    now: int  # nano-USD that these cost in real time
    money: Money  # what it saves
    sure: str
    evidence: tuple[str, ...]
    rests_on: tuple[str, ...]
    by_terms: Mapping[Terms, Money] = field(default_factory=dict)  # where data terms decide
    lanes: Mapping[tuple[str, str], LaneName] = field(default_factory=dict)  # by provider and model

    @property
    def needs(self) -> str:
        """What has to come before it where it is not sure, in two or three words; else how sure it is."""
        if self.sure == "none":
            return "log it first" if self.kind == "cache" else "ask first"
        return self.sure

    @property
    def counts(self) -> bool:
        """Whether it is in the total: lanes, as no request is in two of them, where it is known who waits."""
        return self.kind == "lane" and self.sure in SURE
