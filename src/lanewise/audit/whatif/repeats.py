"""Exact repeats inside a run, which a rule may have asked once.

Logs know no runs. Requests of a workflow, key and tags that come within `TOGETHER` of one another are taken
to be one: what a program writes into one file and submits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Final, TypeAlias

from lanewise.audit.whatif.traffic import Logged
from lanewise.policy.rules import Ruling

TOGETHER: Final = 60.0  # seconds
_Caller: TypeAlias = tuple[str, str, tuple[str, ...]]


@dataclass(slots=True)
class _Run:
    last: float = -inf
    asked: set[tuple[object, ...]] = field(default_factory=set)


class Repeats:
    """Requests come in the order of time."""

    def __init__(self) -> None:
        self._runs: dict[_Caller, _Run] = {}

    def repeats(self, logged: Logged, ruling: Ruling) -> bool:
        """Whether its rule has it answered with an equal one of its run. Without a text nothing is equal."""
        if not ruling.dedupe or not logged.prompt:
            return False
        run = self._runs.setdefault((logged.workflow, logged.key, logged.tags), _Run())
        if logged.at - run.last > TOGETHER:
            run.asked.clear()
        run.last = logged.at
        asked = (ruling.rule, logged.provider, logged.model, logged.input, logged.prompt)
        if asked in run.asked:
            return True
        run.asked.add(asked)
        return False
