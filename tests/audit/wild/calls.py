"""One call of a model, when people and programs make them, and what a workflow of such calls is called."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

START: Final = datetime(2026, 9, 10, tzinfo=UTC).timestamp()  # a Thursday
DAYS, DAY, HOUR = 10, 86_400.0, 3_600.0


@dataclass(frozen=True, slots=True)
class Call:
    """What a gateway could know of it; times in seconds, sizes in tokens."""

    at: float
    input: int
    output: int
    seconds: float
    model: str = "claude-haiku-4-5"
    stream: bool = False
    user: str | None = None
    session: str | None = None
    key: str | None = None
    agent: str | None = None
    prompt: str = ""
    answer: str = ""
    ok: bool = True


Calls = Iterator[Call]
Make = Callable[[random.Random], Iterable[Call]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A workflow by its name. `waits`: whether anybody does. `kept`: apart, till signs were chosen."""

    name: str
    waits: bool
    make: Make
    kept: bool = False


def call(dice: random.Random, at: float, input_: float, output: float, **more: Any) -> Call:
    """Sizes give or take; the slower the longer the answer is."""
    said = max(round(output * dice.lognormvariate(0, 0.35)), 1) if output else 0
    heard = max(round(input_ * dice.lognormvariate(0, 0.3)), 3)
    seconds = dice.lognormvariate(-0.3, 0.4) + said / 55
    texts = {"prompt": f"You help. Now: {dice.random()}", "answer": f"Well, {dice.random()}"}
    return Call(at, heard, said, seconds, **(texts | more))


def awake(
    dice: random.Random, each: int, *, peak: float, width: float = 3.2, weekend: float = 0.2
) -> Iterator[float]:
    """Instants at which people of one part of the world come; `peak` is their noon, UTC."""
    for day in range(DAYS):
        weekday = datetime.fromtimestamp(START + day * DAY, UTC).weekday() < 5
        for _ in range(round(each * (1 if weekday else weekend))):
            yield START + day * DAY + (dice.gauss(peak, width)) * HOUR


def worldwide(dice: random.Random, each: int) -> Iterator[float]:
    """People everywhere: there is always somebody, at some hours more."""
    for peak, part in ((3, 0.3), (10, 0.4), (19, 0.4)):
        yield from awake(dice, round(each * part), peak=peak, width=3.5, weekend=0.7)


def flat(dice: random.Random, each: int) -> Iterator[float]:
    """At any hour alike."""
    for day in range(DAYS):
        for _ in range(each):
            yield START + (day + dice.random()) * DAY


def every(hours: float, *, at: float = 0, late: float = 0, dice: random.Random) -> Iterator[float]:
    """A scheduler's instants; `late`: by up to so many seconds."""
    for n in range(int(DAYS * 24 / hours)):
        yield START + (at + n * hours) * HOUR + dice.uniform(0, late)


def who(dice: random.Random, many: int, form: str = "u-{:05x}") -> str:
    """One of the users; some come often."""
    return form.format(int(many * dice.random() ** 1.7) * 7_919)


def pool(
    dice: random.Random, begin: float, size: int, workers: int, make: Callable[[float], Call]
) -> Calls:
    """A run: so many workers, each takes the next one when it has its answer."""
    free = [begin + n * 0.02 for n in range(workers)]
    for _ in range(size):
        free.sort()
        done = make(free[0])
        yield done
        free[0] += done.seconds + dice.uniform(0.01, 0.08)


def spoilt(dice: random.Random, calls: Iterable[Call], share: float) -> Calls:
    """Some fail and are tried again, later each time."""
    for one in calls:
        at, wait = one.at, 2.0
        while dice.random() < share:
            yield replace(one, at=at, ok=False, output=0, answer="", seconds=0.3)
            at, wait = at + wait, wait * 2
        yield replace(one, at=at)
