"""One way to spend less on a group, with what it is worth and what that rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lanewise.audit.money import Money
from lanewise.domain.lanes import LaneName, Terms


@dataclass(frozen=True, slots=True)
class Lever:
    """Over the span of the log.

    `sure` is `high` or `medium`, `trial` where only a trial tells, or `none`: ask first.
    """

    kind: str  # lane, cache, route
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
    def counts(self) -> bool:
        """Whether it is in a total: what is not known, or not before a trial, is not. Nor are levers on the
        same requests as a lane's, which do not add up: they are replayed together.
        """
        return self.kind == "lane" and self.sure in ("high", "medium")
