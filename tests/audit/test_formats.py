"""What each format means by its fields, on small records of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from lanewise.audit.formats import all_formats, named, recognise

from .conftest import Reader


def span(span_id: str, parent: str, **attributes: Any) -> dict[str, Any]:
    kinds = {bool: "boolValue", int: "intValue", str: "stringValue"}
    return {
        "traceId": "t",
        "spanId": span_id,
        "parentSpanId": parent,
        "startTimeUnixNano": "1772452800000000000",
        "endTimeUnixNano": "1772452802500000000",
        "attributes": [
            {
                "key": key.replace("__", "."),
                "value": {kinds[type(value)]: str(value) if type(value) is int else value},
            }
            for key, value in attributes.items()
        ],
    }


def otlp(*spans: dict[str, Any], service: str = "digest") -> dict[str, Any]:
    named_ = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceSpans": [{"resource": named_, "scopeSpans": [{"spans": list(spans)}]}]}


FILE: Final = Path(__file__).with_name("records.json")
RECORDS: Final[dict[str, tuple[Any, dict[str, Any]]]] = {
    name: (one["record"], one["expect"])
    for name, one in json.loads(FILE.read_text(encoding="utf-8")).items()
}
TABLES: Final = ("openrouter", "focus", *(name for name in RECORDS if name.endswith("_csv")))


@pytest.mark.parametrize("name", sorted({*RECORDS} - {"azure_apim_gateway"}))
def test_a_record_becomes_one_normal_row(name: str, read: Reader) -> None:
    record, expect = RECORDS[name]
    suffix = "csv" if name in TABLES else "jsonl"
    (row,) = read(record, name=f"log.{suffix}")
    assert row["format"] == name
    assert {column: row[column] for column in expect} == expect


def test_every_format_has_a_record_here() -> None:
    assert set(RECORDS) == {one.name for one in all_formats()}


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_format_is_recognised_by_its_records_and_not_by_those_of_others(name: str) -> None:
    found = recognise([RECORDS[name][0]])
    assert found is not None
    assert found.format == named(name)


@pytest.mark.parametrize(
    "name",
    ["litellm", "helicone", "lanewise", "azure_openai", "cloudflare", "langfuse", "langsmith"],
)
def test_tables_are_read_like_lines(name: str, read: Reader) -> None:
    record, expect = RECORDS[name]
    flat = record["result"][0] if name == "cloudflare" else record
    (row,) = read(flat, name="log.csv")
    assert {column: row[column] for column in expect} == expect


USAGES: Final = [  # kinds of tokens as Langfuse has them, and what they are in all: input, cached, output
    (
        {"input": 10, "input_cache_read": 70, "output": 5, "output_reasoning": 6, "total": 91},
        (80, 70, 11),
    ),
    (
        {
            "input": 80,
            "prompt_details.cache_read": 70,
            "output": 11,
            "completion_details.reasoning": 6,
            "total": 91,
        },
        (80, 70, 11),
    ),
    (
        {
            "input": 10,
            "cache_read_input_tokens": 70,
            "output": 11,
            "output_reasoning": 6,
            "total": 91,
        },
        (80, 70, 11),
    ),
    (
        {"input": 80, "input_cache_read": 70, "output": 5, "output_reasoning": 6, "total": 91},
        (80, 70, 11),
    ),
    ({"input": 80, "prompt_details.cache_read": 70, "output": 11}, (80, 70, 11)),
    ({"input": 10, "cache_read_input_tokens": 70, "output": 11}, (80, 70, 11)),
    ({"input": 80, "output": 11, "total": 91}, (80, None, 11)),
]


@pytest.mark.parametrize(("usage", "tokens"), USAGES)
def test_langfuse_says_by_its_total_what_comes_on_top(
    usage: dict[str, int], tokens: tuple[int, int | None, int], read: Reader
) -> None:
    (row,) = read(RECORDS["langfuse"][0] | {"usageDetails": usage})
    assert (row["input"], row["cached"], row["output"]) == tokens


@pytest.mark.parametrize(
    "old",
    [
        {"usage": {"input": 80, "output": 11, "total": 91}},
        {"promptTokens": 80, "completionTokens": 11},
    ],
)
def test_older_langfuse_servers_have_usage_alone(old: dict[str, Any], read: Reader) -> None:
    record = {k: v for k, v in RECORDS["langfuse"][0].items() if k != "usageDetails"}
    (row,) = read(record | old)
    assert (row["input"], row["cached"], row["output"]) == (80, None, 11)


def test_a_table_of_a_portal_has_its_zone_in_the_name_of_a_column(read: Reader) -> None:
    record, expect = RECORDS["azure_apim"]
    flat = {k: v for k, v in record.items() if k != "TimeGenerated"}
    (row,) = read(flat | {"TimeGenerated [UTC]": "3/2/2026, 12:00:00.000 PM"}, name="log.csv")
    assert {column: row[column] for column in expect} == expect


def test_lines_of_one_claude_code_request_are_counted_once(read: Reader) -> None:
    first = RECORDS["claude_code"][0]
    message = first["message"]
    later = first | {"message": message | {"usage": message["usage"] | {"output_tokens": 9}}}
    other = first | {"requestId": "r2", "message": message | {"id": "m2"}}
    rows = read({"type": "summary", "summary": "x"}, first, later, other)
    assert sorted(row["output"] for row in rows) == [5, 9]


def test_a_langsmith_chain_and_an_outer_llm_run_are_not_counted(read: Reader) -> None:
    run = RECORDS["langsmith"][0]
    rows = read(
        run | {"id": "chain", "run_type": "chain", "prompt_tokens": 500},
        run | {"id": "outer", "prompt_tokens": 400},
        run | {"id": "inner", "parent_run_id": "outer", "prompt_tokens": 80},
    )
    assert [row["input"] for row in rows] == [80]


def test_spans_of_several_services_in_one_line_keep_their_service(read: Reader) -> None:
    attributes = {"gen_ai__request__model": "gpt-5", "gen_ai__usage__input_tokens": 80}
    both = otlp(span("a", "", **attributes), service="one")
    both["resourceSpans"] += otlp(span("b", "", **attributes), service="two")["resourceSpans"]
    assert sorted(row["workflow"] for row in read(both)) == ["one", "two"]


def test_an_attribute_without_a_value_does_not_move_the_others(read: Reader) -> None:
    odd = span("a", "", gen_ai__request__model="gpt-5", gen_ai__usage__input_tokens=80)
    odd["attributes"].insert(0, {"key": "empty", "value": {}})
    (row,) = read(otlp(odd))
    assert (row["model"], row["input"]) == ("gpt-5", 80)


@pytest.mark.parametrize(
    "told",
    [
        "2026-03-02T12:00:00Z",
        "2026-03-02 12:00:00",
        "2026-03-02T12:00:00.000000",
        "2026-03-02 12:00:00 UTC",
        "2026-03-02T14:00:00+02:00",
        "2026-03-02 07:00:00.000-05:00",
        "2026-03-02T07:00:00-0500",
        "2026-03-02 07:00:00-05",
        1772452800,
        1772452800.0,
        1772452800000,
        "1772452800000000",
        1772452800000000000,
    ],
)
def test_a_time_is_read_as_whoever_wrote_it_meant_it(told: object, read: Reader) -> None:
    record, _ = RECORDS["cloudflare"]
    (row,) = read(record["result"][0] | {"created_at": told})
    assert row["at"] == 1_772_452_800.0


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ("2026-03-29T01:59:59+01:00", 1_774_745_999.0),  # the last second of winter in Berlin
        ("2026-03-29T03:00:00+02:00", 1_774_746_000.0),  # the first of summer, one later
        ("2026-11-01T01:30:00-04:00", 1_793_511_000.0),  # an hour that comes twice in New York
        ("2026-11-01T01:30:00-05:00", 1_793_514_600.0),
        (
            "2026-03-29 02:30:00",
            1_774_751_400.0,
        ),  # no such time in Berlin; without a zone it is UTC
        ("2026-03-02T12:00:00.123456789Z", 1_772_452_800.123456),
        ("2026-03-02", 1_772_409_600.0),
        ("0001-01-01T00:00:00Z", None),  # what Go writes for no time
        ("9999-12-31T23:59:59Z", None),
        ("99999-01-01T00:00:00Z", None),
        (-5, None),
        ("yesterday", None),
        ("3/2/2026, 12:00:00.000 PM", 1_772_452_800.0),  # a table of Azure's portal
        ("3/2/2026, 1:05:09 AM", 1_772_413_509.0),
    ],
)
def test_a_time_is_an_instant_or_nothing(told: object, at: float | None, read: Reader) -> None:
    record, _ = RECORDS["cloudflare"]
    (row,) = read(record["result"][0] | {"created_at": told})
    assert row["at"] == (None if at is None else pytest.approx(at, abs=1e-5))
