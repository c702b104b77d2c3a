"""Time and memory of an audit, beside DuckDB merely scanning and parsing the same files.

python benchmarks/audit_import.py [--rows 1000000] [--forms litellm otlp] [--rounds 1]

Each measure is a process of its own, and they take turns. `import`: logs in, normal rows out, added up.
`audit`: all that `lanewise audit` does. `parse`: DuckDB detects the schema, parses every field of every
record and hashes them all. `typed`: it parses only the fields that the audit reads, with the audit's types,
and hashes them. `keep`: it writes all of them into a table of a database file. `count`: it only counts the
records. DuckDB has the audit's threads, and all the memory that it wants. `ready` and `bare` are what a
process of ours and of theirs takes before it reads; ratios are without these.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from measuring import WORDS, Usage, measured, show

from lanewise.audit.formats import named
from lanewise.audit.statements import text

WORKFLOWS: Final = ("crm_enrich", "ticket_tagging", "support_chat", "nightly_eval", "indexing")
START: Final = 1_772_452_800.0
SPANS: Final = 50  # in a line
FILLER: Final = " ".join(WORDS * 10)
AUDIT: Final = """
import sys
from lanewise.audit.database import database
from lanewise.audit.logs.importing import Wishes, load
from lanewise.audit.sums import sums
from lanewise.pricing import PriceBook
with database() as connection:
    load(connection, (sys.argv[1],), Wishes())
    total = sums(connection, PriceBook.load(), 1.8e9).total
    assert total.requests == int(sys.argv[2]), total
    assert total.reckoned_nano
"""
READY: Final = """
import duckdb, lanewise.app.auditing
from lanewise.pricing import PriceBook
PriceBook.load()
duckdb.connect()
"""
WHOLE: Final = """
import sys
from lanewise.app.auditing import auditing
from lanewise.audit.logs.importing import Wishes
from lanewise.pricing import PriceBook
with auditing((sys.argv[1],), Wishes(), PriceBook.load(), 1.8e9) as found:
    assert found.sums.total.requests == int(sys.argv[2])
    assert found.replayed is not None
