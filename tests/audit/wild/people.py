"""Workflows for which a person waits, or a program that cannot go on."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from .calls import START, Calls, Kind, awake, call, every, flat, who, worldwide

D = random.Random


def talks(
    dice: D, begins: Iterable[float], *, pause: float = 35, users: int = 0, session: bool = True,
    output: float = 160, **more: Any,
) -> Calls:  # fmt: skip
    """Conversations: each turn brings along what was said, and comes at a person's pace."""
    for begin in begins:
        at, history = begin, dice.uniform(300, 900)
        own = {"session": f"s{dice.random()}"} if session else {}
        own |= {"user": who(dice, users)} if users else {}
        for _ in range(1 + min(int(dice.expovariate(0.35)), 14)):
            one = replace(call(dice, at, 1, output, **(more | own)), input=int(history))
            yield one
            history += one.output + dice.uniform(8, 90)
            at += one.seconds + dice.lognormvariate(0, 0.7) * pause


def clicks(
    dice: D, times: Iterable[float], *, input_: float, output: float, users: int = 0, again: float = 0.0,
    **more: Any,
) -> Calls:  # fmt: skip
    """A button or a box: one request, and with some luck another soon after, by the same person."""
    for begin in times:
        at, own = begin, {"user": who(dice, users)} if users else {}
        while True:
            one = call(dice, at, input_, output, **(more | own))
            yield one
            if dice.random() >= again:
                break
            at += one.seconds + dice.lognormvariate(3.2, 0.8)


def steps(
    dice: D, begins: Iterable[float], *, gap: float = 0.4, session: bool = True, wide: int = 1,
    trimmed: float = 1e9, form: str = "", **more: Any,
) -> Calls:  # fmt: skip
    """An agent: each step, or each few side by side, begins when the answers before are there."""
    for begin in begins:
        at, history, name = begin, dice.uniform(1_500, 4_000), f"run{dice.random()}"
        own = {"session": name} if session else {}
        own |= {"user": form.format(dice.randint(1, 30))} if form else {}
        for _ in range(dice.randint(4, 22)):
            width = wide if dice.random() < 0.5 else 1
            side = [
                replace(
                    call(dice, at + n * 0.03, 1, 110, **(more | own)),
                    input=int(history * (1 if not n else dice.uniform(0.3, 0.9))),
                )
                for n in range(width)
            ]
            yield from side
            history += sum(one.output for one in side) + dice.uniform(40, 1_200)
            history = history if history < trimmed else trimmed * 0.6
            at = max(one.at + one.seconds for one in side) + dice.lognormvariate(0, 0.8) * gap


def answered_in_steps(dice: D, *, name: str) -> Calls:
    """A small step before each answer of an assistant, in the same session; `name`: only of that part."""
    dice = random.Random(dice.random() > 2)  # the same for both parts
    for n, begin in enumerate(awake(dice, 30, peak=14)):
        session, at = f"x{n}", begin
        for _ in range(dice.randint(1, 4)):
            first = call(dice, at, 180, 6, session=session, key="assist-backend")
            then = call(dice, at + first.seconds + 0.1, 2_500, 220, session=session, stream=True)
            yield first if name == "first" else then
            at = then.at + then.seconds + dice.lognormvariate(3.3, 0.6)


def fanned(dice: D, times: Iterable[float], width: int, **more: Any) -> Calls:
    """A person asks once, the application several times at once."""
    for at in times:
        for n in range(width):
            yield call(dice, at + n * 0.01, 420, 8, **more)


def workshop(dice: D) -> Calls:
    """Everybody tries the chat on one afternoon, and few ever again."""
    begins = [START + 4 * 86_400 + dice.uniform(13, 16) * 3_600 for _ in range(70)]
    yield from talks(dice, begins, users=70, stream=True)


