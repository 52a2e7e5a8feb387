"""What the gateway says of streams is true, on every operation that streams: ends, failures, time-outs, who left."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until

LONG = "word " * 30


def configuration(url: str) -> str:
    return f"""
[gateway]
timeouts = {{ connect = 2, first_token = 4, answer = 4, idle = 2, total = 30 }}
[providers.acme]
kind = "openai"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[[models]]
name = "alone"
deployments = [{{ provider = "acme", model = "gpt-4o-mini" }}]
price = {{ input = 1, output = 1 }}
[[models]]
name = "two"
deployments = [{{ provider = "acme", model = "gpt-4o" }}, {{ provider = "acme", model = "gpt-4.1" }}]
[[models]]
name = "painter"
task = "image"
deployments = [{{ provider = "acme", model = "gpt-image-1" }}]
[[models]]
name = "voice"
task = "speech"
deployments = [{{ provider = "acme", model = "tts-1" }}]
[[models]]
name = "ear"
task = "transcription"
deployments = [{{ provider = "acme", model = "gpt-4o-transcribe" }}]
"""


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("gateway")
    with running_gateway(
        home, config=configuration(providers.url), environ={"ACME_KEY": providers.credential}
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_left_over(providers: SimulatedProviders) -> None:
    providers.clear()


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.issue_key()


@pytest.fixture
def http(gateway: RunningGateway, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {key}"}, timeout=30) as made:
        yield made


def newest(http: httpx.Client) -> dict[str, Any]:
    return dict(http.get("/me/calls", params={"limit": 1}).json()["data"][0])


STREAMS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "alone", "messages": [{"role": "user", "content": LONG}], "stream": True},
    "/v1/completions": {"model": "alone", "prompt": LONG, "stream": True},
    "/v1/responses": {"model": "alone", "input": LONG, "stream": True},
    "/v1/images/generations": {
        "model": "painter", "prompt": "a square", "size": "1024x1024", "stream": True, "partial_images": 3,
    },
    "/v1/audio/speech": {"model": "voice", "input": LONG, "voice": "alloy", "stream_format": "sse"},
}  # fmt: skip
"""A streamed request on each path that takes JSON."""
LAST = {"/v1/chat/completions": b"[DONE]", "/v1/completions": b"[DONE]", "/v1/responses": b"response.completed",
        "/v1/images/generations": b"image_generation.completed", "/v1/audio/speech": b"speech.audio.done"}  # fmt: skip


@pytest.mark.parametrize("path", STREAMS)
def test_a_stream_that_ends_without_its_last_event_is_an_error(
    http: httpx.Client, providers: SimulatedProviders, path: str
) -> None:
    providers.fail("cut", frames=3)
    body = http.post(path, json=STREAMS[path]).content
    told = json.loads(body.strip().rpartition(b"\n")[2].removeprefix(b"data: "))
    assert (told["error"]["code"], told["error"]["actor"]) == ("stream_cut", "provider")
    assert LAST[path] not in body
    row = newest(http)
    assert (row["outcome"], row["error_code"], row["status"]) == ("failed", "stream_cut", 200)


@pytest.mark.parametrize("path", STREAMS)
def test_a_stream_that_falls_silent_ends_by_its_time_out(
    http: httpx.Client, providers: SimulatedProviders, path: str
) -> None:
    providers.fail("stall", frames=3)
    body = http.post(path, json=STREAMS[path]).content
    assert b'"provider_timeout"' in body
    assert b"in the middle of its stream" in body
    assert newest(http)["error_code"] == "provider_timeout"


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/images/generations"])
def test_a_stream_without_a_first_token_is_a_504(http: httpx.Client, providers: SimulatedProviders, path: str) -> None:
    providers.fail("hang")
    answer = http.post(path, json=STREAMS[path])
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "provider_timeout")


@pytest.mark.parametrize("path", STREAMS)
def test_a_client_that_leaves_a_stream_stops_the_provider(
    gateway: RunningGateway, key: str, http: httpx.Client, providers: SimulatedProviders, path: str
) -> None:
    providers.fail("slow", seconds=0.2)
    address, body = urlsplit(gateway.url), json.dumps(STREAMS[path]).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}"
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        assert connection.recv(10)
    providers.wait_until(lambda seen: bool(seen) and seen[0].ended == "client_left")
    wait_until(lambda: newest(http)["path"] == path, "no row of the call that was left")
    row = newest(http)
    assert row["outcome"] == "client_left"
    known = "price_book" if path == "/v1/audio/speech" else "estimated"  # what was to be spoken is known to the letter
    assert (row["path"], row["status"], row["cost_source"]) == (path, 200, known)


def test_the_tail_of_a_transcript_that_is_cut_is_an_error(http: httpx.Client, providers: SimulatedProviders) -> None:
    providers.fail("cut", frames=1)
    body = http.post(
        "/v1/audio/transcriptions", data={"model": "ear", "stream": "true"}, files={"file": ("a.wav", b"sound")}
    ).content
    assert b'"stream_cut"' in body


def test_bytes_that_break_off_are_no_whole_answer(http: httpx.Client, providers: SimulatedProviders) -> None:
    providers.fail("cut", frames=3)
    body = {"model": "voice", "input": LONG, "voice": "alloy"}
    with pytest.raises(httpx.RemoteProtocolError):
        http.post("/v1/audio/speech", json=body)
    row = newest(http)
    assert (row["outcome"], row["error_code"]) == ("failed", "stream_cut")


def test_a_response_changes_deployment_before_its_first_token(
    http: httpx.Client, providers: SimulatedProviders
) -> None:
    providers.fail("cut", frames=2)  # created and in_progress were there: no token yet
    answer = http.post("/v1/responses", json={**STREAMS["/v1/responses"], "model": "two"})
    assert b"response.completed" in answer.content
    assert answer.content.count(b"event: response.created") == 1
    assert newest(http)["attempts"] == 2


def test_usage_comes_to_those_who_ask_and_is_always_known(http: httpx.Client, providers: SimulatedProviders) -> None:
    for path in ("/v1/chat/completions", "/v1/completions"):
        plain = http.post(path, json=STREAMS[path]).content
        assert b'"prompt_tokens"' not in plain
        assert newest(http)["cost_source"] == "settings"
        asked = http.post(path, json={**STREAMS[path], "stream_options": {"include_usage": True}}).content
        assert asked.count(b'"prompt_tokens":') == 1
        assert all(seen.body["stream_options"] == {"include_usage": True} for seen in providers.requests)
        providers.clear()


async def test_50_streams_at_once_never_mix(gateway: RunningGateway, key: str, providers: SimulatedProviders) -> None:
    providers.fail("slow", seconds=0.01, times=0)
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0) as client:

        async def chat(number: int) -> str:
            text = ""
            messages: Any = [{"role": "user", "content": f"{number} " * 20}]
            async for chunk in await client.chat.completions.create(model="alone", messages=messages, stream=True):
                text += chunk.choices[0].delta.content or ""
            return text

        async def respond(number: int) -> str:
            text = ""
            async for event in await client.responses.create(model="alone", input=f"{number} " * 20, stream=True):
                text += event.delta if event.type == "response.output_text.delta" else ""
            return text

        asked = [(chat if number % 2 else respond)(number) for number in range(50)]
        answers = await asyncio.gather(*asked)
    for number, answer in enumerate(answers):
        assert set(answer.split()) == {"echo:", str(number)}
        assert answer.split().count(str(number)) == 20
