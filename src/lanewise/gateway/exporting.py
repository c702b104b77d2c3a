"""The providers of OpenTelemetry's own SDK, over OTLP and HTTP; imported only where they are wanted.

All of it is set by the standard `OTEL_*` variables, which the SDK reads itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import MeterProvider, NoOpMeterProvider
from opentelemetry.sdk import metrics, trace
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NoOpTracerProvider, TracerProvider


def providers(
    signals: Sequence[str], environ: Mapping[str, str]
) -> tuple[TracerProvider, MeterProvider]:
    """Providers that export the wanted signals; the other of the two exports nothing."""
    resource = Resource.create(None if _is_named(environ) else {SERVICE_NAME: "lanewise"})
    return (
        _tracers(resource) if "TRACES" in signals else NoOpTracerProvider(),
        _meters(resource) if "METRICS" in signals else NoOpMeterProvider(),
    )


def _tracers(resource: Resource) -> TracerProvider:
    made = trace.TracerProvider(resource=resource, shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


def _meters(resource: Resource) -> MeterProvider:
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    return metrics.MeterProvider([reader], resource, shutdown_on_exit=False)


def _is_named(environ: Mapping[str, str]) -> bool:
    return "OTEL_SERVICE_NAME" in environ or f"{SERVICE_NAME}=" in environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
