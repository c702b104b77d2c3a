"""Who waits where many come together: people who meet by the clock, and programs that a clock starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

from lanewise.audit.waiting import Beat, Facts, Judged, Waiting, judge
from lanewise.audit.waiting.times import by_the_clock

from .test_who_waits_elsewhere import judged
from .wild.calls import DAY, HOUR, START, Call, awake, call, pool
from .wild.logs import FORMATS

FORM: Final = FORMATS["gateway"]
ELSE: Final = [START + DAY * n for n in range(10)]  # the log goes on when nothing of it comes


def found(path: Path, name: str, calls: Iterable[Call]) -> Judged:
    dice = Random(1)
    rows = [FORM.record(one, name, "") for one in calls]
    rows += [FORM.record(call(dice, at, 50, 5), "other", "") for at in ELSE]
    return judged(path, rows, FORM)[name]


def meeting(dice: Random, begin: float, people: int, hours: float, pause: float) -> Iterator[Call]:
    """Each comes within four minutes, asks, reads, and asks again; nothing tells them apart."""
    for _ in range(people):
        at = begin + dice.uniform(0, 240)
        while at < begin + hours * HOUR:
            one = call(dice, at, 700, 200, user="svc-web")
            yield one
            at += one.seconds + pause * dice.lognormvariate(0, 0.7)


def test_a_crowd_of_people_at_a_demo_is_not_worked_off(tmp_path: Path) -> None:
    one = found(tmp_path, "wf-1", meeting(Random(2), START + DAY, 60, 1.5, 30))
    assert one.waiting is not Waiting.BACKGROUND


def test_lessons_that_begin_by_the_clock_are_not_started_by_a_scheduler(tmp_path: Path) -> None:
    dice = Random(3)
    calls = [one for day in ELSE for one in meeting(dice, day + 10 * HOUR, 25, 0.75, 90)]
    assert found(tmp_path, "wf-2", calls).waiting is not Waiting.BACKGROUND


def test_a_job_that_works_for_long_is_known_by_its_clock_however_it_works(tmp_path: Path) -> None:
    """Three at a time, or one after the other with long pauses between."""
    dice = Random(4)

    def slow(begin: float) -> Iterator[Call]:
        at = begin + dice.uniform(0, 1)
        for _ in range(40):
            one = call(dice, at, 900, 60, user="svc-x")
            yield one
            at += one.seconds + dice.uniform(5, 60)

    def make(at: float) -> Call:
        return call(dice, at, 900, 300, user="svc-x")

    for name, calls in (
        ("wf-3", [one for day in ELSE for one in pool(dice, day + HOUR, 250, 3, make)]),
        ("wf-4", [one for day in ELSE for one in slow(day + HOUR)]),
    ):
        one = found(tmp_path, name, calls)
        assert (one.waiting, one.level) == (Waiting.BACKGROUND, "high"), one
        assert any("a scheduler starts them" in words for words in one.evidence)


def test_agents_side_by_side_without_sessions_are_steps_though_a_scheduler_starts_them(
    tmp_path: Path,
) -> None:
    dice, calls = Random(5), []
    for day in ELSE:
        for _ in range(6):
            at, history = day + 2 * HOUR + dice.uniform(0, 1), 4_000.0
            for _ in range(15):
                one = call(dice, at, 1, 140, user="svc-cron")
                calls.append(replace(one, input=int(history)))
                history += one.output + dice.uniform(50, 900)
                at += one.seconds + dice.uniform(0.2, 1.5)
    assert found(tmp_path, "wf-5", calls).waiting is Waiting.BLOCKING


def test_a_name_with_the_account_of_a_service_is_never_sure(tmp_path: Path) -> None:
    """Buttons and checks before an answer are called so too, and ask under such an account."""
    for name, user in (
        ("thread_summary", "svc-app"),
        ("input_moderation", "svc-gateway"),
        ("applicant_scoring", "svc-api"),
    ):
        dice = Random(name)
        calls = [
            call(dice, at, 800, 4, user=user, answer=dice.choice("ab"))
            for at in awake(dice, 50, peak=13)
        ]
        assert found(tmp_path, name, calls).level != "high"


def test_what_begins_every_hour_is_not_said_to_begin_every_quarter_of_it() -> None:
    """Both are kept to the second, and rounding decides which a little better."""
    beats = [
        Beat(period, 168, 20, 14, 167 * HOUR, agree)
        for period, agree in ((300.0, 1.0), (900.0, 1.0), (HOUR, 1 - 1e-13), (4 * HOUR, 0.01))
    ]
    found_ = by_the_clock(Facts(requests=3_360, timed=3_360, beats=tuple(beats)))
    assert found_ is not None
    assert found_.period == HOUR


def test_every_day_is_said_only_where_hardly_one_is_missed() -> None:
    for days, said in ((7, "begin every day"), (3, "begin on some days")):
        beat = Beat(DAY, days, 50, 60, 6 * DAY, 1.0)
        facts = Facts(requests=50 * days, timed=50 * days, beats=(beat,))
        assert any(said in words for words in judge(facts).evidence)
