"""OpenTelemetry: a span for each call, a link between the two of one that waits, nothing while it is off."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from lanewise.gateway.serving import RunningGateway, working
from lanewise.gateway.tracing import OPERATIONS, Tracing, tracing

PATH = "/v1/chat/completions"
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "canary-prompt"}]}
LATER = {"x-lanewise-deadline": "8h", "x-lanewise-workflow": "tickets"}
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=1"}


@dataclass
class Collected:
    """What was exported, in memory."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)

    def tracing(self) -> Tracing:
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        return Tracing(tracers, MeterProvider([self.reader], shutdown_on_exit=False))

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def metrics(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def collected() -> Collected:
    """A collector."""
    return Collected()


@pytest.fixture
def place(make_place: Callable[..., Any], collected: Collected) -> Any:
    """A gateway that traces, in front of the sandbox."""
    return make_place(tracing=collected.tracing())


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


# -- calls that pass through ------------------------------------------------------------------------
def test_a_call_is_one_client_span_with_what_it_used_and_none_of_its_text(
    place: Any, collected: Collected
) -> None:
    got = place.http.post(PATH, json=CHAT, headers={"x-lanewise-workflow": "tickets"})
    used = got.json()["usage"]
    place.running.close()
    [span] = collected.spans()
    assert (span.name, span.kind) == ("chat gpt-4o-mini", SpanKind.CLIENT)
    assert span.status.status_code is StatusCode.UNSET
    said = attributes(span)
    assert (
        said.items()
        >= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.response.model": got.json()["model"],
            "gen_ai.usage.input_tokens": used["prompt_tokens"],
            "gen_ai.usage.output_tokens": used["completion_tokens"],
            "gen_ai.workflow.name": "tickets",
            "http.response.status_code": 200,
            "lanewise.lane": "realtime",
        }.items()
    )
    assert "error.type" not in said
    answer = got.json()["choices"][0]["message"]["content"]
    assert not [value for value in said.values() if str(value) in answer or "canary" in str(value)]


def test_a_stream_and_anthropics_api_are_traced_alike(place: Any, collected: Collected) -> None:
    place.http.post(PATH, json={**CHAT, "stream": True})
    asked = {**CHAT, "model": "claude-haiku-4-5", "max_tokens": 10}
    place.http.post("/v1/messages", json=asked, headers={"anthropic-version": "2023-06-01"})
    place.running.close()
    first, second = collected.spans()
    assert attributes(first)["gen_ai.usage.output_tokens"] > 0
    assert attributes(second)["gen_ai.provider.name"] == "anthropic"
    assert attributes(second)["gen_ai.usage.output_tokens"] > 0
    assert "openai.response.service_tier" not in attributes(second)


def test_the_callers_trace_goes_on_to_the_upstream(
    make_place: Callable[..., Any],
    upstream: Callable[..., Any],
    answering: Callable[..., bytes],
    collected: Collected,
) -> None:
    server = upstream(answering({}))
    place = make_place(server.url, tracing=collected.tracing())
    place.http.post(PATH, json=CHAT, headers=PARENT)
    place.running.close()
    [span] = collected.spans()
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == SPAN
    head = server.requests[0].partition(b"\r\n\r\n")[0].lower()
    assert head.count(b"traceparent:") == head.count(b"tracestate:") == 1
    assert f"traceparent: 00-{TRACE}-{span.context.span_id:016x}-01".encode() in head
    assert b"tracestate: vendor=1" in head


def test_without_tracing_the_callers_trace_reaches_the_upstream_as_it_is(
    make_place: Callable[..., Any], upstream: Callable[..., Any], answering: Callable[..., bytes]
) -> None:
    server = upstream(answering({}))
    make_place(server.url).http.post(PATH, json=CHAT, headers=PARENT)
    assert f"traceparent: {PARENT['traceparent']}\r\n".encode() in server.requests[0]


def test_what_went_wrong_is_the_spans_error(place: Any, collected: Collected) -> None:
    place.fault("http_error", operation="live", status=500)
    place.http.post(PATH, json=CHAT)
    place.http.post(PATH, content=b"{")
    place.running.close()
    found = [
        (span.status.status_code, attributes(span)["error.type"]) for span in collected.spans()
    ]
    assert [error for _, error in found][1] == "400"
    assert {status for status, _ in found} == {StatusCode.ERROR}


def test_times_and_tokens_are_measured(place: Any, collected: Collected) -> None:
    used = place.http.post(PATH, json=CHAT).json()["usage"]
    place.running.close()
    found = collected.metrics()
    [duration] = found["gen_ai.client.operation.duration"]
    assert (duration.count, duration.explicit_bounds[-1]) == (1, 81.92)
    assert duration.attributes["gen_ai.operation.name"] == "chat"
    assert found["gen_ai.client.operation.time_to_first_chunk"][0].sum <= duration.sum
    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum
        for point in found["gen_ai.client.token.usage"]
    }
    assert tokens == {"input": used["prompt_tokens"], "output": used["completion_tokens"]}


