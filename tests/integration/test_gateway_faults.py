"""What the gateway makes of providers that fail, and of clients that leave."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import psutil
import pytest

from workbench.gateway.ledger.chain import verify
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until

HELLO: Any = [{"role": "user", "content": "hello " * 40}]


def config(url: str, *, nobody: int, connect: str = "") -> str:
    return f"""
[gateway]
timeouts = {{ connect = 1, first_token = 2, answer = 2, idle = 2, total = 30 }}
[providers.acme]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[providers.badkey]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "WRONG_KEY" }}
[providers.closed]
kind = "openai_compatible"
base_url = "http://127.0.0.1:{nobody}/v1"
[providers.unprepared]
kind = "anthropic"
base_url = "{url}"
credential = {{ env = "ACME_KEY" }}
[providers.claude]
kind = "anthropic"
base_url = "{url}"
credential = {{ env = "ACME_KEY" }}
[[models]]
name = "translated"
deployments = [{{ provider = "claude", model = "claude-sonnet-4-5" }}]
[[models]]
name = "alone"
deployments = [{{ provider = "acme", model = "alone" }}]
price = {{ input = 1, output = 1 }}
[[models]]
name = "two"
deployments = [{{ provider = "acme", model = "first" }}, {{ provider = "acme", model = "second" }}]
[[models]]
name = "rescued"
fallbacks = ["alone"]
deployments = [{{ provider = "closed", model = "x" }}]
[[models]]
name = "slow-then-unprepared"
deployments = [{{ provider = "acme", model = "first" }}, {{ provider = "unprepared", model = "claude-sonnet-4-5" }}]
[[models]]
name = "many"
deployments = [{{ provider = "acme", model = "a" }}, {{ provider = "acme", model = "b" }},
               {{ provider = "acme", model = "c" }}, {{ provider = "acme", model = "d" }}]
