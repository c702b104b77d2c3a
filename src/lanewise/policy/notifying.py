"""When a webhook that did not take a notice is told again: as Standard Webhooks has it, spread a little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

SCHEDULE: Final = (
    5.0,
    300.0,
    1_800.0,
    7_200.0,
    18_000.0,
    36_000.0,
    50_400.0,
    72_000.0,
    86_400.0,
)  # seconds after each try that failed; about three days in all
_SPREAD: Final = 0.1


@dataclass(frozen=True, slots=True)
class Heard:
    """What a receiver answered: a status, or in words why there is none."""

    status: int | None
    why: str = ""

    def __str__(self) -> str:
        return self.why if self.status is None else f"it answered with status {self.status}"


@dataclass(frozen=True, slots=True)
class Taken:
    """It has the notice."""


@dataclass(frozen=True, slots=True)
class Again:
    """It is told once more, `seconds` from now."""

    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """It was told as often as it is told."""

    why: str


@dataclass(frozen=True, slots=True)
class Unwanted:
    """It wants no notices any more, now or later."""

    why: str = "it answered with status 410: it wants no more"


Step: TypeAlias = Taken | Again | GivenUp | Unwanted


def next_step(heard: Heard, tries: int, noise: float) -> Step:
    """What follows from the answer to the `tries`th try (the first is 1); `noise` is 0 to 1.

    >>> next_step(Heard(204), 1, 0.0), next_step(Heard(302), 1, 0.0).seconds
    (Taken(), 5.0)
    >>> next_step(Heard(500), 10, 0.0)
    GivenUp(why='it answered with status 500')
    """
    if heard.status is not None and 200 <= heard.status < 300:
        return Taken()
    if heard.status == 410:
        return Unwanted()
    if tries > len(SCHEDULE):
        return GivenUp(str(heard))
    return Again(SCHEDULE[tries - 1] * (1.0 + _SPREAD * noise), str(heard))
