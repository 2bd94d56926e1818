"""Spans as a collector gets them: one a request, in the caller's trace, with nobody's id."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from recsys.errors import ConfigError
from serving import worker
from tests.serving.running import client, running

TRACE = "0af7651916cd43dd8448eb211c80319c"
TOLD = "serving.traces"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def collector():
    """A port that takes OTLP over HTTP, and the bodies that came."""
    bodies = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    thread.join()
    server.server_close()


def spans(bodies):
    trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    found = []
    for body in bodies:
        told = trace_service.ExportTraceServiceRequest.FromString(body)
        for resource in told.resource_spans:
            assert any(
                (one.key, one.value.string_value) == ("service.name", "shop")
                for one in resource.resource.attributes
            )
            found += [span for scope in resource.scope_spans for span in scope.spans]
    return found


def test_every_request_is_a_span_of_its_callers_trace(bundle, tmp_path, collector):
    endpoint, bodies = collector
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "OTEL_SERVICE_NAME": "shop",
    }
    with running(bundle, tmp_path, "traces=true", **variables) as started:
        with client(started) as api:
            headers = {"traceparent": PARENT, "x-request-id": "mine-7"}
            api.post("/recommend", json={"user_id": 4711, "k": 1}, headers=headers)
            api.get("/users/4711/memory")
            api.get("/nowhere/4711")
        assert started.end() == 0
    by_name = {span.name: span for span in spans(bodies)}
    assert set(by_name) == {"POST recommend", "GET memory", "GET none"}
    recommend = by_name["POST recommend"]
    assert recommend.trace_id.hex() == TRACE
    assert recommend.parent_span_id.hex() == PARENT.split("-")[2]
    assert 0 < recommend.end_time_unix_nano - recommend.start_time_unix_nano < 60e9
    told = {one.key: one.value for one in recommend.attributes}
    assert told["http.response.status_code"].int_value == 200
    assert told["http.route"].string_value == "recommend"
    assert told["recsys.request_id"].string_value == "mine-7"
    assert by_name["GET memory"].trace_id.hex() != TRACE
    assert not any(b"4711" in body for body in bodies)


def test_without_the_package_the_remedy_is_told(monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("opentelemetry.exporter", TOLD))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp", None)
    with pytest.raises(ConfigError, match=r"recsys\[traces\]"):
        worker._traces()
