"""Signs in how requests follow each other: turns of a talk, steps of a program, bursts of a scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lanewise.audit.waiting.facts import Beat, Facts
from lanewise.audit.waiting.kinds import Kind, Sign
from lanewise.audit.waiting.times import by_the_clock, round_the_clock

_MOST: Final = 0.7  # of the requests
_QUICK: Final = 3.0  # seconds: no person reads and writes in that time
_SLOW: Final = 8.0
_GROWS: Final = 0.5  # how closely inputs follow their place; of records in any order it is about 0
_EVEN: Final = 0.2
_MOST_BEATS: Final = 0.8  # of the beats of a clock
_AT_ONCE: Final = 0.25  # seconds: closer requests are sent at once rather than paced
_FLAT: Final = 0.27  # of the requests in the quietest eight hours; a third, if all hours are alike


def turns(facts: Facts) -> Iterator[Sign]:
    """Requests that carry on from the one before: at a person's pace, or at once."""
    if facts.pairs < 5 or facts.carried < _MOST * facts.pairs or facts.share(facts.pairs) < 0.3:
        yield from _growing(facts)
        return
    gap = facts.carried_gap
    carried = (
        f"{facts.carried:,} of {facts.requests:,} requests carry on from the one before, "
        "their input has grown by its answer"
    )
    if gap <= _QUICK:
        yield Sign(
            Kind.CARRIED_AT_ONCE,
            f"{carried}; half of these begin within {max(gap, 0):.1f} s of that answer: "
            "each step waits for the one before",
        )
    elif gap >= _SLOW:
        yield Sign(Kind.CARRIED_LATER, f"{carried}, {gap:.0f} s after it (median), as people do")
    else:
        yield Sign(Kind.CARRIED_SOON, f"{carried}, {gap:.0f} s after it (median)")
        yield Sign(
            Kind.CARRIED_BETWEEN, "these may also be steps of a program with work between them"
        )


def _growing(facts: Facts) -> Iterator[Sign]:
    """The same where steps run side by side, or neither session nor asker is told."""
    grows = f"inputs grow along {facts.long_sessions:,} sessions of four requests and more"
    if (
        facts.long_sessions >= 3
        and facts.in_long >= 0.5 * facts.requests
        and facts.growth >= _GROWS
    ):
        if facts.step_gap <= _QUICK:
            yield Sign(
                Kind.GROWING_AT_ONCE,
                f"{grows}, and half of the requests begin within {max(facts.step_gap, 0):.1f} s "
                "of the answers before",
            )
        else:
            yield Sign(
                Kind.GROWING_LATER,
                f"{grows}, {facts.step_gap:.0f} s after the answers before (median)",
            )
    elif _in_streaks(facts) and facts.streak_growth >= _GROWS:
        yield Sign(
            Kind.GROWING_AT_ONCE,
            f"{facts.in_streaks:,} of {facts.requests:,} requests run one after the other "
            "within a second, and their inputs grow as they go on",
        )
    elif _side_by_side(facts):
        yield Sign(
            Kind.GROWING_AT_ONCE,
            f"in {facts.crowds:,} runs of up to {facts.crowd:,} at once one request follows on the other, "
            "and their inputs grow as they go on",
        )
    else:
        yield from _pauses(facts)


def _side_by_side(facts: Facts) -> bool:
    """Several chains of steps that begin together, in more runs than one that happens to be sorted."""
    often = facts.crowds >= 3 and facts.worked_off >= 0.5 * facts.requests
    return often and facts.crowd_growth >= _GROWS


def _pauses(facts: Facts) -> Iterator[Sign]:
    """Sessions whose pauses are a person's: seconds to minutes, and each another."""
    enough = facts.paused >= max(5, 0.3 * facts.requests) and facts.sessions >= 3
    mostly = facts.paused >= _MOST * facts.session_pairs
    if enough and mostly and facts.pause_spread > 0.3 * facts.pause:
        yield Sign(
            Kind.PAUSES,
            f"{facts.sessions:,} sessions with pauses of {facts.pause:.0f} s (median), as people think",
        )


def loops(facts: Facts) -> Iterator[Sign]:
    """One after the other without growing: somebody works off a list."""
    if _in_streaks(facts) and facts.streak_growth < _GROWS / 2:
        yield Sign(
            Kind.LOOPED,
            f"{facts.in_streaks:,} of {facts.requests:,} requests run one after the other within a second, "
            "four and more in a row, and their inputs do not grow: a loop over records",
        )


