"""What to make of a look at the provider after a create whose outcome is not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

# Looks after the attempt was given up: listings are not promised to show a new batch at once.
LOOKS: Final = (0.0, 30.0, 120.0, 600.0)


@dataclass(frozen=True, slots=True)
class Adopt:
    """It is there: `provider_id` is ours, for certain or until its results prove it."""

    provider_id: str
    provisional: bool
    surplus: tuple[str, ...]  # certain, and one too many: cancel and account for them
    why: str


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Not seen, and it may still turn up."""

    at: float
    why: str


@dataclass(frozen=True, slots=True)
class Absent:
    """It is not there and can no longer arrive."""

    why: str


Judgement: TypeAlias = Adopt | LookAgain | Absent


def judge(
    candidates: tuple[str, ...],
    *,
    certain: bool,
    held: frozenset[str],
    now: float,
    give_up_at: float,
    listing_lag: float,
) -> Judgement:
    """Decide after one complete look.

    `candidates` are provider ids, oldest first; `held` are those that a sibling holds provisionally:
    one of them may be ours, so they forbid the verdict "absent" as long as they are in doubt.

    >>> judge((), certain=True, held=frozenset(), now=100, give_up_at=60, listing_lag=600)
    LookAgain(at=180.0, why='not in the listing yet')
    >>> judge((), certain=True, held=frozenset(), now=700, give_up_at=60, listing_lag=600)
    Absent(why='not in the listing 640 s after the attempt was given up')
    """
    free = tuple(candidate for candidate in candidates if candidate not in held)
    if free and certain:
        return Adopt(free[0], provisional=False, surplus=free[1:], why="found by our own tag")
    if free:
        return Adopt(free[0], provisional=True, surplus=(), why="fits by time and count")
    if held.intersection(candidates):
        again = now + listing_lag / 10  # the sibling's results will tell whose it is
        return LookAgain(again, "what fits is held by another batch that is in doubt")
    if now >= give_up_at + listing_lag:
        return Absent(f"not in the listing {now - give_up_at:.0f} s after the attempt was given up")
    return LookAgain(_next_look(now, give_up_at, listing_lag), "not in the listing yet")


def _next_look(now: float, give_up_at: float, listing_lag: float) -> float:
    """The next instant of the schedule, scaled to the provider's lag; the last is the lag itself."""
    for look in LOOKS:
        at = give_up_at + look * listing_lag / LOOKS[-1]
        if at > now:
            return at
    return give_up_at + listing_lag