"""
DUCKDB: Final = """
import sys, duckdb
from lanewise.audit.database import THREADS
import os
c = duckdb.connect(sys.argv[1] + '.duckdb')
c.execute(f"SET threads = {min(THREADS, os.cpu_count() or 1)}")
c.execute("SET preserve_insertion_order = false")
c.execute(QUERY.replace("FILE", "'" + sys.argv[1] + "'")).fetchall()
"""
PARSE: Final = "SELECT bit_xor(hash(t)) FROM read_json(FILE, format = 'newline_delimited') t"
KEEP: Final = (
    "CREATE OR REPLACE TABLE t AS SELECT * FROM read_json(FILE, format = 'newline_delimited')"
)
TYPED: Final = PARSE.replace("'newline_delimited'", "'newline_delimited', columns = COLUMNS")
COUNT: Final = "SELECT count(*) FROM read_json(FILE, format = 'newline_delimited')"


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def litellm(count: int, dice: random.Random) -> Iterator[dict[str, Any]]:
    """Rows of LiteLLM_SpendLogs; every other one with its messages."""
    for n in range(count):
        at, workflow, tokens = START + n * 0.2, WORKFLOWS[n % 5], dice.randrange(200, 6000)
        seconds, cached = dice.uniform(0.3, 9), tokens // 2 if n % 3 == 0 else 0
        values = {"cache_read_input_tokens": cached, "cache_creation_input_tokens": 0}
        system = {"role": "system", "content": f"You are {workflow}. {FILLER}"}
        messages = [system, {"role": "user", "content": f"item {n} {FILLER}"}]
        answer = {"choices": [{"message": {"role": "assistant", "content": FILLER[: n % 90]}}]}
        yield {
            "request_id": f"chatcmpl-{n}",
            "call_type": "acompletion",
            "api_key": f"88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b{n % 9}",
            "spend": tokens * 1e-6,
            "total_tokens": tokens + 100,
            "prompt_tokens": tokens,
            "completion_tokens": dice.randrange(5, 900),
            "startTime": iso(at),
            "endTime": iso(at + seconds),
            "completionStartTime": iso(at + seconds / (3 if n % 5 == 2 else 1)),
            "request_duration_ms": round(seconds * 1000),
            "model": "claude-sonnet-4-5" if n % 2 else "gpt-5-mini",
            "model_group": "group",
            "custom_llm_provider": "anthropic" if n % 2 else "openai",
            "user": f"svc-{n % 50}",
            "metadata": json.dumps(
                {"user_api_key_alias": workflow, "additional_usage_values": values}
            ),
            "cache_hit": "False",
            "request_tags": json.dumps([f"workflow:{workflow}", "User-Agent: openai-python"]),
            "end_user": "",
            "session_id": f"s-{n // 4}",
            "messages": messages if n % 2 else {},
            "response": answer if n % 2 else {},
            "status": "success",
        }


def otlp(count: int, dice: random.Random) -> Iterator[dict[str, Any]]:
    """Export requests of 50 spans each."""
    for first in range(0, count, SPANS):
        spans = [_span(n, dice) for n in range(first, min(first + SPANS, count))]
        service = {"key": "service.name", "value": {"stringValue": WORKFLOWS[first // SPANS % 5]}}
        scope = {"scope": {"name": "genai"}, "spans": spans}
        yield {"resourceSpans": [{"resource": {"attributes": [service]}, "scopeSpans": [scope]}]}


def _span(n: int, dice: random.Random) -> dict[str, Any]:
    start, tokens = int((START + n * 0.2) * 1e9), dice.randrange(200, 6000)
    texts = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5-mini",
        "gen_ai.response.model": "gpt-5-mini-2025-08-07",
        "gen_ai.conversation.id": f"c{n // 4}",
        "server.address": "api.openai.com",
    }
    counts = {
        "gen_ai.usage.input_tokens": tokens,
        "gen_ai.usage.cache_read.input_tokens": tokens // 2,
        "gen_ai.usage.output_tokens": dice.randrange(5, 900),
        "gen_ai.request.max_tokens": 1000,
    }
    return {
        "traceId": f"{n // 3:032x}",
        "spanId": f"{n:016x}",
        "parentSpanId": f"{n // 3 + 10**12:016x}",
        "name": "chat gpt-5-mini",
        "kind": 3,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + dice.randrange(3, 90) * 10**8),
        "attributes": [
            *({"key": key, "value": {"stringValue": value}} for key, value in texts.items()),
            *({"key": key, "value": {"intValue": str(value)}} for key, value in counts.items()),
            {"key": "gen_ai.request.stream", "value": {"boolValue": n % 3 == 0}},
        ],
        "status": {},
    }


FORMS: Final[dict[str, Callable[[int, random.Random], Iterator[dict[str, Any]]]]] = {
    "litellm": litellm,
    "otlp": otlp,
}


def written(path: Path, form: str, count: int) -> int:
    with path.open("w", encoding="utf-8", buffering=1 << 20) as file:
        for record in FORMS[form](count, random.Random(1)):
            file.write(json.dumps(record) + "\n")
    return path.stat().st_size


def typed(form: str) -> str:
    found = named(form)
    assert found is not None
    kinds = ", ".join(f"{text(one.name)}: {text(one.type)}" for one in found.columns)
    return TYPED.replace("COLUMNS", f"{{{kinds}}}")


def compared(form: str, path: Path, count: int, rounds: int) -> dict[str, list[Usage]]:
    """Each measure in turn, each in a process of its own."""
    programs = {
        "import": AUDIT,
        "audit": WHOLE,
        "parse": f"QUERY = {PARSE!r}\n{DUCKDB}",
        "typed": f"QUERY = {typed(form)!r}\n{DUCKDB}",
        "keep": f"QUERY = {KEEP!r}\n{DUCKDB}",
        "count": f"QUERY = {COUNT!r}\n{DUCKDB}",
        "ready": READY,
        "bare": f"QUERY = 'SELECT 1'\n{DUCKDB}",
    }
    taken: dict[str, list[Usage]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            usage = measured(
                [sys.executable, "-c", program, str(path), str(count)], dict(os.environ)
            )
            assert usage.status == 0, f"{name} failed"
            taken[name].append(usage)
    return taken


def told(form: str, size: int, taken: dict[str, list[Usage]]) -> None:
    middle = {
        name: [
            statistics.median(getattr(one, part) for one in runs)
            for part in ("wall", "cpu", "peak_mb")
        ]
        for name, runs in taken.items()
    }
    rows: list[tuple[str, Any]] = [("bytes", f"{size:,}")]
    for name, (wall, cpu, peak) in middle.items():
        rows.append((name, f"{wall:.1f} s, {cpu:.1f} s of CPU, peak {peak:.0f} MB"))
    ready, bare = middle["ready"], middle["bare"]
    for name in ("parse", "typed", "keep", "count"):
        ratios = [
            (middle["import"][part] - ready[part]) / max(middle[name][part] - bare[part], 0.01)
            for part in (0, 1)
        ]
        rows.append((f"import / {name}", f"{ratios[0]:.2f} in time, {ratios[1]:.2f} in CPU"))
    show(f"\n{form}", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--forms", nargs="+", choices=list(FORMS), default=list(FORMS))
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    for form in args.forms:
        with tempfile.TemporaryDirectory(prefix="audit-import-") as folder:
            path = Path(folder) / f"{form}.jsonl"
            size = written(path, form, args.rows)
            told(form, size, compared(form, path, args.rows, args.rounds))


if __name__ == "__main__":
    main()
