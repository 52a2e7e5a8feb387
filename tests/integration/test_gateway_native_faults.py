"""Providers that fail, and callers that leave, on the native paths: the right status in time, and a row each."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until
from workbench.wire import event_stream

WORDS = "one two three four five six seven eight " * 10
CHAT: Any = {"messages": [{"role": "user", "content": WORDS}], "max_tokens": 500}
CONTENTS: Any = {"contents": [{"role": "user", "parts": [{"text": WORDS}]}]}
SAID: Any = {"messages": [{"role": "user", "content": [{"text": WORDS}]}]}
PLAIN = {
    "openai": ("/openai/v1/chat/completions", {**CHAT, "model": "gpt-4o-mini"}),
    "anthropic": ("/anthropic/v1/messages", {**CHAT, "model": "claude-sonnet-4-5"}),
    "gemini": ("/gemini/v1beta/models/gemini-2.5-flash:generateContent", CONTENTS),
    "bedrock": ("/bedrock/model/amazon.nova-lite-v1:0/converse", SAID),
}
STREAMED = {
    "openai": (PLAIN["openai"][0], {**PLAIN["openai"][1], "stream": True}),
    "anthropic": (PLAIN["anthropic"][0], {**PLAIN["anthropic"][1], "stream": True}),
    "gemini": ("/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", CONTENTS),
    "array": ("/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent", CONTENTS),
    "bedrock": ("/bedrock/model/amazon.nova-lite-v1:0/converse-stream", SAID),
}


@pytest.fixture(autouse=True)
def _clear(providers: SimulatedProviders) -> Iterator[None]:
    providers.clear()
    yield
    providers.clear()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, providers: SimulatedProviders) -> Iterator[RunningGateway]:
    bases = {"openai": f"{providers.url}/v1", "anthropic": providers.url, "gemini": providers.url}
    config = "[gateway]\ntimeouts = { connect = 1, first_token = 1, answer = 1, idle = 1, total = 20 }\n"
    config += "".join(
        f'[providers.{kind}]\nkind = "{kind}"\nbase_url = "{base}"\ncredential = {{ env = "SIM_KEY" }}\n'
        for kind, base in bases.items()
    )
    config += f'[providers.bedrock]\nkind = "bedrock"\nbase_url = "{providers.url}"\nregion = "eu-central-1"\n'
    config += 'credential = { env = "AWS_PAIR" }\n'
    environ = {"SIM_KEY": providers.credential, "AWS_PAIR": f"{providers.aws_key_id}:{providers.aws_secret}"}
    with running_gateway(tmp_path_factory.mktemp("faults"), config=config, environ=environ) as running:
        yield running


@pytest.fixture
def http(gateway: RunningGateway) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {gateway.issue_key()}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=20) as client:
        yield client


def last_row(http: httpx.Client) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def there() -> bool:
        found[:] = http.get("/me/calls").json()["data"]
        return bool(found)

    wait_until(there, "no row came")
    return found[0]


def is_error(protocol: str, content: bytes) -> bool:
    """Tell whether an SDK of the protocol raises for this body."""
    told = json.loads(content)
    if protocol == "bedrock":
        return "message" in told
    return "error" in told


@pytest.mark.parametrize("protocol", PLAIN)
@pytest.mark.parametrize(("kind", "status"), [("hang", 504), ("reset", 502), ("redirect", 502), ("html", 502)])
def test_a_fault_ends_in_the_right_status_within_its_time(
    http: httpx.Client, providers: SimulatedProviders, protocol: str, kind: str, status: int
) -> None:
    providers.fail(kind, times=0)
    path, body = PLAIN[protocol]
    answer = http.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert is_error(protocol, answer.content)
    row = last_row(http)
    assert (row["status"], row["outcome"], row["model"] is not None) == (status, "failed", True)


@pytest.mark.parametrize("protocol", PLAIN)
@pytest.mark.parametrize("kind", ["malformed", "cut", "huge"])
def test_an_answer_that_is_broken_is_told_as_such(
    http: httpx.Client, providers: SimulatedProviders, protocol: str, kind: str
) -> None:
    providers.fail(kind, times=0)
    path, body = PLAIN[protocol]
    answer = http.post(path, json=body)
    assert (answer.status_code, is_error(protocol, answer.content)) == (502, True)
    assert last_row(http)["outcome"] == "failed"


def error_at_the_end(protocol: str, content: bytes) -> bool:
    if protocol == "bedrock":
        return event_stream.read(list(event_stream.Splitter().feed(content))[-1].raw).failed
    if protocol == "array":
        return "error" in json.loads(content)[-1]
    return "error" in json.loads(content.rstrip().rpartition(b"data: ")[2])


@pytest.mark.parametrize("protocol", STREAMED)
@pytest.mark.parametrize("kind", ["cut", "stall", "error"])
def test_a_stream_that_fails_is_never_a_success(
    http: httpx.Client, providers: SimulatedProviders, protocol: str, kind: str
) -> None:
    providers.fail(kind, frames=4, times=0)
    path, body = STREAMED[protocol]
    answer = http.post(path, json=body)
    assert answer.status_code == 200
    assert error_at_the_end(protocol, answer.content)
    row = last_row(http)
    assert (row["outcome"], row["cost_source"]) == ("failed", "estimated")
    assert row["output_tokens"] > 0


@pytest.mark.parametrize("protocol", STREAMED)
def test_a_caller_who_leaves_has_the_provider_stopped(
    http: httpx.Client, providers: SimulatedProviders, protocol: str
) -> None:
    providers.fail("slow", seconds=0.05, times=0)
    path, body = STREAMED[protocol]
    with http.stream("POST", path, json=body) as answer:
        next(answer.iter_raw())
    providers.wait_until(lambda seen: seen[0].ended == "client_left")
    row = last_row(http)
    assert (row["outcome"], row["cost_source"]) == ("client_left", "estimated")


@pytest.mark.parametrize("protocol", STREAMED)
def test_a_revoked_key_has_its_stream_cut(
    gateway: RunningGateway, providers: SimulatedProviders, protocol: str
) -> None:
    desk = {"authorization": f"Bearer {gateway.owner_token}"}
    issued = httpx.post(f"{gateway.url}/admin/v1/keys", headers=desk, json={"kind": "exploration", "owner": "eva"})
    providers.fail("slow", seconds=0.05, times=0)
    path, body = STREAMED[protocol]
    got: list[bytes] = []
    begun = threading.Event()

    def ask() -> None:
        key = {"authorization": f"Bearer {issued.json()['key']}"}
        with httpx.stream("POST", f"{gateway.url}{path}", json=body, headers=key, timeout=20) as answer:
            for piece in answer.iter_raw():
                got.append(piece)
                begun.set()

    asking = threading.Thread(target=ask)
    asking.start()
    assert begun.wait(10)
    began = time.monotonic()
    httpx.delete(f"{gateway.url}/admin/v1/keys/{issued.json()['id']}", headers=desk).raise_for_status()
    asking.join(10)
    assert not asking.is_alive()
    assert time.monotonic() - began < 5
    assert error_at_the_end(protocol, b"".join(got))
    providers.wait_until(lambda seen: seen[0].ended == "client_left")


def test_a_429_of_the_provider_is_relayed_with_its_headers(http: httpx.Client, providers: SimulatedProviders) -> None:
    for path, body in PLAIN.values():
        providers.fail("status", status=429, headers={"retry-after": "7"})
        answer = http.post(path, json=body)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        assert last_row(http)["error_code"] == "refused_by_provider"
