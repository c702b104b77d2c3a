"""Write the log of `--example`: a week of a made-up company's gateway, the same on every run.

    python scripts/audit_sample.py

Eight workflows in LiteLLM's spend logs: people who wait (support chat, search), steps that block the next
one (an agent), and work that nobody waits for (enrichment, ticket summaries, lead scoring, evaluation,
indexing). What teams do without meaning to is there too: a time in front of a long template, indented JSON,
leads that are scored again, a long rubric that nobody caches, a limit far above use.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "src/lanewise/audit/example/litellm-week.jsonl.gz"
START = datetime(2026, 11, 2, tzinfo=UTC).timestamp()  # a Monday
DAY, HOUR = 86_400.0, 3_600.0
WORDS = [
    "order",
    "invoice",
    "parcel",
    "customer",
    "refund",
    "contract",
    "meeting",
    "server",
    "login",
    "report",
    "price",
    "region",
    "plan",
    "upgrade",
    "invoice",
    "late",
    "delivery",
    "team",
    "account",
    "export",
    "screen",
    "error",
    "question",
    "answer",
    "quarter",
]
PRICES = {  # USD per million tokens: input, cached, output
    "claude-sonnet-4-5": (3.0, 0.3, 15.0),
    "gpt-5-mini": (0.25, 0.025, 2.0),
    "gpt-5": (1.25, 0.125, 10.0),
    "gpt-4o": (2.5, 1.25, 10.0),
    "text-embedding-3-small": (0.02, 0.02, 0.0),
}


@dataclass(frozen=True)
class Call:
    """One request as the gateway saw it."""

    at: float
    workflow: str
    model: str
    messages: list[dict[str, str]]
    output: int
    seconds: float
    key: str
    stream: bool = False
    session: str = ""
    user: str = ""
    answer: str = "Done."
    cached: int = 0
    failed: bool = False
    limit: int | None = None


def prose(dice: random.Random, words: int) -> str:
    """Some words."""
    return " ".join(dice.choice(WORDS) for _ in range(words))


def chat(system: str, *turns: str) -> list[dict[str, str]]:
    """Messages: the system's, then people's and the model's in turn."""
    roles = ("user", "assistant")
    said = [{"role": roles[n % 2], "content": turn} for n, turn in enumerate(turns)]
    return [{"role": "system", "content": system}, *said]


def tokens(messages: list[dict[str, str]]) -> int:
    """About four characters a token."""
    return sum(len(message["content"]) for message in messages) // 4 + 4 * len(messages)


def support_chat(dice: random.Random, day: int) -> Iterator[Call]:
    """People with questions, in office hours; answers are streamed and every turn repeats the history."""
    system = "You are the support assistant of Acme Parcels. " + prose(random.Random(1), 700)
    for n in range(14 if day < 5 else 3):
        at, turns = START + day * DAY + dice.uniform(8, 18) * HOUR, [prose(dice, 25)]
        for turn in range(dice.randint(2, 5)):
            messages = chat(system, *turns)
            cached = tokens(messages) * 3 // 4 if turn else 0
            output = dice.randint(60, 260)
            yield Call(
                at,
                "support_chat",
                "claude-sonnet-4-5",
                messages,
                output,
                1.2 + output / 60,
                "web",
                stream=True,
                session=f"chat-{day}-{n}",
                user=f"visitor-{dice.randint(1, 400)}",
                answer=prose(dice, 30),
                cached=cached,
            )
            turns += [prose(dice, 30), prose(dice, 15)]
            at += dice.lognormvariate(3.8, 0.7)


def search_assist(dice: random.Random, day: int) -> Iterator[Call]:
    """One question in a search box, answered at once."""
    system = "Answer from the results below in two sentences."
    for _ in range(20 if day < 5 else 6):
        yield Call(
            START + day * DAY + dice.uniform(7, 21) * HOUR,
            "search_assist",
            "gpt-5-mini",
            chat(system, prose(dice, 120)),
            dice.randint(30, 90),
            dice.uniform(0.8, 2.5),
            "web",
            stream=True,
            user=f"visitor-{dice.randint(1, 400)}",
            answer=prose(dice, 20),
        )


def code_agent(dice: random.Random, day: int) -> Iterator[Call]:
    """Steps of an agent: each starts when the one before has ended."""
    system = "You fix failing tests. Use the tools. " + prose(random.Random(2), 700)
    for n in range(3 if day < 5 else 0):
        at, turns = START + day * DAY + dice.uniform(9, 17) * HOUR, [prose(dice, 60)]
        for step in range(dice.randint(6, 12)):
            messages = chat(system, *turns)
            seconds = dice.uniform(2, 9)
            yield Call(
                at,
                "code_agent",
                "claude-sonnet-4-5",
                messages,
                dice.randint(80, 300),
                seconds,
                "agents",
                session=f"agent-{day}-{n}",
                user="ci",
                answer=prose(dice, 20),
                cached=tokens(messages) * 4 // 5 if step else 0,
            )
            turns += [prose(dice, 40), prose(dice, 80)]
            at += seconds + dice.uniform(0.3, 2)


def crm_enrich(dice: random.Random, day: int) -> Iterator[Call]:
    """Every night at two, all new records with one long template; the time before it keeps caches off."""
    system = "Fill in industry, size and country of the company as JSON. " + prose(
        random.Random(3), 1_650
    )
    for n in range(45):
        at = START + day * DAY + 2 * HOUR + n * 1.7 + dice.uniform(0, 0.5)
        yield Call(
            at,
            "crm_enrich",
            "gpt-5",
            chat(f"Now: {naive(at)}. {system}", f"Company {day * 45 + n}: {prose(dice, 40)}"),
            dice.randint(40, 80),
            dice.uniform(2, 5),
            "crm",
            user="svc-crm",
            answer=json.dumps({"industry": dice.choice(WORDS), "size": dice.randint(1, 900)}),
        )