SVC: Final[dict[str, Any]] = {"user": "svc-backend", "key": "prod-backend"}
WAITED_FOR: Final = (
    Kind("support_chat", True, lambda d: talks(d, awake(d, 28, peak=20), users=240, stream=True)),
    Kind("helpdesk-bot", True, lambda d: talks(d, awake(d, 25, peak=9), key="support-backend")),
    Kind("chat_global", True, lambda d: talks(d, worldwide(d, 30), stream=True)),
    Kind("assistant", True, lambda d: talks(d, worldwide(d, 35), **SVC)),
    Kind("slack_assistant", True, lambda d: clicks(
        d, awake(d, 30, peak=16), input_=600, output=150, users=25, again=0.4, agent="slack-bolt/1.18")),
    Kind("draft_email", True, lambda d: clicks(
        d, awake(d, 40, peak=15), input_=500, output=240, users=80, stream=True)),
    Kind("compose", True, lambda d: clicks(
        d, awake(d, 45, peak=10), input_=400, output=160, users=40, again=0.3)),
    Kind("reply_suggestions", True, lambda d: clicks(
        d, awake(d, 60, peak=13), input_=900, output=60, users=12, again=0.5)),
    Kind("search_assist", True, lambda d: clicks(
        d, awake(d, 60, peak=18), input_=1_800, output=90, users=500, again=0.3)),
    Kind("query_rewrite", True, lambda d: answered_in_steps(d, name="first")),
    Kind("answer_assist", True, lambda d: answered_in_steps(d, name="then")),
    Kind("search_queries", True, lambda d: clicks(
        d, awake(d, 70, peak=12), input_=12, output=0, model="text-embedding-3-small", **SVC)),
    Kind("site_search", True, lambda d: clicks(
        d, awake(d, 50, peak=4), input_=1_500, output=120, stream=True, key="web")),
    Kind("coding_agent", True, lambda d: steps(d, awake(d, 6, peak=15), form="dev{}", stream=True)),
    Kind("report_agent", True, lambda d: steps(d, every(8, at=3, dice=d), user="svc-agents")),
    Kind("research_agent_step", True, lambda d: steps(d, awake(d, 6, peak=14), wide=3, user="svc-agents")),
    # kept apart until signs were first chosen
    Kind("customer_chat", True, lambda d: talks(
        d, awake(d, 45, peak=11, width=1.5), session=False, output=700, **SVC), kept=True),
    Kind("tutor_chat", True, lambda d: talks(
        d, awake(d, 25, peak=19, width=1.5, weekend=1.4), users=120, session=False), kept=True),
    Kind("voice_assistant", True, lambda d: talks(
        d, awake(d, 20, peak=13), pause=5, output=40, stream=True), kept=True),
    Kind("workshop_chat", True, workshop, kept=True),
    Kind("oncall_copilot", True, lambda d: talks(d, awake(d, 20, peak=3), users=14), kept=True),
    Kind("autocomplete", True, lambda d: clicks(
        d, awake(d, 40, peak=14), input_=700, output=12, users=30, again=0.6), kept=True),
    Kind("rewrite_draft", True, lambda d: clicks(
        d, awake(d, 40, peak=9), input_=900, output=500, **SVC), kept=True),
    Kind("search_answers", True, lambda d: clicks(
        d, worldwide(d, 70), input_=2_200, output=140, user="svc-web", key="web"), kept=True),
    Kind("search_rerank", True, lambda d: fanned(d, awake(d, 15, peak=17), 6, **SVC), kept=True),
    Kind("support_agent", True, lambda d: steps(
        d, awake(d, 8, peak=12), trimmed=6_000, user="svc-agents"), kept=True),
    Kind("ops_agent_step", True, lambda d: steps(
        d, awake(d, 9, peak=12), session=False, **SVC), kept=True),
    Kind("browser_agent", True, lambda d: steps(
        d, awake(d, 7, peak=16), gap=5, key="automation"), kept=True),
    Kind("triage_agent", True, lambda d: steps(
        d, flat(d, 8), user="queue-worker"), kept=True),
)  # fmt: skip
