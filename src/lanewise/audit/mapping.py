"""`--map`: a format that the caller describes, for logs that we know nothing of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lanewise.audit.formats import Column, Format
from lanewise.audit.statements import identifier, text
from lanewise.errors import BadInput


@dataclass(frozen=True, slots=True)
class _Target:
    """What a name in a mapping becomes: columns of the normal row, from the text of a field."""

    becomes: str
    sql: str  # {x}: the field as a text
    help: str


TARGETS: Final = {
    "at": _Target("at", "instant({x})", "when: ISO 8601, or a number since 1970"),
    "model": _Target("model", "model_of({x})", "the model"),
    "provider": _Target("provider", "provider_of({x})", "who was asked"),
    "input_tokens": _Target("input", "count_of({x})", "all input tokens, cached ones included"),
    "uncached_tokens": _Target("uncached", "count_of({x})", "input without cached ones"),
    "cached_tokens": _Target("cached", "count_of({x})", "input tokens read from a prompt cache"),
    "cache_write_tokens": _Target("cache_write", "count_of({x})", "input tokens written to a prompt cache"),
    "output_tokens": _Target("output", "count_of({x})", "output tokens"),
    "output_limit": _Target("output_limit", "count_of({x})", "the most output that was asked for"),
    "requests": _Target("n", "count_of({x})", "requests that a row stands for; its rows are buckets"),
    "seconds": _Target("seconds", "span(TRY_CAST({x} AS DOUBLE))", "how long the answer took"),
    "latency_ms": _Target("seconds", "span(TRY_CAST({x} AS DOUBLE) / 1e3)", "the same in milliseconds"),
    "first_token_ms": _Target("first_token_seconds", "span(TRY_CAST({x} AS DOUBLE) / 1e3)", "first token"),
    "stream": _Target("stream", "TRY_CAST({x} AS BOOLEAN)", "whether it was streamed"),
    "lane": _Target("lane", "coalesce(lane_of({x}), said({x}))", "realtime, batch, flex, ..."),
    "workflow": _Target("workflow", "said({x})", "what it was for"),
    "user": _Target("user_name", "said({x})", "who asked"),
    "session": _Target("session", "said({x})", "the conversation"),
    "key": _Target("key_name", "said({x})", "the name of the API key"),
    "agent": _Target("agent", "said({x})", "the client"),
    "cost_usd": _Target("cost_nano", "nano({x})", "what it cost in USD"),
    "ok": _Target("ok", "TRY_CAST({x} AS BOOLEAN)", "whether it was answered"),
    "prompt": _Target("prompt_text", "said({x})", "what was asked; only hashed"),
    "prefix_hashes": _Target("prompt_blocks", "block_ids(TRY_CAST({x} AS JSON), NULL)", "ids of its blocks"),
    "answer": _Target("answer_text", "said({x})", "what was answered; only hashed"),
}  # fmt: skip


def mapped(pairs: str) -> Format:
    """The format that `model=FIELD,input_tokens=FIELD,...` describes; `a.b` is field b of the object a.

    Raises `BadInput` for names that are not known or fields that are missing.
    """
    fields = dict(_pair(pair) for pair in pairs.split(",") if pair.strip())
    becomes = [TARGETS[name].becomes for name in fields]
    for name in becomes:
        if becomes.count(name) > 1:
            raise BadInput(f"--map says {name} twice; give one field for it")
    if not {"input", "uncached", "prompt_text"} & set(becomes):
        raise BadInput("--map needs at least input_tokens=FIELD (or uncached_tokens, or prompt)")
    heads = list(dict.fromkeys(field.split(".")[0] for field in fields.values()))
    return Format(
        name="map",
        title="the fields that --map names",
        about="",
        finds=((heads[0],),),
        columns=tuple(Column(head, "JSON") for head in heads),
        rows=_rows(fields),
    )


def _pair(pair: str) -> tuple[str, str]:
    name, equals, field = (part.strip() for part in pair.partition("="))
    if not equals or not field:
        raise BadInput(f"--map has {pair!r}; it takes NAME=FIELD, such as model=model_id")
    if name not in TARGETS:
        raise BadInput(f"--map has {name!r}; it takes {', '.join(TARGETS)}")
    return name, field


def _rows(fields: dict[str, str]) -> str:
    """The statement over `records`, whose columns are the JSON values of the fields."""
    picked = {
        TARGETS[name].becomes: TARGETS[name].sql.format(x=_text(field))
        for name, field in fields.items()
    }
    bare = picked.pop("uncached", None)
    if bare is not None:
        parts = [
            bare,
            *(
                f"coalesce({picked[name]}, 0)"
                for name in ("cached", "cache_write")
                if name in picked
            ),
        ]
        picked["input"] = " + ".join(parts)
    if "n" in picked:
        picked["aggregate"] = "CASE WHEN NOT broken THEN true END"
    columns = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in picked.items())
    return f"SELECT broken, file, {columns} FROM records"


def _text(field: str) -> str:
    head, *rest = field.split(".")
    path = "$" + "".join(f'."{part}"' for part in rest)
    return f"json_extract_string({identifier(head)}, {text(path)})"
