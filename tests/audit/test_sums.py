"""What traffic adds up to, and the same traffic adds up to the same in whatever form it was logged."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanewise.app.auditing import auditing
from lanewise.audit.logs.importing import Wishes
from lanewise.audit.sums import Sums
from lanewise.domain.lanes import BATCH, REALTIME
from lanewise.domain.usage import Usage
from lanewise.pricing import PriceBook

from .conftest import rows_of, write

NOON: Final = 1_772_452_800.0  # 2026-03-02T12:00:00Z
NOW: Final = datetime(2026, 11, 27, tzinfo=UTC).timestamp()
BOOK: Final = PriceBook.load()


def ledger_row(**changes: Any) -> dict[str, Any]:
    row = {
        "charged_at": "2026-03-02T12:00:00Z",
        "workflow": "w",
        "provider": "openai",
        "model": "gpt-5",
        "lane": "realtime",
        "answers": 1,
        "input_tokens": 30,
        "cache_read_tokens": 70,
        "cache_write_5m_tokens": 0,
        "cache_write_1h_tokens": 0,
        "cache_write_other_tokens": 0,
        "output_tokens": 5,
        "cost_usd": None,
        "baseline_usd": "0",
    }
    return row | changes


def summed(tmp_path: Path, *rows: dict[str, Any]) -> Sums:
    log = write(tmp_path / "ledger.jsonl", rows)
    with auditing((str(log),), Wishes(), BOOK, NOW) as found:
        return found.sums


def cost(provider: str, model: str, usage: Usage, lane: Any = REALTIME, at: float = NOON) -> int:
    pricer = BOOK.pricer(provider, model, datetime.fromtimestamp(at, UTC), lane)
    assert pricer is not None
    return pricer.cost(usage)


def test_money_is_that_of_the_price_book_by_lane_and_part(tmp_path: Path) -> None:
    found = summed(
        tmp_path,
        ledger_row(),
        ledger_row(),
        ledger_row(lane="batch"),
        ledger_row(
            provider="anthropic",
            model="claude-sonnet-4-5",
            cache_write_5m_tokens=11,
            cache_write_1h_tokens=13,
        ),
    )
    used = Usage(input=30, cache_read=70, output=5)
    money = {(one.model, one.lane): one.reckoned_nano for one in found.groups}
    assert money == {
        ("gpt-5", "realtime"): 2 * cost("openai", "gpt-5", used),
        ("gpt-5", "batch"): cost("openai", "gpt-5", used, BATCH),
        ("claude-sonnet-4-5", "realtime"): cost(
            "anthropic", "claude-sonnet-4-5", used + Usage(cache_write_5m=11, cache_write_1h=13)
        ),
    }
    assert found.total.reckoned_nano == sum(filter(None, money.values()))
    assert found.total.logged_nano is None


def test_a_long_request_has_the_prices_of_its_own_size_and_a_bucket_has_not(tmp_path: Path) -> None:
    long = ledger_row(
        provider="gemini", model="gemini-2.5-pro", input_tokens=250_000, cache_read_tokens=0
    )
    short = long | {"input_tokens": 150_000}
    bucket = short | {"answers": 2, "workflow": "bucket", "input_tokens": 300_000}
    found = summed(tmp_path, long, short, bucket)
    money = {one.workflow: one.reckoned_nano for one in found.groups}
    each = [cost("google", "gemini-2.5-pro", Usage(input=n, output=5)) for n in (250_000, 150_000)]
    assert each[0] > 2 * each[1]
    assert money["w"] == sum(each)
    assert money["bucket"] == 300_000 * 1_250 + 5 * 10_000


def test_every_day_has_its_own_prices(tmp_path: Path) -> None:
    model, before, after = "o3", "2025-06-09T23:59:59Z", "2025-06-10T00:00:00Z"
    at = [datetime.fromisoformat(day).timestamp() for day in (before, after)]
    usage = Usage(input=1_000_000)
    expected = [cost("openai", model, usage, at=one) for one in at]
    assert expected[0] > expected[1]
    row = ledger_row(model=model, input_tokens=1_000_000, cache_read_tokens=0, output_tokens=0)
    found = summed(tmp_path, row | {"charged_at": before}, row | {"charged_at": after})
    assert found.total.reckoned_nano == sum(expected)


def test_what_is_not_known_is_not_zero(tmp_path: Path) -> None:
    found = summed(tmp_path, ledger_row(model="nobody-knows-it", cost_usd="0.25"), ledger_row())
    unknown = next(one for one in found.groups if one.model == "nobody-knows-it")
    assert (unknown.reckoned_nano, unknown.unpriced, unknown.logged_nano) == (None, 1, 250_000_000)
    assert found.total.unpriced == 1
    assert found.coverage["cost_nano"] == 0.5
    assert found.coverage["seconds"] == 0
    assert any("how long answers took" in words for words in found.missing)


def test_what_a_gateway_answered_itself_costs_nothing(tmp_path: Path) -> None:
    record = {
        "created_at": "2026-03-02T12:00:00Z",
        "provider": "openai",
        "model": "gpt-5",
        "tokens_in": 80,
        "tokens_out": 5,
        "cached": True,
    }
    found = summed(tmp_path, record)
    assert found.total.reckoned_nano == 0


# -- the same requests in several forms --------------------------------------------------------------
Request = tuple[int, int, int, int, bool, str]
requests = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.integers(1, 10**5),
        st.integers(0, 10**5),
        st.integers(0, 10**4),
        st.booleans(),
        st.sampled_from(["nightly", "caf\u00e9 \u2028 %", 'qu"oted\\']),
    ),
    min_size=1,
    max_size=5,
)


def litellm(request: Request) -> dict[str, Any]:
    at, fresh, cached, out, stream, workflow = request
    return {
        "startTime": iso(NOON + at)[:-6],
        "endTime": iso(NOON + at + 2)[:-6],
        "spend": 0.25,
        "model": "gpt-5",
        "completionStartTime": iso(NOON + at + (1 if stream else 2))[:-6],
        "call_type": "acompletion",
        "custom_llm_provider": "openai",
        "prompt_tokens": fresh + cached,
        "completion_tokens": out,
        "metadata": json.dumps({"additional_usage_values": {"cache_read_input_tokens": cached}}),
        "request_tags": json.dumps([f"workflow:{workflow}"]),
    }


def langfuse(request: Request) -> dict[str, Any]:
    at, fresh, cached, out, stream, workflow = request
    return {
        "id": f"o{at}",
        "trace_id": "t",
        "type": "GENERATION",
        "start_time": iso(NOON + at),
        "end_time": iso(NOON + at + 2),
        "completion_start_time": iso(NOON + at + 1) if stream else None,
        "provided_model_name": "gpt-5",
        "usage_details": {
            "input": fresh,
            "input_cache_read": cached,
            "output": out,
            "total": fresh + cached + out,
        },
        "metadata": {"workflow": workflow},
        "total_cost": 0.25,
    }


def helicone(request: Request) -> dict[str, Any]:
    at, fresh, cached, out, stream, workflow = request
    return {
        "request_created_at": iso(NOON + at),
        "delay_ms": 2000,
        "provider": "OPENAI",
        "request_model": "gpt-5",
        "prompt_tokens": fresh + cached,
        "prompt_cache_read_tokens": cached,
        "completion_tokens": out,
        "cost": 0.25,
        "request_properties": {"workflow": workflow},
        "request_body": {"stream": stream},
    }


def openinference(request: Request) -> dict[str, Any]:
    at, fresh, cached, out, stream, workflow = request
    return {
        "start_time": iso(NOON + at),
        "end_time": iso(NOON + at + 2),
        "attributes": {
            "openinference.span.kind": "LLM",
            "llm.provider": "openai",
            "llm.model_name": "gpt-5",
            "llm.token_count.prompt": fresh + cached,
            "llm.token_count.prompt_details.cache_read": cached,
            "llm.token_count.completion": out,
            "llm.is_streaming": stream,
            "llm.cost.total": 0.25,
            "metadata": json.dumps({"workflow": workflow}),
        },
    }


def otlp(request: Request) -> dict[str, Any]:
    at, *_, workflow = request
    flat = openinference(request)["attributes"] | {"metadata": json.dumps({"workflow": workflow})}
    values = [{"key": key, "value": {"stringValue": str(value)}} for key, value in flat.items()]
    start = int(NOON + at) * 10**9
    span = {
        "traceId": "t",
        "spanId": str(at),
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 2 * 10**9),
        "attributes": values,
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


SAME: Final = (
    "at",
    "provider",
    "model",
    "input",
    "cached",
    "output",
    "seconds",
    "stream",
    "workflow",
    "cost_nano",
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(requests)
def test_the_same_requests_are_the_same_rows_in_every_form(
    tmp_path: Path, asked: list[Request]
) -> None:
    found = []
    for form in (litellm, langfuse, helicone, openinference, otlp):
        log = write(tmp_path / f"{form.__name__}.jsonl", map(form, asked))
        imported, rows = rows_of(log)
        assert (len(rows), imported.broken) == (len(asked), 0)
        found.append(sorted(tuple(row[name] for name in SAME) for row in rows))
    assert all(rows == found[0] for rows in found)
    assert sum(row[3] for row in found[0]) == sum(fresh + cached for _, fresh, cached, *_ in asked)
