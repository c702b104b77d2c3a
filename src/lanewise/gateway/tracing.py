"""OpenTelemetry: a span for each call and a few metrics, off unless the environment asks for them.

A call that passes through is one client span. A call that waits has two short ones, when it is written
down and when its answer is handed out; the second is linked to the first, and none is open in between. Names
are those of the GenAI conventions 1.41 where these have one, and `lanewise.*` where not. No text of a call
or an answer is in any of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from lanewise.domain.usage import Usage

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

logger: Final = logging.getLogger("lanewise.gateway")
_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_SIGNALS: Final = ("TRACES", "METRICS")
_FLUSH_SECONDS: Final = 5.0  # at the end of a process, for what is not exported yet
_PARENT: Final = (b"traceparent", b"tracestate")
Attributes = dict[str, str | int | float]
OPERATIONS: Final = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "chat",
    "/v1/messages": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
    "/v1/moderations": "moderation",
    "/v1/messages/count_tokens": "count_tokens",
    "/v1/models": "list_models",
}
# bounds of histograms, as the conventions have them
_SECONDS: Final = tuple(0.01 * 2**n for n in range(14))
_TOKENS: Final = tuple(4**n for n in range(14))
_TURNAROUND: Final = (1.0, 10.0, 60.0, 300.0, 900.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 86_400.0)


def wanted(environ: Mapping[str, str]) -> list[str]:
    """The signals that the environment asks for: "TRACES", "METRICS".

    >>> wanted({})
    []
    >>> wanted(
    ...     {
    ...         "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318",
    ...         "OTEL_METRICS_EXPORTER": "none",
    ...     }
    ... )
    ['TRACES']
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    return [signal for signal in _SIGNALS if _is_wanted(signal, environ)]


def _is_wanted(signal: str, environ: Mapping[str, str]) -> bool:
    exporter = environ.get(f"OTEL_{signal}_EXPORTER", "").strip()
    if exporter:
        return exporter != "none"
    return bool(environ.get(_ENDPOINT) or environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"))


def tracing(environ: Mapping[str, str]) -> Tracing | None:
    """What the environment asks for; None where that is nothing, or cannot be had, which the log says."""
    signals = wanted(environ)
    if not signals:
        return None
    try:
        from lanewise.gateway.exporting import providers
    except ImportError:
        logger.warning(
            "the environment asks for OpenTelemetry (OTEL_...), which is not installed: "
            "nothing is exported; pip install 'lanewise[otel]'"
        )
        return None
    return Tracing(*providers(signals, environ))


class Tracing:
    """Makes spans and measurements with the providers that it is given."""

    def __init__(self, tracers: TracerProvider, meters: MeterProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracers, self._meters = tracers, meters
        self._tracer = tracers.get_tracer("lanewise")
        self._propagator = TraceContextTextMapPropagator()
        meter = meters.get_meter("lanewise")

        def histogram(name: str, unit: str, bounds: tuple[float, ...]) -> Any:
            return meter.create_histogram(name, unit, explicit_bucket_boundaries_advisory=bounds)

        self._duration = histogram("gen_ai.client.operation.duration", "s", _SECONDS)
        self._first = histogram("gen_ai.client.operation.time_to_first_chunk", "s", _SECONDS)
        self._tokens = histogram("gen_ai.client.token.usage", "{token}", _TOKENS)
        self._turnaround = histogram("lanewise.batch.turnaround", "s", _TURNAROUND)

    def begin(self, headers: Mapping[bytes, bytes], path: str) -> CallSpan:
        """A call has come in; what it says of its caller's trace is its parent."""
        from opentelemetry.trace import SpanKind

        operation = OPERATIONS.get(path, path)
        parent = self._propagator.extract(_parent(headers))
        span = self._tracer.start_span(operation, context=parent, kind=SpanKind.CLIENT)
        return CallSpan(self, span, operation)

    def answered(self, traceparent: str, name: str, status: int, seconds: float | None) -> None:
        """The answer of a call that waited is handed out, `seconds` after it was written down.

        `name`: the request's; `traceparent`: of the span in which it was written down, "" where that is
        not known.
        """
        from opentelemetry import trace

        context = self._propagator.extract({"traceparent": traceparent})
        accepted = trace.get_current_span(context).get_span_context()
        links = [trace.Link(accepted)] if accepted.is_valid else []
        attributes: Attributes = {"lanewise.request.id": name, "http.response.status_code": status}
        span = self._tracer.start_span(
            "answer", kind=trace.SpanKind.CONSUMER, links=links, attributes=attributes
        )
        _fail(span, _error(status))
        span.end()
        if seconds is not None:
            self._turnaround.record(max(seconds, 0.0))

    def injected(self, span: Span) -> dict[str, str]:
        """How others name a span as their parent."""
        from opentelemetry.trace import set_span_in_context

        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, set_span_in_context(span))
        return carrier

    def measure(
        self, seconds: float, first: float | None, usage: Usage | None, of: Attributes
    ) -> None:
        """One call's times and tokens."""
        self._duration.record(seconds, of)
        if first is not None:
            self._first.record(first, of)
        if usage is not None:
            self._tokens.record(usage.total_input, of | {"gen_ai.token.type": "input"})
            self._tokens.record(usage.output, of | {"gen_ai.token.type": "output"})

    def close(self) -> None:
        """Export what is left; a collector that does not answer holds nobody up for long."""
        threads = [
            Thread(target=_shut_down, args=(provider,), name="lanewise-otel", daemon=True)
            for provider in (self._tracers, self._meters)
        ]
        for thread in threads:
            thread.start()
        until = time.monotonic() + _FLUSH_SECONDS
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0.0))