[[models]]
name = "shut"
deployments = [{{ provider = "closed", model = "x" }}]
[[models]]
name = "locked-out"
deployments = [{{ provider = "badkey", model = "x" }}]
"""


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with socket.socket() as unheard:  # bound and not listening: connections are refused, and nobody else takes it
        unheard.bind(("127.0.0.1", 0))
        text = config(providers.url, nobody=unheard.getsockname()[1])
        environ = {"ACME_KEY": providers.credential, "WRONG_KEY": "wrong"}
        with running_gateway(tmp_path_factory.mktemp("faults"), config=text, environ=environ) as running:
            yield running


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.issue_key()


@pytest.fixture
def http(gateway: RunningGateway, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {key}"}, timeout=30) as made:
        yield made


@pytest.fixture
def client(gateway: RunningGateway, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0) as made:
        yield made


@pytest.fixture(autouse=True)
def _nothing_left_over(providers: SimulatedProviders) -> None:
    providers.clear()


def ask(http: httpx.Client, model: str = "alone", **more: Any) -> httpx.Response:
    return http.post("/v1/chat/completions", json={"model": model, "messages": HELLO, **more})


def row_of(http: httpx.Client, request_id: str) -> dict[str, Any]:
    (row,) = http.get("/me/calls", params={"request_id": request_id}).json()["data"]
    return dict(row)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "status", "code"), [
    ({"kind": "status", "status": 500, "times": 0}, 502, "provider_error"),
    ({"kind": "status", "status": 503, "times": 0}, 503, "provider_unavailable"),
    ({"kind": "status", "status": 404}, 502, "provider_not_found"),
    ({"kind": "status", "status": 422, "message": "no such voice"}, 422, "refused_by_provider"),
    ({"kind": "redirect"}, 502, "provider_error"),
    ({"kind": "hang"}, 504, "provider_timeout"),
    ({"kind": "malformed"}, 502, "provider_error"),
    ({"kind": "html"}, 502, "provider_error"),
    ({"kind": "reset", "times": 2}, 502, "provider_error"),
])  # fmt: skip
def test_a_fault_before_the_answer_has_its_status_and_a_row(
    http: httpx.Client, providers: SimulatedProviders, fault: dict[str, Any], status: int, code: str, stream: bool
) -> None:
    providers.fail(**fault)
    answer = ask(http, stream=stream)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["code"] == code
    assert "acme" in error["message"] or status == 422
    assert "nginx" not in answer.text
    row = row_of(http, answer.headers["x-request-id"])
    assert (row["outcome"], row["status"], row["error_code"]) == ("failed", status, code)
    assert row["attempts"] == len(providers.requests)
    assert row["provider"] == "acme"


def test_the_callers_fault_is_told_in_the_providers_words(http: httpx.Client, providers: SimulatedProviders) -> None:
    providers.fail("status", status=400, message="context too long")
    error = ask(http).json()["error"]
    assert (error["message"], error["actor"]) == ("context too long", "caller")


def test_a_providers_limit_is_told_as_the_providers(client: openai.OpenAI, providers: SimulatedProviders) -> None:
    providers.fail("status", status=429, headers={"retry-after": "7"}, message="slow down")
    with pytest.raises(openai.RateLimitError, match="no limit of this gateway") as caught:
        client.chat.completions.create(model="alone", messages=HELLO)
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.code == "provider_rate_limit"


def test_the_gateways_own_credential_is_the_admins_affair(http: httpx.Client) -> None:
    answer = ask(http, "locked-out")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["actor"]) == (502, "provider_credential", "admin")
    assert "[providers.badkey] credential" in error["message"]


def test_a_refused_connection_names_the_provider(http: httpx.Client) -> None:
    answer = ask(http, "shut")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "provider_unavailable")
    assert "'closed'" in answer.json()["error"]["message"]


def test_the_next_deployment_answers_where_the_first_fails(http: httpx.Client, providers: SimulatedProviders) -> None:
    for fault in ({"kind": "status", "status": 500}, {"kind": "hang"}, {"kind": "malformed"}, {"kind": "cut"}):
        providers.fail(model="first", **fault)
        answer = ask(http, "two")
        assert answer.status_code == 200, fault
        assert answer.headers["x-workbench-deployment"] == "acme/second"
        row = row_of(http, answer.headers["x-request-id"])
        assert (row["attempts"], row["deployment"], row["outcome"]) == (2, "acme/second", "ok")


@pytest.mark.parametrize("frames", [0])
def test_a_stream_changes_deployment_before_its_first_event(
    client: openai.OpenAI, providers: SimulatedProviders, frames: int
) -> None:
    for kind in ("cut", "stall"):
        providers.fail(kind, model="first", frames=frames)
        chunks = list(client.chat.completions.create(model="two", messages=HELLO, stream=True))
        assert {chunk.model for chunk in chunks} == {"second"}


def test_a_fallback_answers_and_is_named(http: httpx.Client) -> None:
    answer = ask(http, "rescued")
    assert answer.status_code == 200
    assert answer.headers["x-workbench-model"] == "alone"
    assert row_of(http, answer.headers["x-request-id"])["model"] == "rescued"


def test_no_call_makes_more_than_three_attempts(http: httpx.Client, providers: SimulatedProviders) -> None:
    providers.fail("status", status=500, times=0)
    answer = ask(http, "many")
    assert answer.status_code == 502
    assert [seen.body["model"] for seen in providers.requests] == ["a", "b", "c"]
    assert row_of(http, answer.headers["x-request-id"])["attempts"] == 3


def test_a_connection_that_had_gone_stale_is_tried_again(http: httpx.Client, providers: SimulatedProviders) -> None:
    providers.fail("reset")
    assert ask(http).status_code == 200
    assert len(providers.requests) == 2


@pytest.mark.parametrize(("kind", "code"), [("cut", "stream_cut"), ("stall", "provider_timeout")])
def test_a_stream_that_breaks_off_is_an_error_and_never_a_success(
    client: openai.OpenAI, http: httpx.Client, providers: SimulatedProviders, kind: str, code: str
) -> None:
    providers.fail(kind, frames=5)
    stream = client.chat.completions.create(model="alone", messages=HELLO, stream=True)
    pieces = []

    def listen() -> None:
        for chunk in stream:
            pieces.append(chunk.choices[0].delta.content or "")  # noqa: PERF401 - what came before the error counts

    with pytest.raises(openai.APIError) as caught:
        listen()
    assert caught.value.code == code
    assert "".join(pieces) == "echo: hello hello hello"
    assert len(providers.requests) == 1
    row = row_of(http, stream.response.headers["x-request-id"])
    assert (row["outcome"], row["status"], row["error_code"]) == ("failed", 200, code)
    assert (row["output_tokens"], row["cost_source"]) == (5, "estimated")


@pytest.mark.parametrize("model", ["alone", "translated"])
def test_an_error_event_of_the_provider_ends_the_stream_once(
    http: httpx.Client, client: openai.OpenAI, providers: SimulatedProviders, model: str
) -> None:
    providers.fail("error", frames=5, message="overloaded")
    raw = ask(http, model, stream=True)
    assert raw.content.count(b'"error"') == 1
    assert b"overloaded" in raw.content
    assert b"[DONE]" not in raw.content
    row = row_of(http, raw.headers["x-request-id"])
    assert (row["outcome"], row["error_code"]) == ("failed", "provider_error")
    providers.fail("error", frames=5, message="overloaded")
    with pytest.raises(openai.APIError, match="overloaded"):
        list(client.chat.completions.create(model=model, messages=HELLO, stream=True))


def test_an_error_event_before_anything_else_is_a_status(http: httpx.Client, providers: SimulatedProviders) -> None:
    providers.fail("error", frames=0, message="overloaded")
    answer = ask(http, stream=True)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "provider_error")


def test_a_broken_stream_has_no_terminal_event(http: httpx.Client, providers: SimulatedProviders) -> None:
    providers.fail("cut", frames=5)
    raw = ask(http, stream=True).content
    assert b"[DONE]" not in raw
    assert raw.count(b'"stream_cut"') == 1


def test_a_huge_answer_is_refused_in_bounded_memory(
    gateway: RunningGateway, http: httpx.Client, providers: SimulatedProviders
) -> None:
    process = psutil.Process(gateway.process.pid)
    before = process.memory_info().rss
    providers.fail("huge")
    most = [0]
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            most[0] = max(most[0], process.memory_info().rss)
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    answer = ask(http)
    stop.set()
    watcher.join()
    assert answer.status_code == 502
    assert most[0] - before < 200 * 1024 * 1024


def test_a_client_that_leaves_a_stream_stops_the_provider_and_is_charged_for_what_came(
    http: httpx.Client, providers: SimulatedProviders
) -> None:
    providers.fail("slow", seconds=0.05)
    body = {"model": "alone", "messages": HELLO, "stream": True}
    with http.stream("POST", "/v1/chat/completions", json=body) as answer:
        next(answer.iter_raw())
        request_id = answer.headers["x-request-id"]
    providers.wait_until(lambda seen: seen[0].ended == "client_left")
    wait_until(lambda: http.get("/me/calls", params={"request_id": request_id}).json()["data"] != [], "no row")
    row = row_of(http, request_id)
    assert (row["outcome"], row["cost_source"]) == ("client_left", "estimated")
    assert 1 <= row["output_tokens"] < 40
    assert row["cost_usd"] > 0


def leave_plain_call(gateway: RunningGateway, key: str, providers: SimulatedProviders) -> bytes:
    """Ask for a plain answer and leave as soon as the provider has the question; return the body that was sent."""
    address = urlsplit(gateway.url)
    body = json.dumps({"model": "alone", "messages": HELLO}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1"
    head += f"\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}"
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        providers.wait_until(lambda seen: len(seen) == 1)
    return body


def newest_row(http: httpx.Client) -> dict[str, Any]:
    return dict(http.get("/me/calls", params={"limit": 1}).json()["data"][0])


def test_a_client_that_leaves_a_plain_call_stops_the_provider_and_is_charged_for_what_it_may_have_made(
    http: httpx.Client, providers: SimulatedProviders, gateway: RunningGateway, key: str
) -> None:
    providers.fail("hang")
    body = leave_plain_call(gateway, key, providers)
    providers.wait_until(lambda seen: seen[0].ended == "client_left")
    wait_until(lambda: newest_row(http)["status"] == 499, lambda: f"the newest row is {newest_row(http)}")
    row = newest_row(http)
    assert (row["outcome"], row["attempts"], row["cost_source"]) == ("client_left", 1, "estimated")
    assert row["input_tokens"] == len(body) // 4
    assert row["output_tokens"] < 60  # what may be made in the moment for which an answer is still waited for
    assert row["cost_usd"] == pytest.approx((row["input_tokens"] + row["output_tokens"]) / 1e6)


def test_a_plain_answer_that_is_on_its_way_when_its_client_leaves_is_recorded_and_charged_as_it_is(
    http: httpx.Client, providers: SimulatedProviders, gateway: RunningGateway, key: str
) -> None:
    ask(http)
    before = newest_row(http)["request_id"]
    providers.clear()
    providers.fail("latency", seconds=0.03)
    leave_plain_call(gateway, key, providers)
    providers.wait_until(lambda seen: seen[0].ended == "answered")
    wait_until(lambda: newest_row(http)["request_id"] != before, "no row")
    row = newest_row(http)
    assert (row["status"], row["outcome"], row["cost_source"]) == (200, "ok", "settings")
    kept = http.get(f"/me/calls/{row['request_id']}/body").json()
    assert json.loads(kept["response"]["body"])["choices"][0]["finish_reason"] == "stop"


def test_a_provider_that_must_be_prepared_stands_in_for_one_that_timed_out(
    http: httpx.Client, providers: SimulatedProviders
) -> None:
    providers.fail("hang", model="first")
    answer = ask(http, "slow-then-unprepared")
    assert answer.status_code == 200, answer.text
    assert row_of(http, answer.headers["x-request-id"])["provider"] == "unprepared"


def test_other_calls_go_on_while_one_provider_hangs(http: httpx.Client, providers: SimulatedProviders) -> None:
    providers.fail("hang", model="first")
    hanging = threading.Thread(target=ask, args=(http, "two"))
    hanging.start()
    providers.wait_until(lambda seen: len(seen) == 1)
    assert ask(http).status_code == 200
    hanging.join()


def test_a_locked_ledger_refuses_new_calls_and_loses_no_row(
    gateway: RunningGateway, http: httpx.Client, providers: SimulatedProviders
) -> None:
    path = gateway.home / "ledger" / "calls.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        first = ask(http)
        assert (first.status_code, first.json()["error"]["code"]) == (503, "ledger_unavailable")
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 503
        before = len(providers.requests)
        second = ask(http)
        assert second.status_code == 503
        assert second.headers["retry-after"]
        assert len(providers.requests) == before
    finally:
        other.execute("ROLLBACK")
        other.close()
    wait_until(lambda: http.get("/readyz").status_code == 200, "the gateway did not recover")
    assert ask(http).status_code == 200
    row = row_of(http, first.headers["x-request-id"])
    assert (row["attempts"], row["outcome"], row["status"], row["error_code"]) == (
        1, "failed", 503, "ledger_unavailable",
    )  # fmt: skip
    refused = http.get("/me/calls", params={"request_id": second.headers["x-request-id"]})
    assert refused.json()["data"] == []


def test_sigterm_lets_a_stream_end_and_exits_with_0(providers: SimulatedProviders, tmp_path: Path) -> None:
    text = config(providers.url, nobody=9)
    environ = {"ACME_KEY": providers.credential, "WRONG_KEY": "wrong"}
    with running_gateway(tmp_path, config=text, environ=environ) as gateway:
        providers.fail("slow", seconds=0.02)
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.issue_key(), max_retries=0) as client:
            stream = client.chat.completions.create(model="alone", messages=HELLO, stream=True)
            first = next(iter(stream))
            gateway.process.terminate()
            rest = list(stream)
        assert first.choices
        assert rest[-1].choices[0].finish_reason == "stop"
        assert gateway.process.wait(30) == 0
    assert verify(tmp_path / "ledger" / "calls.db") == 1


def test_killing_the_gateway_loses_no_answered_call(providers: SimulatedProviders, tmp_path: Path) -> None:
    text = config(providers.url, nobody=9)
    environ = {"ACME_KEY": providers.credential, "WRONG_KEY": "wrong"}
    answered: list[str] = []
    with running_gateway(tmp_path, config=text, environ=environ) as gateway:
        key = gateway.issue_key()

        def work() -> None:
            with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {key}"}) as http:
                try:
                    while True:
                        answered.append(ask(http).headers["x-request-id"])
                except httpx.HTTPError:
                    return

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        wait_until(lambda: len(answered) > 40, "too few calls")
        gateway.process.kill()
        for worker in workers:
            worker.join()
    with sqlite3.connect(tmp_path / "ledger" / "calls.db") as connection:
        kept = {row[0] for row in connection.execute("SELECT request_id FROM calls")}
    assert set(answered) <= kept
    assert verify(tmp_path / "ledger" / "calls.db") == len(kept)
