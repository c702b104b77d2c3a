"""No token counts twice and none that cannot be; what is left out or mended is told by file."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from .conftest import Reader, rows_of, write
from .test_formats import RECORDS, TABLES, otlp, span

CHAT = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "gpt-5"}


def chat(name: str, parent: str, tokens: int) -> dict[str, Any]:
    return span(name, parent, **CHAT, gen_ai__usage__input_tokens=tokens)


SPANS = [  # one with tokens, a nameless one, one for a tool, and two with tokens below
    chat("top", "", 900),
    span("step", "top"),
    span("tool", "step", gen_ai__operation__name="execute_tool"),
    chat("low", "tool", 500),
    chat("next", "step", 400),
    chat("alone", "gone", 7),  # its parent was not exported
]


def test_a_span_with_tokens_far_below_it_does_not_count(read: Reader) -> None:
    assert sorted(row["input"] for row in read(otlp(*SPANS))) == [7, 400, 500]


@pytest.mark.parametrize("seed", range(3))
def test_a_trace_may_lie_in_several_files_in_any_order(seed: int, tmp_path: Path) -> None:
    spans = random.Random(seed).sample(SPANS, len(SPANS))
    logs = [write(tmp_path / f"{n}.jsonl", [otlp(one)]) for n, one in enumerate(spans)]
    assert sorted(row["input"] for row in rows_of(*logs)[1]) == [7, 400, 500]


def test_parents_that_are_their_own_ancestors_end(read: Reader) -> None:
    spans = (span("a", "b"), span("b", "a"), chat("c", "a", 5), chat("d", "d", 6))
    assert [row["input"] for row in read(otlp(*spans))] == [5]


@pytest.mark.parametrize("name", ["langfuse", "langsmith", "openinference"])
def test_what_lies_between_may_be_no_request_itself(name: str, read: Reader) -> None:
    record = {key: value for key, value in RECORDS[name][0].items() if key != "context"}
    kind, parent, tokens = {
        "langfuse": ("type", "parentObservationId", {"usageDetails": {"input": 3}}),
        "langsmith": ("run_type", "parent_run_id", {"prompt_tokens": 3}),
        "openinference": ("", "parent_id", {}),
    }[name]
    below = {kind: "tool", "attributes": {"tool.name": "search"}} | {parent: "top"}
    key = "span_id" if name == "openinference" else "id"
    ids: dict[str, Any] = {"trace_id": "t", "traceId": "t"}
    top = record | ids | {key: "top"}
    between = {k: v for k, v in record.items() if k != "usageDetails"} | ids | below | {key: "mid"}
    low = record | ids | tokens | {key: "low", parent: "mid", "name": "low"}
    rows = read(top, between, low)
    assert len(rows) == 1
    assert len(read(top, low | {parent: "elsewhere"})) == 2


def test_the_same_request_in_two_exports_counts_once(tmp_path: Path) -> None:
    """Rows of one id that say the same: the one that says most stays; what differs is another request."""
    record = RECORDS["litellm"][0]
    first = [record | {"request_id": f"r{n}", "prompt_tokens": n} for n in range(100, 105)]
    again = [record | {"request_id": f"r{n}", "prompt_tokens": n} for n in range(103, 108)]
    other = record | {"request_id": "r100", "prompt_tokens": 99}
    one = write(tmp_path / "a.jsonl", first)
    two = write(tmp_path / "b.csv", [*again, other])
    imported, rows = rows_of(one, two)
    assert sorted(row["input"] for row in rows) == [99, *range(100, 108)]
    (told,) = [note for read in imported.read for note in read.notes]
    assert told.startswith("2 rows have the ids of others")
    assert sum(read.rows for read in imported.read) == len(rows)


def test_a_second_log_of_the_same_requests_adds_what_it_knows(tmp_path: Path) -> None:
    """Messages in pieces are one request; latency and status of a gateway go to it, and are no rows."""
    llm = RECORDS["azure_apim"][0]
    piece = {"TimeGenerated": llm["TimeGenerated"], "CorrelationId": "c", "SequenceNumber": 1}
    gateway = RECORDS["azure_apim_gateway"][0]
    logs = [
        write(
            tmp_path / "a.jsonl",
            [llm | {"CorrelationId": "c"}, piece, llm | {"CorrelationId": "d"}],
        ),
        write(tmp_path / "b.csv", [gateway, gateway | {"CorrelationId": "other"}]),
    ]
    imported, rows = rows_of(*logs)
    assert sorted(
        (row["seconds"] or 0, row["ok"] or False, row["key_name"] or "") for row in rows
    ) == [
        (0, False, ""),
        (0.9, True, "team-a"),
    ]
    assert imported.read[1].rows == 0
    resource = RECORDS["azure_resource_logs"][0]
    other = {k: v for k, v in resource.items() if k != "properties"} | {"properties": {}}
    other |= {"category": "GatewayLogs", "durationMs": 700, "resultSignature": "429"}
    (row,) = rows_of(write(tmp_path / "PT1H.json", [other, resource]))[1]
    assert (row["seconds"], row["ok"], row["input"]) == (0.7, False, 80)


IDS = {  # what names a request, where the record of this format has none yet
    "anthropic_messages": "id",
    "azure_apim": "CorrelationId",
    "azure_openai": "CorrelationId",
    "bedrock": "requestId",
    "helicone": "request_id",
    "lanewise": "row",
    "litellm": "request_id",
    "litellm_payload": "id",
    "cloudflare": "id",
    "openai_stored": "id",
    "openrouter": "generation_id",
    "portkey": "id",
}


@pytest.mark.parametrize(
    "name",
    sorted({*RECORDS} - {"aider", "openai_logs", "focus", "block_trace", "azure_apim_gateway"}),
)
def test_a_copy_of_an_export_adds_nothing(name: str, tmp_path: Path) -> None:
    record = RECORDS[name][0]
    record = record["result"][0] if name == "cloudflare" else record
    record = record | ({IDS[name]: "x1"} if name in IDS else {})
    suffix = "csv" if name in TABLES else "jsonl"
    logs = [write(tmp_path / f"{n}.{suffix}", [record]) for n in range(2)]
    assert len(rows_of(logs[0])[1]) == len(rows_of(*logs)[1]) == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"prompt_tokens": -5},
        {"prompt_tokens": 1e18},
        {"completion_tokens": 9_223_372_036_854_775_807},
        {"spend": -1.0},
        {"spend": 1e30},
    ],
)
def test_numbers_that_cannot_be_are_left_out_and_told(odd: dict[str, Any], tmp_path: Path) -> None:
    record = RECORDS["litellm"][0]
    log = write(tmp_path / "log.jsonl", [record, record | odd | {"request_id": "odd"}])
    imported, rows = rows_of(log)
    assert len(rows) == imported.rows == 1
    assert imported.read[0].notes[0].startswith("1 row has a number that no request has")


def test_corrections_in_our_own_ledger_take_away(read: Reader) -> None:
    row = RECORDS["lanewise"][0] | {"row": "1"}
    less = row | {
        "row": "2",
        "kind": "correction",
        "answers": 0,
        "input_tokens": -1,
        "cost_usd": "-0.1",
    }
    less |= {name: 0 for name in row if name.startswith("cache_") or name == "output_tokens"}
    rows = read(row, less)
    assert sum(one["input"] for one in rows) == read(row)[0]["input"] - 1


@pytest.mark.parametrize("name", ["bedrock", "anthropic_messages", "claude_code", "helicone"])
def test_sums_beyond_all_numbers_do_not_end_the_audit(name: str, tmp_path: Path) -> None:
    most = 9_223_372_036_854_775_807

    def most_of(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: most_of(one) for key, one in value.items()}
        return most if type(value) is int and 0 < value < 1000 else value

    record = RECORDS[name][0]
    good = write(tmp_path / "good.jsonl", [record])
    bad = write(tmp_path / "bad.jsonl", [most_of(record) | {"requestId": "odd"}])
    imported, rows = rows_of(good, bad)
    assert (len(rows), imported.unread) == (1, ())


@pytest.mark.parametrize(("many", "told"), [(1, 1), (60, 80)])
def test_input_that_leaves_cached_tokens_out_is_known_by_rows_that_read_more_than_they_had(
    many: int, told: int, tmp_path: Path
) -> None:
    """From a tenth of a provider's rows in a file on, all are meant so; fewer stand for themselves."""
    within = [chat(f"s{n}", "", 1000) for n in range(100 - many)]
    beyond = [chat(f"t{n}", "", 10) for n in range(many)]
    for one in (*within[:20], *beyond):
        one["attributes"].append(
            {"key": "gen_ai.usage.cache_read.input_tokens", "value": {"intValue": "100"}}
        )
    imported, rows = rows_of(write(tmp_path / "log.jsonl", [otlp(*within, *beyond)]))
    assert sum(row["input"] for row in rows) == 1000 * (100 - many) + 10 * many + 100 * told
    assert imported.read[0].notes[0].startswith(f"{told} row")
