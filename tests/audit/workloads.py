"""Workloads of which everybody agrees who waits, as logs of two weeks, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from lanewise.audit.logs.importing import Wishes
from lanewise.audit.logs.mapping import mapped

Row = dict[str, Any]
Workload = Callable[[random.Random], Iterator[Row]]

START: Final = datetime(2026, 11, 2, tzinfo=UTC).timestamp()  # a Monday
DAY, HOUR, DAYS = 86_400.0, 3_600.0, 14
FIELDS: Final = (
    "at", "model", "provider", "input_tokens", "output_tokens", "seconds", "stream", "lane", "workflow",
    "user", "session", "prompt", "answer",
)  # fmt: skip


def wishes(*without: str) -> Wishes:
    """How such a log is read, some of its fields left out."""
    return Wishes(mapped(",".join(f"{name}={name}" for name in FIELDS if name not in without)))


def asked(at: float, dice: random.Random, input_: float, output: float, **more: Any) -> Row:
    """One request; times and tokens as given, give or take."""
    row = {
        "at": at,
        "model": "gpt-5",
        "provider": "openai",
        "input_tokens": max(int(input_ * dice.uniform(0.8, 1.25)), 1),
        "output_tokens": max(int(output * dice.uniform(0.7, 1.4)), 1) if output else 0,
        "seconds": 0.6 + output / 70 + dice.uniform(0, 0.8),
        "stream": False,
        "prompt": f"Do what is asked of this: {dice.random()}",
        "answer": f"answer {dice.random()}",
    }
    return row | more


def office(dice: random.Random, day: int, each: int) -> Iterator[float]:
    """Instants at which people come: by day, fewer on weekends."""
    for _ in range(each if day % 7 < 5 else each // 5):
        yield START + day * DAY + min(max(dice.gauss(13, 3), 6), 21) * HOUR


def dialogue(
    dice: random.Random, name: str, users: int, stream: bool, begin: float
) -> Iterator[Row]:
    """A conversation: each turn has what was said before, and comes when the answer was read."""
    user, session = f"u{dice.randint(1, users)}", f"{name}-{dice.random()}"
    at, history = begin, 700.0
    for _ in range(dice.randint(2, 7)):
        row = asked(at, dice, 1, 180, user=user, session=session, stream=stream)
        row["input_tokens"] = int(history)
        yield row
        history += row["output_tokens"] + dice.uniform(15, 60)
        at += row["seconds"] + dice.lognormvariate(3.6, 0.8)


def chatbot(dice: random.Random) -> Iterator[Row]:
    """People talk, answers are streamed."""
    for day in range(DAYS):
        for begin in office(dice, day, 25):
            yield from dialogue(dice, "chat", 300, stream=True, begin=begin)


def support_assistant(dice: random.Random) -> Iterator[Row]:
    """The same without streaming."""
    for day in range(DAYS):
        for begin in office(dice, day, 15):
            yield from dialogue(dice, "support", 150, stream=False, begin=begin)


def in_app_drafting(dice: random.Random) -> Iterator[Row]:
    """A button writes a draft; it is streamed and nothing carries on."""
    for day in range(DAYS):
        for at in office(dice, day, 60):
            yield asked(at, dice, 600, 350, user=f"u{dice.randint(1, 90)}", stream=True)


def search_assistance(dice: random.Random) -> Iterator[Row]:
    """A question in a search box, its answer short and not streamed."""
    for day in range(DAYS):
        for at in office(dice, day, 80):
            yield asked(at, dice, 1_500, 50, user=f"u{dice.randint(1, 400)}")


def agent_steps(dice: random.Random) -> Iterator[Row]:
    """A program takes step after step, each when it has the answer before."""
    for day in range(DAYS):
        for begin in office(dice, day, 8):
            at, history, session = begin, 2_000.0, f"agent-{dice.random()}"
            for _ in range(dice.randint(6, 25)):
                row = asked(at, dice, 1, 140, user="svc-agent", session=session)
                row["input_tokens"] = int(history)
                yield row
                history += row["output_tokens"] + dice.uniform(50, 900)
                at += row["seconds"] + dice.lognormvariate(-0.4, 0.8)


def enrichment(dice: random.Random) -> Iterator[Row]:
    """All new records at two in the morning, many at a time."""
    for day in range(DAYS):
        for n in range(120):
            at = START + day * DAY + 2 * HOUR + n * 0.4 + dice.uniform(0, 20)
            yield asked(at, dice, 900, 120, user="svc-crm")


def ticket_summaries(dice: random.Random) -> Iterator[Row]:
    """Whenever a ticket is closed, by day."""
    for day in range(DAYS):
        for at in office(dice, day, 50):
            yield asked(at, dice, 2_400, 130, user="svc-helpdesk")


def telemetry_labels(dice: random.Random) -> Iterator[Row]:
    """A label for each event, round the clock."""
    for day in range(DAYS):
        for _ in range(120):
            at = START + day * DAY + dice.uniform(0, 24) * HOUR
            label = dice.choice(("info", "warning", "error", "security"))
            yield asked(at, dice, 300, 2, user="telemetry-worker", answer=label)


def document_indexing(dice: random.Random) -> Iterator[Row]:
    """Vectors of new documents, as they are uploaded, twenty pieces at once."""
    for day in range(DAYS):
        for begin in office(dice, day, 12):
            for n in range(20):
                more = {"model": "text-embedding-3-small", "user": "svc-index", "answer": None}
                yield asked(begin + n * 0.05, dice, 480, 0, **more)


def moderation(dice: random.Random) -> Iterator[Row]:
    """What people posted is looked at once it is stored."""
    for day in range(DAYS):
        for at in (*office(dice, day, 60), START + day * DAY + dice.uniform(0, 24) * HOUR):
            verdict = dice.choice(("allow", "allow", "allow", "review", "block"))
            yield asked(at + dice.uniform(5, 60), dice, 350, 2, user="svc-trust", answer=verdict)


def lead_scoring(dice: random.Random) -> Iterator[Row]:
    """A few every hour."""
    for hour in range(DAYS * 24):
        for n in range(dice.randint(1, 6)):
            yield asked(
                START + hour * HOUR + 300 + n * 1.5,
                dice, 700, 4, user="crm-sync-job", answer=str(dice.randint(1, 5)),
            )  # fmt: skip


def nightly_evaluation(dice: random.Random) -> Iterator[Row]:
    """The same questions every night, one after the other."""
    for day in range(DAYS):
        at = START + day * DAY + 1.5 * HOUR + dice.uniform(0, 90)
        for n in range(80):
            row = asked(at, dice, 800, 150, user="ci-eval", prompt=f"question {n}")
            yield row
            at += row["seconds"] + 0.05


def backfill(dice: random.Random) -> Iterator[Row]:
    """Everything at once, one afternoon."""
    for n in range(3_000):
        at = START + 9 * DAY + 15 * HOUR + n * 0.2 + dice.uniform(0, 2)
        yield asked(at, dice, 1_100, 90, user="svc-migration")


def index_refresh(dice: random.Random) -> Iterator[Row]:
    """Every six hours, what has changed."""
    for quarter in range(DAYS * 4):
        for n in range(25):
            at = START + quarter * 6 * HOUR + 600 + n * 0.1
            more = {"model": "text-embedding-3-small", "user": "svc-index", "answer": None}
            yield asked(at, dice, 500, 0, **more)


WAITED_FOR: Final[tuple[Workload, ...]] = (
    chatbot, support_assistant, in_app_drafting, search_assistance, agent_steps,
)  # fmt: skip
BACKGROUND: Final[tuple[Workload, ...]] = (
    enrichment, ticket_summaries, telemetry_labels, document_indexing, moderation, lead_scoring,
    nightly_evaluation, backfill, index_refresh,
)  # fmt: skip


def log(seed: int, name: Callable[[str], str | None]) -> list[Row]:
    """All of them in one log, in the order of time; `name` says what each is called there."""
    rows = [
        row | {"workflow": name(workload.__name__)}
        for workload in (*WAITED_FOR, *BACKGROUND)
        for row in workload(random.Random(f"{seed} {workload.__name__}"))
    ]
    return sorted(rows, key=lambda row: float(row["at"]))
