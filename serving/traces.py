"""A span for each request (OpenTelemetry), where ``traces=true`` asks for them.

OpenTelemetry's own variables say where they go and how many (``OTEL_EXPORTER_OTLP_ENDPOINT``,
``OTEL_SERVICE_NAME``, ``OTEL_TRACES_SAMPLER``). A span is made once its reply is written, of times
that were taken anyway, and sent by a thread, so that no request waits for it. It has the route's
name and the request's id, never a path or an id of people.
"""

import os
import time

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from serving.exchange import Request

NAME = "recsys"
PARENT = ("traceparent", "tracestate")  # headers of W3C Trace Context


class Traces:
    """Makes spans of a provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("recsys.serving")
        self._parents = TraceContextTextMapPropagator()

    def __call__(self, request: Request, route: str, status: int) -> None:
        """Ends now what began with the request's first byte."""
        ended = time.time_ns()
        began = ended - int(1e9 * (time.perf_counter() - request.began))
        headers = {
            name: request.headers.get(name.encode(), b"").decode("latin-1") for name in PARENT
        }
        span = self._tracer.start_span(
            f"{request.method} {route}",
            context=self._parents.extract(headers),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": request.method,
                "http.route": route,
                "http.response.status_code": status,
                "recsys.request_id": request.id,
            },
            start_time=began,
        )
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end(ended)

    def close(self) -> None:
        """Sends what was not sent yet."""
        self._provider.shutdown()


def exporting() -> Traces:
    """Spans that go to an OTLP collector over HTTP."""
    name = os.environ.get("OTEL_SERVICE_NAME", NAME)
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider)
