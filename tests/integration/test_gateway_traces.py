"""Traces: a span a call in the words of the GenAI conventions, continued from the caller, sent by real OTLP."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulated_gateway import simulated_config
from workbench.testing.simulator import SimulatedProviders, wait_until

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HELLO: Any = [{"role": "user", "content": "hello"}]


class Collector:
    """What an OpenTelemetry collector has been sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.headers: list[dict[str, str]] = []
        self.resources: set[str] = set()

    def take(self, headers: dict[str, str], body: bytes) -> None:
        raw = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.headers.append(headers)
        for resource in ExportTraceServiceRequest.FromString(raw).resource_spans:
            self.resources |= {a.value.string_value for a in resource.resource.attributes if a.key == "service.name"}
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]

    def of(self, request_id: str) -> tuple[Span, list[Span]]:
        """Return the span of a call and its children, the first one first; waits for them."""

        def found() -> list[Span]:
            return [span for span in self.spans if attributes(span).get("workbench.request_id") == request_id]

        wait_until(lambda: bool(found()), lambda: f"no span of {request_id}", seconds=30)
        (span,) = found()
        children = [one for one in list(self.spans) if one.parent_span_id == span.span_id]
        return span, sorted(children, key=lambda one: one.start_time_unix_nano)


def attributes(span: Span) -> dict[str, Any]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes}


@pytest.fixture(scope="module")
def collector() -> Iterator[tuple[Collector, str]]:
    collected = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collected.take({k.lower(): v for k, v in self.headers.items()}, body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield collected, f"http://127.0.0.1:{server.server_port}/v1/traces"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def gateway(
    providers: SimulatedProviders, collector: tuple[Collector, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    config = (
        simulated_config(providers)
        + f"""
[telemetry.traces]
endpoint = "{collector[1]}"
credential = {{ env = "OTLP_KEY" }}
every = 0.1
"""
    )
    environ = {"SIM_KEY": providers.credential, "OTLP_KEY": "Bearer of-the-collector"}
    with running_gateway(tmp_path_factory.mktemp("home"), config=config, environ=environ) as running:
        yield running


@pytest.fixture(scope="module")
def caller(gateway: RunningGateway) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {gateway.issue_key()}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=60) as client:
        yield client


def chat(caller: httpx.Client, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    body = {"model": "chatty", "messages": HELLO, **more}
    return caller.post("/v1/chat/completions", json=body, headers=headers or {})


def test_a_call_is_a_span_below_its_callers(caller: httpx.Client, collector: tuple[Collector, str]) -> None:
    collected, _ = collector
    answer = chat(caller, {"traceparent": f"00-{TRACE}-{PARENT}-01"})
    usage = answer.json()["usage"]
    span, (asked,) = collected.of(answer.headers["x-request-id"])
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert (span.name, span.kind) == ("chat chatty", Span.SPAN_KIND_SERVER)
    said = attributes(span)
    assert said["gen_ai.operation.name"] == "chat"
    assert said["gen_ai.request.model"] == "chatty"
    assert said["gen_ai.response.model"] == "sim-chat"
    assert said["gen_ai.provider.name"] == "sim"
    assert said["gen_ai.usage.input_tokens"] == usage["prompt_tokens"]
    assert said["gen_ai.usage.output_tokens"] == usage["completion_tokens"]
    assert said["server.address"] == "127.0.0.1"
    assert said["workbench.cost_usd"] == pytest.approx(float(answer.headers["x-workbench-cost-usd"]))
    assert "error.type" not in said
    assert (asked.name, asked.kind) == ("chat sim-chat", Span.SPAN_KIND_CLIENT)
    assert span.start_time_unix_nano <= asked.start_time_unix_nano <= asked.end_time_unix_nano
    assert asked.end_time_unix_nano <= span.end_time_unix_nano
    assert not [value for value in said.values() if value == "hello"], "what was asked is nobody else's business"
    assert collected.headers[-1]["authorization"] == "Bearer of-the-collector"
    assert collected.resources == {"genai-workbench"}


def test_each_try_is_a_child_and_a_failure_says_why(
    caller: httpx.Client, providers: SimulatedProviders, collector: tuple[Collector, str]
) -> None:
    providers.fail("status", status=500)
    answer = chat(caller)
    assert answer.status_code == 200
    _, (first, second) = collector[0].of(answer.headers["x-request-id"])
    assert (first.status.code, attributes(first)["error.type"]) == (Status.STATUS_CODE_ERROR, "provider_error")
    assert "error.type" not in attributes(second)
    refused = chat(caller, model="nothing")
    span, tries = collector[0].of(refused.headers["x-request-id"])
    assert (attributes(span)["error.type"], tries) == ("model_not_found", [])


def test_the_ledger_knows_the_trace_of_a_call_that_came_without_one(
    caller: httpx.Client, collector: tuple[Collector, str]
) -> None:
    answer = chat(caller, {"traceparent": "00-not-a-trace"}, stream=True)
    request_id = answer.headers["x-request-id"]
    span, _ = collector[0].of(request_id)
    (row,) = caller.get("/me/calls", params={"request_id": request_id}).json()["data"]
    assert row["trace_id"] == span.trace_id.hex()
    assert attributes(span)["gen_ai.request.stream"] is True


def test_a_caller_that_does_not_sample_is_left_alone(caller: httpx.Client, collector: tuple[Collector, str]) -> None:
    quiet = chat(caller, {"traceparent": f"00-{TRACE}-{PARENT}-00"}).headers["x-request-id"]
    collector[0].of(chat(caller).headers["x-request-id"])
    assert quiet not in {attributes(span).get("workbench.request_id") for span in collector[0].spans}


def test_a_collector_that_is_gone_holds_up_no_call(providers: SimulatedProviders, tmp_path: Path) -> None:
    config = simulated_config(providers) + '[telemetry.traces]\nendpoint = "http://127.0.0.1:9/v1/traces"\nqueue = 2\n'
    with running_gateway(tmp_path, config=config, environ={"SIM_KEY": providers.credential}) as alone:
        headers = {"authorization": f"Bearer {alone.issue_key()}"}
        with httpx.Client(base_url=alone.url, headers=headers, timeout=30) as caller:
            assert {chat(caller).status_code for _ in range(10)} == {200}
        assert alone.stop() == 0
