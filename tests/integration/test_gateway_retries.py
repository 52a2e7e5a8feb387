"""Who is asked once more before the caller hears of a failure, and who is not: a deployment that stands alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders

HELLO: Any = [{"role": "user", "content": "hello there"}]
CONFIG = """
[gateway]
timeouts = {{ connect = 1, first_token = 1, answer = 1, idle = 1, total = 120 }}
[providers.acme]
kind = "openai"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[providers.claude]
kind = "anthropic"
base_url = "{url}"
credential = {{ env = "ACME_KEY" }}
[[models]]
name = "alone"
deployments = [{{ provider = "acme", model = "gpt-4o-mini" }}]
[[models]]
name = "translated"
deployments = [{{ provider = "claude", model = "claude-sonnet-4-5" }}]
[[models]]
name = "ear"
task = "transcription"
deployments = [{{ provider = "acme", model = "whisper-1" }}]
"""


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("retries")
    environ = {"ACME_KEY": providers.credential}
    with running_gateway(home, config=CONFIG.format(url=providers.url), environ=environ) as running:
        yield running


@pytest.fixture
def http(gateway: RunningGateway) -> Iterator[httpx.Client]:
    key = gateway.issue_key()
    with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {key}"}, timeout=120) as made:
        yield made


@pytest.fixture(autouse=True)
def _nothing_left_over(providers: SimulatedProviders) -> None:
    providers.clear()


def ask(http: httpx.Client, model: str = "alone", **more: Any) -> httpx.Response:
    return http.post("/v1/chat/completions", json={"model": model, "messages": HELLO, **more})


def row_of(http: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    (row,) = http.get("/me/calls", params={"request_id": answer.headers["x-request-id"]}).json()["data"]
    return dict(row)


@pytest.mark.parametrize("model", ["alone", "translated"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [
    {"kind": "status", "status": 500}, {"kind": "status", "status": 502}, {"kind": "status", "status": 503},
    {"kind": "status", "status": 529}, {"kind": "reset"},
])  # fmt: skip
def test_a_single_failure_is_not_seen_by_the_caller(
    http: httpx.Client, providers: SimulatedProviders, fault: dict[str, Any], stream: bool, model: str
) -> None:
    providers.fail(**fault)
    answer = ask(http, model, stream=stream)
    assert answer.status_code == 200, answer.text
    assert "hello" in answer.text
    assert ("[DONE]" in answer.text) == stream
    assert len(providers.requests) == 2
    row = row_of(http, answer)
    assert (row["outcome"], row["status"], row["attempts"]) == ("ok", 200, 2)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "status"), [
    ({"kind": "status", "status": 500}, 502), ({"kind": "status", "status": 503}, 503), ({"kind": "reset"}, 502),
])  # fmt: skip
def test_a_failure_that_lasts_is_told_after_two_attempts(
    http: httpx.Client, providers: SimulatedProviders, fault: dict[str, Any], status: int, stream: bool
) -> None:
    providers.fail(**fault, times=0)
    answer = ask(http, stream=stream)
    assert answer.status_code == status
    assert len(providers.requests) == 2
    row = row_of(http, answer)
    assert (row["outcome"], row["status"], row["attempts"]) == ("failed", status, 2)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [
    {"kind": "malformed"}, {"kind": "html"}, {"kind": "redirect"}, {"kind": "hang"},
    {"kind": "status", "status": 400}, {"kind": "status", "status": 401}, {"kind": "status", "status": 404},
    {"kind": "status", "status": 408}, {"kind": "status", "status": 422}, {"kind": "status", "status": 429},
    {"kind": "status", "status": 504},
])  # fmt: skip
def test_what_may_have_been_charged_or_was_refused_is_not_asked_for_again(
    http: httpx.Client, providers: SimulatedProviders, fault: dict[str, Any], stream: bool
) -> None:
    providers.fail(**fault)
    answer = ask(http, stream=stream)
    assert answer.status_code >= 400
    assert len(providers.requests) == 1
    assert row_of(http, answer)["attempts"] == 1


@pytest.mark.parametrize(("fault", "stream"), [
    ({"kind": "cut"}, False), ({"kind": "huge"}, False),
    ({"kind": "cut", "frames": 0}, True), ({"kind": "cut", "frames": 1}, True), ({"kind": "cut", "frames": 3}, True),
    ({"kind": "error", "frames": 0}, True), ({"kind": "error", "frames": 3}, True),
])  # fmt: skip
def test_an_answer_that_broke_off_is_not_asked_for_again(
    http: httpx.Client, providers: SimulatedProviders, fault: dict[str, Any], stream: bool
) -> None:
    providers.fail(**fault)
    answer = ask(http, stream=stream)
    assert '"error"' in answer.text
    assert len(providers.requests) == 1
    row = row_of(http, answer)
    assert (row["outcome"], row["attempts"]) == ("failed", 1)


@pytest.mark.parametrize("headers", [{}, {"retry-after": "1"}])
@pytest.mark.parametrize(("path", "sent"), [
    ("/v1/files", {"files": {"file": ("a.txt", b"hello")}, "data": {"purpose": "user_data"}}),
    ("/v1/vector_stores", {"json": {"name": "books"}}),
    ("/v1/audio/transcriptions", {"files": {"file": ("a.wav", b"RIFF")}, "data": {"model": "ear"}}),
    ("/v1/responses", {"json": {"model": "alone", "input": "hello", "background": True}}),
    ("/acme/v1/chat/completions", {"json": {"model": "gpt-4o-mini", "messages": HELLO}}),
])  # fmt: skip
def test_what_must_not_be_done_twice_is_asked_for_once(
    http: httpx.Client, providers: SimulatedProviders, path: str, sent: dict[str, Any], headers: dict[str, str]
) -> None:
    providers.fail("status", status=503, headers=headers)
    answer = http.post(path, **sent)
    assert answer.status_code == 503, answer.text
    assert len(providers.requests) == 1


def test_what_is_only_looked_at_is_asked_for_again(http: httpx.Client, providers: SimulatedProviders) -> None:
    made = http.post("/v1/files", files={"file": ("a.txt", b"hello")}, data={"purpose": "user_data"})
    assert made.status_code == 200, made.text
    providers.clear()
    providers.fail("status", status=500)
    shown = http.get(f"/v1/files/{made.json()['id']}")
    assert (shown.status_code, shown.json()["filename"]) == (200, "a.txt")
    assert len(providers.requests) == 2
