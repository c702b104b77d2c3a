"""What may be a sign, for which class it speaks, and how much it weighs.

A weight is how much the odds are taken to shift (natural logarithm). They are chosen, not fitted. The table
in docs/explanation/who-waits.md is this one.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Final, NamedTuple


class Waiting(StrEnum):
    """Who waits for the answers of a group."""

    INTERACTIVE = "interactive"  # a person
    BLOCKING = "blocking step"  # a program that cannot go on
    BACKGROUND = "background"  # nobody, right now
    UNKNOWN = "unknown"


class Weighed(NamedTuple):
    """A kind of sign. `about`: what shows, as the documentation says it."""

    towards: Waiting
    weight: float
    about: str


_PERSON, _STEP, _NOBODY = Waiting.INTERACTIVE, Waiting.BLOCKING, Waiting.BACKGROUND


class Kind(Enum):
    """All kinds of signs there are."""

    CARRIED_AT_ONCE = Weighed(
        _STEP,
        4.0,
        "requests carry on from the one before (its answer is in their input) within 3 s",
    )
    GROWING_AT_ONCE = Weighed(
        _STEP,
        3.0,
        "inputs grow along a session, a streak of requests or runs side by side, each within 3 s of the "
        "answers before",
    )
    HANDED_ON = Weighed(
        _STEP, 2.5, "another workflow of the same session goes on within 3 s of the answer"
    )
    CARRIED_BETWEEN = Weighed(
        _STEP,
        1.5,
        "requests carry on after 3 to 8 s: a quick person, or steps with work between them",
    )
    CARRIED_LATER = Weighed(_PERSON, 2.5, "requests carry on from the one before after 8 s or more")
    CARRIED_SOON = Weighed(_PERSON, 1.5, "they carry on after 3 to 8 s")
    GROWING_LATER = Weighed(
        _PERSON, 2.0, "inputs grow along a session, each more than 3 s after the answers before"
    )
    PAUSES = Weighed(_PERSON, 2.0, "sessions with pauses of 3 s to an hour, each another")
    STREAMED = Weighed(_PERSON, 2.0, "half of the answers or more are streamed")
    PRIORITY = Weighed(_PERSON, 2.0, "a priority tier is paid for")
    PEOPLE_CLIENT = Weighed(_PERSON, 1.5, "the client is a browser, an editor or a chat")
    USERS = Weighed(_PERSON, 1.2, "eight or more users ask, and they are not named as programs")
    QUERIES = Weighed(_PERSON, 0.8, "vectors of texts as short as a search")
    RETURNING = Weighed(
        _PERSON, 0.6, "three in ten come within ten minutes of the same user's answer before"
    )
    RESTING = Weighed(_PERSON, 0.3, "it rests for eight hours of the day")
    SCATTERED = Weighed(
        _PERSON, 0.2, "it comes now and then, and no clock, pace, crowd or loop shows"
    )
    BY_THE_CLOCK = Weighed(
        _NOBODY, 2.5,
        "bursts begin within seconds to minutes of the same place in 5 or 15 minutes, an hour, 4 hours, a "
        "day or a week, and are over in five minutes or go on as a program works",
    )  # fmt: skip
    CROWDED = Weighed(
        _NOBODY,
        2.0,
        "it is idle four fifths of the time, and half of the requests are worked off: always about as many "
        "at once, five and more, others as these end",
    )
    BUNCHED = Weighed(
        _NOBODY,
        1.2,
        "half of the requests come five and more within two seconds, far closer than in the minutes around",
    )
    JOBS = Weighed(_NOBODY, 1.3, "those who ask are named as jobs, workers or pipelines")
    JOB_CLIENT = Weighed(_NOBODY, 1.2, "the client is a scheduler of jobs")
    LOOPED = Weighed(
        _NOBODY,
        1.2,
        "each begins within a second of the answer before, and inputs do not grow: a loop over records",
    )
    EVEN = Weighed(
        _NOBODY,
        1.5,
        "times from one request to the next, of 0.25 s and more, vary by less than a fifth of their average",
    )
    DOCUMENTS = Weighed(_NOBODY, 0.9, "vectors of texts longer than a search")
    LABELS = Weighed(_NOBODY, 0.9, "all answers are among twenty")
    REPEATED = Weighed(_NOBODY, 0.8, "the same prompts come again")
    NOT_STREAMED = Weighed(
        _NOBODY, 0.7, "long answers (100 tokens, the median), and hardly any is streamed"
    )
    FILLED_IN = Weighed(_NOBODY, 0.6, "one template is filled in anew each time")
    ROUND_THE_CLOCK = Weighed(_NOBODY, 0.6, "it runs at all hours alike")
    SHORT = Weighed(_NOBODY, 0.5, "95 of 100 answers are at most 16 tokens long")
    SERVICES = Weighed(_NOBODY, 0.5, "those who ask are named as services")
    NOT_STREAMED_SHORT = Weighed(_NOBODY, 0.3, "short answers, and hardly any is streamed")
    AT_ALL_HOURS = Weighed(_NOBODY, 0.3, "it runs at all hours, at some less")
    NAMED_FOR_A_PERSON = Weighed(
        _PERSON, 2.0, "all telling words of its name say that a person waits"
    )
    NAMED_FOR_A_STEP = Weighed(_STEP, 2.0, "all telling words of its name say that a program waits")
    NAMED_FOR_NOBODY = Weighed(_NOBODY, 2.0, "all telling words of its name say that nobody waits")
    NAMED_PERSON = Weighed(
        _PERSON, 0.8, "the last telling word of its name says that a person waits, others do not"
    )
    NAMED_STEP = Weighed(
        _STEP, 0.8, "the last telling word of its name says that a program waits, others do not"
    )
    NAMED_NOBODY = Weighed(
        _NOBODY, 0.8, "the last telling word of its name says that nobody waits, others do not"
    )


NAMED: Final = frozenset(kind for kind in Kind if kind.name.startswith("NAMED"))
CHAINED: Final = frozenset((Kind.CARRIED_AT_ONCE, Kind.CARRIED_BETWEEN, Kind.GROWING_AT_ONCE))
OF_THE_START: Final = frozenset(
    (
        Kind.BY_THE_CLOCK, Kind.CROWDED, Kind.BUNCHED, Kind.EVEN, Kind.JOBS, Kind.JOB_CLIENT, Kind.SERVICES,
        Kind.ROUND_THE_CLOCK, Kind.AT_ALL_HOURS, Kind.NOT_STREAMED, Kind.NOT_STREAMED_SHORT, Kind.FILLED_IN,
    )
)  # fmt: skip
"""They tell what starts a chain of steps, and nothing of whether each step waits for the one before."""
ALSO_OF_SERVING: Final = frozenset(
    (
        Kind.NOT_STREAMED, Kind.NOT_STREAMED_SHORT, Kind.SERVICES, Kind.ROUND_THE_CLOCK, Kind.AT_ALL_HOURS,
        Kind.FILLED_IN, Kind.SHORT, Kind.BUNCHED,
    )
)  # fmt: skip
"""A backend that serves people all over the world shows them as well: alone they make no background."""
SERVING_MOST: Final = 1.0  # what they weigh together, at the most


class Sign(NamedTuple):
    """Something that speaks for a class, in words with its figures."""

    kind: Kind
    says: str

    @property
    def towards(self) -> Waiting:
        """The class that it speaks for."""
        return self.kind.value.towards

    @property
    def weight(self) -> float:
        """By how much."""
        return self.kind.value.weight