# -- calls that wait --------------------------------------------------------------------------------
def test_a_call_that_waits_has_two_short_spans_and_the_second_is_linked_to_the_first(
    place: Any, collected: Collected
) -> None:
    with working(place.engine):
        got = place.http.post(PATH, json=CHAT, headers=LATER | PARENT)
    assert got.status_code == 200
    place.running.close()
    first, second = collected.spans()
    assert (first.name, second.name) == ("chat gpt-4o-mini", "answer")
    assert second.kind is SpanKind.CONSUMER
    assert first.end_time <= second.start_time
    [link] = second.links
    assert link.context.span_id == first.context.span_id
    assert f"{first.context.trace_id:032x}" == TRACE
    assert attributes(first)["lanewise.lane"] == "waits"
    assert attributes(second) == {
        "lanewise.request.id": got.headers["x-lanewise-request"],
        "http.response.status_code": 200,
    }
    [turnaround] = collected.metrics()["lanewise.batch.turnaround"]
    assert turnaround.count == 1


def test_an_answer_that_is_polled_is_linked_by_another_process_too(
    make_place: Callable[..., Any], collected: Collected
) -> None:
    place = make_place(tracing=collected.tracing())
    headers = LATER | {"idempotency-key": "k"}
    taken = place.http.post(PATH, json=CHAT, headers=headers | {"prefer": "respond-async"})
    [accepted] = collected.spans()
    place.running.close()
    other = RunningGateway(place.parts)
    try:
        with working(place.engine), httpx2.Client(base_url=other.url, timeout=20) as http:
            assert (
                http.post(PATH, json=CHAT, headers=headers).status_code == 200
            )  # when it is there
            assert http.get(taken.headers["location"]).status_code == 200
    finally:
        other.close()
    answers = [span for span in collected.spans() if span.name == "answer"]
    assert len(answers) == 2
    for answer in answers:
        assert [link.context.span_id for link in answer.links] == [accepted.context.span_id]


def test_a_refusal_of_a_call_that_would_wait_is_an_error_and_no_answer(
    place: Any, collected: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lanewise.gateway.accepting.MOST_QUEUED", 0)
    assert place.http.post(PATH, json=CHAT, headers=LATER).status_code == 429
    place.running.close()
    [span] = collected.spans()
    assert attributes(span)["error.type"] == "queue_full"


# -- on and off -------------------------------------------------------------------------------------
def test_it_is_off_unless_the_environment_asks_for_it() -> None:
    assert tracing({}) is None
    assert tracing({"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_EXPORTER": "none"}) is None
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    assert tracing(asked | {"OTEL_SDK_DISABLED": "true"}) is None


def in_a_process(code: str, **environ: str) -> str:
    """What a program writes to its standard error, and has to end well."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def test_asked_for_and_not_installed_is_one_line_in_the_log() -> None:
    code = (
        "import os, sys; sys.modules['opentelemetry'] = None\n"
        "from lanewise.gateway.tracing import tracing\n"
        "assert tracing(os.environ) is None"
    )
    said = in_a_process(code, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318")
    assert len(said.splitlines()) == 1
    assert "pip install 'lanewise[otel]'" in said


def test_nothing_of_opentelemetry_is_imported_while_it_is_off() -> None:
    code = (
        "import sys, lanewise.gateway.serving\n"
        "assert not [name for name in sys.modules if 'opentelemetry' in name]"
    )
    assert in_a_process(code) == ""


class _Sink(BaseHTTPRequestHandler):
    """A collector that takes everything."""

    def do_POST(self) -> None:
        self.server.paths.append(self.path)  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sink() -> Iterator[HTTPServer]:
    """A collector that listens."""
    server = HTTPServer(("127.0.0.1", 0), _Sink)
    server.paths = []  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_process_exports_what_it_has_when_it_ends(
    serving: Any, sink: Any, tmp_path: Path
) -> None:
    address = f"http://127.0.0.1:{sink.server_port}"
    with serving(tmp_path / "home", OTEL_EXPORTER_OTLP_ENDPOINT=address) as (process, url):
        assert httpx2.post(f"{url}{PATH}", json=CHAT, timeout=20).status_code == 200
        process.terminate()
        assert process.wait(60) == 0
    assert set(sink.paths) == {"/v1/traces", "/v1/metrics"}


def test_every_call_that_passes_through_has_an_operation(place: Any) -> None:
    assert {path for _, path in place.running.gateway.passing.hot()} == set(OPERATIONS)
