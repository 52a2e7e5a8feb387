"""The official SDKs against the simulator itself, which keeps it honest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from workbench.testing.simulator import SimulatedProviders, simulated_providers

HELLO: Any = [{"role": "user", "content": "hello there"}]


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatedProviders]:
    with simulated_providers() as providers:
        yield providers


@pytest.fixture
def providers(running: SimulatedProviders) -> SimulatedProviders:
    running.clear()
    return running


@pytest.fixture
def gpt(providers: SimulatedProviders) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{providers.url}/v1", api_key=providers.credential, max_retries=0)


@pytest.fixture
def claude(providers: SimulatedProviders) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=providers.url, api_key=providers.credential, max_retries=0)


def test_openai_is_answered_plain_and_streamed(gpt: openai.OpenAI) -> None:
    plain = gpt.chat.completions.create(model="m", messages=HELLO)
    assert plain.choices[0].message.content == "echo: hello there"
    stream = gpt.chat.completions.create(
        model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}, max_tokens=2
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "echo: hello"
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 2
    assert len(gpt.embeddings.create(model="e", input=["a", "b"]).data[1].embedding) == 8


def test_anthropic_is_answered_plain_and_streamed(claude: anthropic.Anthropic) -> None:
    plain = claude.messages.create(model="m", messages=HELLO, max_tokens=50)
    assert plain.content[0].type == "text"
    assert plain.content[0].text == "echo: hello there"
    with claude.messages.stream(model="m", messages=HELLO, max_tokens=50) as stream:
        assert stream.get_final_text() == "echo: hello there"
        assert stream.get_final_message().usage.output_tokens == 3


def test_a_wrong_credential_is_refused_by_both(providers: SimulatedProviders) -> None:
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{providers.url}/v1", api_key="wrong").chat.completions.create(
            model="m", messages=HELLO
        )
    with pytest.raises(anthropic.AuthenticationError):
        anthropic.Anthropic(base_url=providers.url, api_key="wrong").messages.create(
            model="m", messages=HELLO, max_tokens=5
        )


def test_a_fault_meets_as_many_requests_as_it_was_told(gpt: openai.OpenAI, providers: SimulatedProviders) -> None:
    providers.fail("status", status=500, times=2)
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            gpt.chat.completions.create(model="m", messages=HELLO)
    assert gpt.chat.completions.create(model="m", messages=HELLO).usage
    assert [seen.status for seen in providers.requests] == [500, 500, 200]


def test_a_reset_reaches_the_client_as_one(gpt: openai.OpenAI, providers: SimulatedProviders) -> None:
    providers.fail("reset")
    with pytest.raises(openai.APIConnectionError):
        gpt.chat.completions.create(model="m", messages=HELLO)
    assert providers.requests[0].ended == "broken"


def test_a_process_of_its_own_is_told_by_http(providers: SimulatedProviders) -> None:
    command = [sys.executable, "-m", "workbench.simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("workbench simulator ready at ").strip()
        with httpx.Client(base_url=url) as http:
            http.post("/simulator/faults", json={"kind": "status", "status": 418}).raise_for_status()
            headers = {"authorization": f"Bearer {providers.credential}"}
            assert (
                http.post("/v1/chat/completions", json={"model": "m", "messages": HELLO}, headers=headers).status_code
                == 418
            )
            assert [seen["status"] for seen in http.get("/simulator/requests").json()["data"]] == [418]
            assert http.post("/simulator/faults", json={"kind": "gremlin"}).status_code == 400
            http.delete("/simulator").raise_for_status()
            assert http.get("/simulator/requests").json()["data"] == []
        process.terminate()