def _shut_down(provider: object) -> None:
    try:
        if (shutdown := getattr(provider, "shutdown", None)) is not None:  # else it exports nothing
            shutdown()
    except Exception:
        logger.exception("exporting the last of OpenTelemetry's data failed")


class CallSpan:
    """The span of one call through the gateway."""

    __slots__ = ("_operation", "_span", "_tracing", "ended")

    def __init__(self, tracing: Tracing, span: Span, operation: str) -> None:
        self._tracing, self._span, self._operation = tracing, span, operation
        self.ended = False

    @property
    def traceparent(self) -> str:
        """How the span is named by those who are linked to it."""
        return self._tracing.injected(self._span).get("traceparent", "")

    def carried(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The headers of the call to the upstream, with this span as its parent."""
        own = self._tracing.injected(self._span)
        kept = [pair for pair in headers if pair[0] not in _PARENT]
        return kept + [(name.encode(), value.encode()) for name, value in own.items()]

    def accepted(self, attributes: Attributes, refusal: str | None) -> None:
        """The call is written down, or refused with that code: the end of its span."""
        self._end(attributes, refusal or "")

    def passed(
        self, status: int, times: tuple[float, float | None], usage: Usage | None, of: Attributes
    ) -> None:
        """The call came to its end. `times`: seconds of all of it, and to its first byte."""
        if self.ended:
            return
        named: Attributes = {key: of[key] for key in _OF_METRICS if key in of}
        named["gen_ai.operation.name"] = self._operation
        if error := _error(status):
            named["error.type"] = error
        self._tracing.measure(*times, usage, named)
        self._end(of | _used(usage), error)

    def _end(self, attributes: Attributes, error: str) -> None:
        self.ended, span = True, self._span
        model = attributes.get("gen_ai.request.model")
        span.update_name(f"{self._operation} {model}" if model else self._operation)
        span.set_attribute("gen_ai.operation.name", self._operation)
        span.set_attributes({key: value for key, value in attributes.items() if value != ""})
        _fail(span, error)
        span.end()


_OF_METRICS: Final = ("gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model")


def _used(usage: Usage | None) -> Attributes:
    if usage is None:
        return {}
    written = usage.total_input - usage.input - usage.cache_read
    return {
        "gen_ai.usage.input_tokens": usage.total_input,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read,
        "gen_ai.usage.cache_creation.input_tokens": written,
        "gen_ai.usage.output_tokens": usage.output,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning,
    }


def _error(status: int) -> str:
    """What a status of HTTP says went wrong; 0: the client went away before there was one."""
    return str(status or "cancelled") if status >= 400 or not status else ""


def _fail(span: Span, error: str) -> None:
    from opentelemetry.trace import StatusCode

    if error:
        span.set_attribute("error.type", error)
        span.set_status(StatusCode.ERROR)


def _parent(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): headers[name].decode("latin-1") for name in _PARENT if name in headers}
