"""The same calls as several tools log them: what a tool does not log is not there."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NamedTuple

from lanewise.audit.logs.importing import Wishes
from lanewise.audit.logs.mapping import mapped

from .calls import Call, Kind

Record = dict[str, Any]
COLUMNS: Final = (
    "at", "model", "input_tokens", "output_tokens", "seconds", "stream", "workflow", "user", "session", "key",
    "agent",
)  # fmt: skip


class Format(NamedTuple):
    """How a call is written there. `suffix`: of the file. `wished`: how it is read."""

    record: Callable[[Call, str | None, str], Record]
    suffix: str = "jsonl"
    wished: Wishes = Wishes()


def when(at: float) -> str:
    """ISO 8601, UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _provider(one: Call) -> str:
    return "anthropic" if one.model.startswith("claude") else "openai"


def gateway(one: Call, name: str | None, id_: str) -> Record:
    """A table of one's own: everything but texts."""
    told = (one.at, one.model, one.input, one.output, one.seconds, one.stream, name, one.user, one.session,
            one.key, one.agent)  # fmt: skip
    return dict(zip(COLUMNS, told, strict=True))


def litellm(one: Call, name: str | None, id_: str) -> Record:
    """Spend logs, prompts not stored; a session is filled in where the client gives none."""
    end = one.at + one.seconds
    return {
        "request_id": id_,
        "call_type": "acompletion",
        "spend": 0.001,
        "prompt_tokens": one.input,
        "completion_tokens": one.output,
        "startTime": when(one.at),
        "endTime": when(end),
        "completionStartTime": when(one.at + one.seconds / 4 if one.stream else end),
        "model": one.model,
        "model_group": one.model,
        "custom_llm_provider": _provider(one),
        "end_user": one.user or "",
        "session_id": one.session or id_,
        "metadata": json.dumps({"user_api_key_alias": one.key} if one.key else {}),
        "request_tags": json.dumps([f"workflow:{name}"] if name else []),
        "status": "success" if one.ok else "failure",
    }


def langfuse(one: Call, name: str | None, id_: str) -> Record:
    """Traces with texts and names, without keys."""
    return {
        "id": id_,
        "type": "GENERATION",
        "traceId": f"t{id_}",
        "startTime": when(one.at),
        "endTime": when(one.at + one.seconds),
        "completionStartTime": when(one.at + one.seconds / 4) if one.stream else None,
        "traceName": name,
        "userId": one.user,
        "sessionId": one.session,
        "model": one.model,
        "usageDetails": {"input": one.input, "output": one.output, "total": one.input + one.output},
        "input": [{"role": "user", "content": one.prompt}],
        "output": one.answer,
        "level": "DEFAULT" if one.ok else "ERROR",
    }


def helicone(one: Call, name: str | None, id_: str) -> Record:
    """Users, names as a property; no sessions, no keys."""
    return {
        "request_created_at": when(one.at),
        "response_status": 200 if one.ok else 500,
        "request_model": one.model,
        "provider": _provider(one).upper(),
        "delay_ms": one.seconds * 1e3,
        "time_to_first_token": one.seconds * 250 if one.stream else None,
        "prompt_tokens": one.input,
        "completion_tokens": one.output,
        "request_user_id": one.user,
        "request_properties": {"workflow": name} if name else {},
    }


def otlp(one: Call, name: str | None, id_: str) -> Record:
    """Spans without users, texts and whether it streamed; conversations where there are any."""
    told: dict[str, str | int | None] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _provider(one),
        "gen_ai.request.model": one.model,
        "gen_ai.usage.input_tokens": one.input,
        "gen_ai.usage.output_tokens": one.output,
        "gen_ai.conversation.id": one.session,
    }
    attributes = [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in told.items()
        if value is not None
    ]  # fmt: skip
    span = {
        "traceId": f"t{id_}",
        "spanId": id_,
        "name": "chat",
        "startTimeUnixNano": str(int(one.at * 1e9)),
        "endTimeUnixNano": str(int((one.at + one.seconds) * 1e9)),
        "attributes": attributes,
    }
    service = [{"key": "service.name", "value": {"stringValue": name}}] if name else []
    return {
        "resourceSpans": [
            {"resource": {"attributes": service}, "scopeSpans": [{"spans": [span]}]},
        ]
    }


def dashboard(one: Call, name: str | None, id_: str) -> Record:
    """What platform.openai.com keeps: texts and times, no names, users or tokens."""
    return {
        "timestamp": int(one.at * 1e6),
        "session_id": one.session,
        "input": f"[{name}] {'part of it ' * 6}{one.prompt}{'.' * (one.input // 4)}",
        "output": one.answer,
    }


FORMATS: Final[dict[str, Format]] = {
    "gateway": Format(
        gateway, "csv", Wishes(mapped(",".join(f"{name}={name}" for name in COLUMNS)))
    ),
    "litellm": Format(litellm),
    "langfuse": Format(langfuse),
    "helicone": Format(helicone),
    "otlp": Format(otlp),
    "dashboard": Format(dashboard, "jsonl", Wishes(None, "gpt-5")),
}


@cache
def calls(kind: Kind, seed: int) -> tuple[Call, ...]:
    """The same for the same seed."""
    return tuple(kind.make(random.Random(f"{seed} {kind.name}")))


def log(
    kinds: Iterable[Kind], seed: int, form: Format, called: Callable[[Kind], str | None]
) -> list[Record]:
    """All of them in one log, shuffled."""
    found = [
        form.record(one, called(kind), f"{kind.name}-{n:05}")
        for kind in kinds
        for n, one in enumerate(calls(kind, seed))
    ]
    random.Random(seed).shuffle(found)
    return found