def ticket_summaries(dice: random.Random, day: int) -> Iterator[Call]:
    """A summary whenever a ticket is closed; it is read next morning, if at all."""
    system = "Summarise the ticket in three bullet points."
    for _ in range(35 if day < 5 else 8):
        yield Call(
            START + day * DAY + dice.uniform(7, 19) * HOUR,
            "ticket_summaries",
            "gpt-4o",
            chat(system, ticket(dice)),
            dice.randint(70, 120),
            dice.uniform(2, 6),
            "helpdesk",
            user="svc-helpdesk",
            answer=prose(dice, 40),
        )


def ticket(dice: random.Random) -> str:
    """A ticket as the help desk exports it, indented for people."""
    said = [{"from": who, "text": prose(dice, 40)} for who in ("customer", "agent") * 3]
    number = dice.randint(10_000, 99_999)
    return json.dumps({"ticket": number, "channel": "mail", "messages": said}, indent=4)


def lead_scoring(dice: random.Random, day: int) -> Iterator[Call]:
    """One word from a dear model, every hour; each second hour a lead of the hour before comes again."""
    system = "Score the lead: hot, warm or cold. Answer with one word. " + prose(
        random.Random(4), 90
    )
    leads = [prose(dice, 45) for _ in range(48)]
    for hour in range(24):
        for n in range(2):
            lead = leads[hour * 2 - 1 if hour % 2 and not n else hour * 2 + n]
            yield Call(
                START + day * DAY + hour * HOUR + n * 2.0,
                "lead_scoring",
                "gpt-5",
                chat(system, lead),
                3,
                dice.uniform(1, 2),
                "crm",
                user="svc-crm",
                answer=random.Random(lead).choice(("hot", "warm", "cold", "cold")),
                limit=4_096,
            )


def nightly_eval(dice: random.Random, day: int) -> Iterator[Call]:
    """The same thirty questions every night by one long rubric, and some of them again when they failed."""
    system = "Grade the answer from 1 to 5 and say why. " + prose(random.Random(5), 700)
    questions = [prose(random.Random(100 + n), 70) for n in range(30)]
    at = START + day * DAY + 1.5 * HOUR
    for n, question in enumerate(questions):
        for again in range(2 if n % 6 == 0 else 1):
            at += dice.uniform(0.4, 1.1)
            yield Call(
                at,
                "nightly_eval",
                "claude-sonnet-4-5",
                chat(system, question),
                dice.randint(60, 140),
                dice.uniform(2, 6),
                "ml",
                user="svc-eval",
                answer=f"{dice.randint(1, 5)}: {prose(dice, 25)}",
                failed=again == 0 and n % 6 == 0,
            )


def doc_indexing(dice: random.Random, day: int) -> Iterator[Call]:
    """New documents become vectors, a quarter past every fourth hour."""
    for hour in range(0, 24, 4):
        for n in range(10):
            messages = [{"role": "user", "content": prose(dice, 180)}]
            yield Call(
                START + day * DAY + hour * HOUR + 900 + n * 0.3,
                "doc_indexing",
                "text-embedding-3-small",
                messages,
                0,
                dice.uniform(0.1, 0.4),
                "search",
                user="svc-index",
                answer="",
            )


def record(number: int, call: Call) -> dict[str, Any]:
    """A row of LiteLLM_SpendLogs."""
    end = call.at + call.seconds
    first = call.at + min(0.9, call.seconds / 3) if call.stream else end
    used = 0 if call.failed else tokens(call.messages)
    output = 0 if call.failed else call.output
    price, cached_price, out_price = PRICES[call.model]
    cost = ((used - call.cached) * price + call.cached * cached_price + output * out_price) / 1e6
    values = {"cache_read_input_tokens": call.cached, "cache_creation_input_tokens": 0}
    message = {"role": "assistant", "content": call.answer}
    return {
        "request_id": f"req-{number:05}",
        "call_type": "aembedding" if call.model.startswith("text-embedding") else "acompletion",
        "spend": round(cost, 9),
        "prompt_tokens": used,
        "completion_tokens": output,
        "total_tokens": used + output,
        "startTime": naive(call.at),
        "endTime": naive(end),
        "completionStartTime": naive(first),
        "request_duration_ms": round(call.seconds * 1000),
        "model": call.model,
        "model_group": call.model,
        "custom_llm_provider": "anthropic" if call.model.startswith("claude") else "openai",
        "user": call.user,
        "end_user": "",
        "session_id": call.session,
        "metadata": json.dumps({"user_api_key_alias": call.key, "additional_usage_values": values}),
        "cache_hit": "False",
        "request_tags": json.dumps([f"workflow:{call.workflow}"]),
        "messages": call.messages,
        "proxy_server_request": json.dumps({"max_tokens": call.limit} if call.limit else {}),
        "response": {"choices": [{"message": message}]} if call.answer and not call.failed else {},
        "status": "failure" if call.failed else "success",
    }


def naive(at: float) -> str:
    """As LiteLLM writes times: UTC, without saying so."""
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def main() -> None:
    """Write the file."""
    dice = random.Random(205)
    makers = (
        support_chat,
        search_assist,
        code_agent,
        crm_enrich,
        ticket_summaries,
        lead_scoring,
        nightly_eval,
        doc_indexing,
    )
    calls = [call for day in range(7) for make in makers for call in make(dice, day)]
    lines = [
        json.dumps(record(n, call)) for n, call in enumerate(sorted(calls, key=lambda one: one.at))
    ]
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0))
    print(f"wrote {len(lines):,} requests to {TARGET}, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
