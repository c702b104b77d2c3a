"""Signs that somebody waits, or that nobody does: each from facts alone, with a weight and in words.

A weight is how much the odds are taken to shift (natural logarithm). They are chosen, not fitted: one alone
is enough for a high confidence only where requests carry on from each other or keep a scheduler's time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from lanewise.audit.waiting.facts import Facts
from lanewise.audit.waiting.times import by_the_clock, round_the_clock


class Waiting(StrEnum):
    """Who waits for the answers of a group."""

    INTERACTIVE = "interactive"  # a person
    BLOCKING = "blocking step"  # a program that cannot go on
    BACKGROUND = "background"  # nobody, right now
    UNKNOWN = "unknown"


class Sign(NamedTuple):
    """Something that speaks for a class."""

    towards: Waiting
    weight: float
    says: str


Signs: TypeAlias = Callable[[Facts], Iterator[Sign]]
_MOST: Final = 0.7  # of the requests
_FEW_ANSWERS: Final = 20
_SHORT: Final = 16  # tokens
_PEOPLE: Final = 8  # askers
_QUICK: Final = 3.0  # seconds: no person reads and writes in that time
_SLOW: Final = 8.0
_WORDS: Final = (
    (
        Waiting.BACKGROUND,
        r"night|batch|backfill|index|enrich|eval|label|telemetry|scor|cron|etl|bulk|digest|refresh|moderation",
    ),
    (Waiting.BACKGROUND, r"summar(y|ies)|tagging|embed|offline"),
    (
        Waiting.INTERACTIVE,
        r"chat|assist|copilot|search|draft|autocomplete|compose|playground|reply",
    ),
    (Waiting.BLOCKING, r"agent|tool|router|guard|planner|step"),
)


def streaming(facts: Facts) -> Iterator[Sign]:
    """Answers are streamed for somebody who reads along; some clients stream whatever they do."""
    if not facts.stream_told:
        return
    share = facts.share(facts.streamed, facts.stream_told)
    if share >= 0.5:
        yield Sign(Waiting.INTERACTIVE, 2.0, f"{share:.0%} of the answers are streamed")
    elif share <= 0.02:
        yield Sign(
            Waiting.BACKGROUND,
            0.6,
            "no answer is streamed" if not share else "hardly any is streamed",
        )


def turns(facts: Facts) -> Iterator[Sign]:
    """Requests that carry on from the one before: at a person's pace, or at once."""
    if facts.pairs < 5 or facts.carried < 0.7 * facts.pairs or facts.share(facts.pairs) < 0.3:
        yield from _pauses(facts)
        return
    gap, share = facts.carried_gap, facts.share(facts.carried)
    carried = f"{share:.0%} of the requests carry on from the one before, with what was said in their input"
    if gap <= _QUICK:
        yield Sign(
            Waiting.BLOCKING, 4.0,
            f"{carried}; half of them begin within {max(gap, 0):.1f} s of its answer: "
            "each step waits for the one before",
        )  # fmt: skip
    elif gap >= _SLOW:
        yield Sign(
            Waiting.INTERACTIVE,
            2.5,
            f"{carried}, {gap:.0f} s after its answer (median), as people do",
        )
    else:
        yield Sign(Waiting.INTERACTIVE, 1.5, f"{carried}, {gap:.0f} s after its answer (median)")
        yield Sign(
            Waiting.BLOCKING, 1.5, "which may also be steps of a program with work between them"
        )


def _pauses(facts: Facts) -> Iterator[Sign]:
    """Sessions whose pauses are a person's: seconds to minutes, and each another."""
    enough = facts.paused >= max(5, 0.3 * facts.requests) and facts.sessions >= 3
    mostly = facts.paused >= _MOST * facts.session_pairs
    if enough and mostly and facts.pause_spread > 0.3 * facts.pause:
        yield Sign(
            Waiting.INTERACTIVE, 2.0,
            f"{facts.sessions:,} sessions with pauses of {facts.pause:.0f} s (median), as people think",
        )  # fmt: skip


def handing_on(facts: Facts) -> Iterator[Sign]:
    """Another workflow of the same session goes on as soon as the answer is there."""
    if facts.followed >= 0.5:
        yield Sign(
            Waiting.BLOCKING, 2.5,
            f"behind {facts.followed:.0%} of the answers another workflow of its session goes on within 3 s",
        )  # fmt: skip


def paid_for_speed(facts: Facts) -> Iterator[Sign]:
    """A priority tier costs more."""
    if facts.share(facts.priority) >= 0.5:
        yield Sign(Waiting.INTERACTIVE, 2.0, "most requests pay for a priority tier")


def schedule(facts: Facts) -> Iterator[Sign]:
    """Bursts that begin by the clock."""
    beat = by_the_clock(facts)
    if beat is not None:
        yield Sign(
            Waiting.BACKGROUND, 2.5,
            f"{beat.bursts:,} bursts of {beat.size:,.0f} requests begin {_every(beat.period)}, "
            f"within {max(beat.spread, 1):.0f} s of the same time: a scheduler starts them",
        )  # fmt: skip