def evenness(facts: Facts) -> Iterator[Sign]:
    """A program's pace: people come at random, so that the times between them vary as much as they last."""
    often = facts.even_gaps >= max(20, _MOST * facts.requests)
    if often and facts.even_gap >= _AT_ONCE and facts.uneven <= _EVEN:
        yield Sign(
            Kind.EVEN,
            f"{facts.even_gaps:,} of {facts.requests:,} requests come {facts.even_gap:.1f} s after the one "
            f"before, give or take {facts.uneven:.0%}: a program paces them",
        )


def _in_streaks(facts: Facts) -> bool:
    return facts.in_streaks >= max(20, 0.5 * facts.requests)


def handing_on(facts: Facts) -> Iterator[Sign]:
    """Another workflow of the same session goes on as soon as the answer is there."""
    if facts.followed >= 0.5:
        yield Sign(
            Kind.HANDED_ON,
            f"behind {facts.followed:.0%} of the answers another workflow of its session goes on within 3 s",
        )


def schedule(facts: Facts) -> Iterator[Sign]:
    """Bursts that begin by the clock, and go on as a program works: people meet by the clock as well."""
    beat = by_the_clock(facts)
    if beat is not None and (beat.brief or beat.exact or _driven(facts)):
        yield Sign(
            Kind.BY_THE_CLOCK,
            f"{beat.bursts:,} bursts of {_requests(beat.size)} (on average) begin {_when(beat)}, "
            f"within {max(beat.spread, 1):.0f} s of the same time: a scheduler starts them",
        )


def _driven(facts: Facts) -> bool:
    """Whether a program sets the pace: so many kept under way, one after the other, evenly or at once."""
    kept = max(facts.held, facts.bunched) >= 0.5 * facts.requests
    return kept or _in_streaks(facts) or any(evenness(facts))


def crowds(facts: Facts) -> Iterator[Sign]:
    """Many at once where there are hardly ever any, and more than run at once: they are worked off.

    Many at once of a busy service say nothing, and a few at once may be what one click sets off.
    """
    if facts.requests < 20:
        return
    rests = 0 < facts.slots <= 0.2 * facts.log_slots
    if rests and facts.worked_off >= 0.5 * facts.requests:
        yield Sign(
            Kind.CROWDED,
            f"{facts.worked_off:,} of {facts.requests:,} requests are worked off in runs, up to "
            f"{facts.crowd} at once; there are any in {facts.slots:,} of {facts.log_slots:,} stretches "
            "of ten minutes",
        )
    elif facts.bunched >= 0.5 * facts.requests:
        yield Sign(
            Kind.BUNCHED,
            f"{facts.bunched:,} of {facts.requests:,} requests come five and more within two seconds, "
            f"up to {facts.bunch}, and few in the minutes around",
        )


def scattered(facts: Facts) -> Iterator[Sign]:
    """Now and then, as events and people come: weak, since both do, but more than a name alone."""
    programs = (schedule, crowds, evenness, loops)
    if facts.timed < 20 or any(sign for look in programs for sign in look(facts)):
        return
    if facts.slots >= min(50, 0.3 * facts.timed):
        yield Sign(
            Kind.SCATTERED,
            f"{facts.timed:,} requests come in {facts.slots:,} stretches of ten minutes, "
            "by no clock and at no pace",
        )


def rounds(facts: Facts) -> Iterator[Sign]:
    """Whether it keeps people's hours, anywhere in the world."""
    quiet = round_the_clock(facts)
    if quiet is None:
        return
    told = f"{quiet:.0%} of the requests come in the quietest eight hours of the day"
    if quiet >= _FLAT:
        yield Sign(Kind.ROUND_THE_CLOCK, f"it runs round the clock: {told}")
    elif quiet >= 0.2:
        yield Sign(Kind.AT_ALL_HOURS, f"it runs at all hours: {told}")
    elif quiet <= 0.05 and sum(hour > 0 for hour in facts.hours) >= 6:
        yield Sign(Kind.RESTING, f"it rests as people do: {told}")


def _requests(size: float) -> str:
    return "1 request" if round(size) == 1 else f"{size:,.0f} requests"


def _when(beat: Beat) -> str:
    """Every day only where hardly one is missed; else that it is always at the same time of a day."""
    hours, minutes = int(beat.period // 3_600), int(beat.period // 60)
    each, some = {
        86_400: ("every day", "on some days"),
        604_800: ("every week", "in some weeks"),
        3_600: ("every hour", "in some hours"),
    }.get(int(beat.period)) or (
        (f"every {hours} hours", f"in some stretches of {hours} hours")
        if hours
        else (f"every {minutes} minutes", f"in some stretches of {minutes} minutes")
    )
    return each if beat.bursts >= _MOST_BEATS * (beat.across / beat.period + 1) else some
