"""What the times of requests show: a scheduler's clock, or a day's rhythm. Neither needs a time zone."""

from __future__ import annotations

from typing import Final

from lanewise.audit.waiting.facts import Beat, Facts

_LEAST_BURSTS: Final = {86_400: 3, 604_800: 3}  # by period; of the others
_OTHERWISE: Final = 6
_SPREADS: Final = {
    300: 15,
    900: 40,
    3_600: 120,
    14_400: 300,
    86_400: 900,
    604_800: 1_800,
}  # seconds
_LONGEST: Final = 4 * 3_600.0  # seconds: what begins at eight and lasts all day is an office
_LEAST_DAYS: Final = 3
_LEAST: Final = 48  # requests
_QUIET_HOURS: Final = 8


def by_the_clock(facts: Facts) -> Beat | None:
    """The bursts that keep time best, if they keep it as only a scheduler does.

    What begins every hour begins at the same place in each quarter too, as closely but for rounding.
    """
    kept = [beat for beat in facts.beats if _kept(beat, facts)]
    closest = min((beat.spread for beat in kept), default=0.0)
    alike = (beat for beat in kept if beat.spread <= 1.1 * closest + 1)
    return max(alike, key=lambda beat: (beat.period, -beat.spread), default=None)


def round_the_clock(facts: Facts) -> float | None:
    """The share of the eight hours on end with the least; None where there are too few days to say."""
    total = sum(facts.hours)
    if facts.days < _LEAST_DAYS or total < _LEAST:
        return None
    twice = facts.hours + facts.hours
    return min(sum(twice[hour : hour + _QUIET_HOURS]) for hour in range(24)) / total


def _kept(beat: Beat, facts: Facts) -> bool:
    period = int(beat.period)
    enough = (
        beat.bursts >= _LEAST_BURSTS.get(period, _OTHERWISE) and beat.across >= 2 * period * 0.9
    )
    whole = (
        beat.long <= min(_LONGEST, beat.period / 2) and beat.size * beat.bursts >= 0.9 * facts.timed
    )
    return enough and whole and beat.spread <= _SPREADS[period]