def crowds(facts: Facts) -> Iterator[Sign]:
    """Many at once: of one asker, which no person sends, or of a workflow that hardly ever has any."""
    if facts.requests < 20:
        return
    rests = facts.slots <= 0.2 * facts.log_slots
    known = facts.asked_by_told >= _MOST * facts.requests
    if known and facts.crowded >= 0.5:
        yield Sign(
            Waiting.BACKGROUND, 2.0 if rests else 1.5,
            f"{facts.crowded:.0%} begin while four others of one asker run, up to {facts.crowd}",
        )  # fmt: skip
    elif rests and facts.together >= 0.5:
        yield Sign(
            Waiting.BACKGROUND, 1.5,
            f"it is idle most of the time, and {facts.together:.0%} begin while four others run, "
            f"up to {facts.throng}",
        )  # fmt: skip


def rounds(facts: Facts) -> Iterator[Sign]:
    """Whether it keeps people's hours, anywhere in the world."""
    quiet = round_the_clock(facts)
    if quiet is None:
        return
    if quiet >= 0.2:
        yield Sign(
            Waiting.BACKGROUND, 0.6,
            f"it runs round the clock: the quietest eight hours have {quiet:.0%} of the requests",
        )  # fmt: skip
    elif quiet <= 0.05 and sum(hour > 0 for hour in facts.hours) >= 6:
        yield Sign(Waiting.INTERACTIVE, 0.3, "it rests for eight hours of the day, as people do")


def askers(facts: Facts) -> Iterator[Sign]:
    """Who asks: many people, or a program."""
    if facts.asked_by_told >= _MOST * facts.requests:
        programs = facts.share(facts.programs, facts.asked_by_told)
        if programs >= 0.9:
            yield Sign(Waiting.BACKGROUND, 0.9, "those who ask are named as services")
        elif programs <= 0.1 and facts.askers >= _PEOPLE:
            yield Sign(Waiting.INTERACTIVE, 1.7, f"{facts.askers:,} different users ask")
    if facts.client_told >= _MOST * facts.requests:
        if facts.people_clients >= 0.8 * facts.client_told:
            yield Sign(Waiting.INTERACTIVE, 1.5, "the client is one that people sit at")
        elif facts.program_clients >= 0.8 * facts.client_told:
            yield Sign(Waiting.BACKGROUND, 1.2, "the client is a scheduler of jobs")


def one_shot(facts: Facts) -> Iterator[Sign]:
    """The same template with other content each time, and nothing that carries on."""
    people = facts.askers >= _PEOPLE and facts.programs <= 0.1 * facts.asked_by_told
    carries = facts.carried >= 0.3 * facts.requests or facts.sessions < 0.7 * facts.in_session
    if people or carries or facts.requests < 20:
        return
    if facts.templated >= 0.9 and facts.distinct_prompts >= 0.5 * facts.prompts:
        yield Sign(
            Waiting.BACKGROUND,
            0.6,
            "one template is filled in anew each time, and nothing carries on from it",
        )
    if facts.prompts >= 50 and facts.distinct_prompts <= 0.5 * facts.prompts:
        yield Sign(
            Waiting.BACKGROUND, 0.8,
            f"the same prompts come again: {facts.distinct_prompts:,} different ones in {facts.prompts:,}",
        )  # fmt: skip


def answers(facts: Facts) -> Iterator[Sign]:
    """Labels rather than texts."""
    if facts.answers >= 50 and facts.distinct_answers <= min(_FEW_ANSWERS, 0.2 * facts.answers):
        yield Sign(
            Waiting.BACKGROUND, 0.9,
            f"all answers are among {facts.distinct_answers:,}: labels, which something else reads",
        )  # fmt: skip
    elif facts.output_told >= 50 and 0 < facts.long_output <= _SHORT:
        yield Sign(
            Waiting.BACKGROUND,
            0.5,
            f"95 of 100 answers have at most {facts.long_output:.0f} tokens",
        )
    elif facts.output_told >= 50 and facts.long_output == 0 and facts.input >= 100:
        yield Sign(
            Waiting.BACKGROUND,
            0.5,
            "there is no output: vectors of texts that are longer than a search",
        )


def names(facts: Facts) -> Iterator[Sign]:
    """What the workflow is called; weak, since names are given once and for ever."""
    found = [(towards, re.search(words, facts.name.lower())) for towards, words in _WORDS]
    said = {towards: word[0] for towards, word in found if word}
    if len(said) == 1:
        for towards, word in said.items():
            yield Sign(towards, 0.8, f"its name says {word!r}")


ALL: Final[tuple[Signs, ...]] = (
    streaming, turns, handing_on, paid_for_speed, schedule, crowds, rounds, askers, one_shot, answers, names,
)  # fmt: skip


def _every(period: float) -> str:
    named = {86_400: "every day", 604_800: "every week", 3_600: "every hour"}
    hours, minutes = int(period // 3_600), int(period // 60)
    return named.get(int(period)) or (
        f"every {hours} hours" if hours else f"every {minutes} minutes"
    )
