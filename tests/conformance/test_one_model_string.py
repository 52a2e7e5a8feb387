"""Switching provider is changing the `model` string: one script, five providers and more, through the unified API."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from bench import MODELS, Bench
from driver import HELLO, PNG, PNG_BASE64, TOOL_NAMES, TOOL_SCHEMA
from expected import ECHO

from workbench.simulator.answer import note_of

pytestmark = pytest.mark.usefixtures("one_certificate")

PROVIDERS = ("openai", "anthropic", "gemini", "vertex", "bedrock")
TOOLS: Any = [{"type": "function", "function": {"name": TOOL_NAMES[0], "parameters": TOOL_SCHEMA}}]


@pytest.fixture
def client(bench: Bench) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{bench.gateway.url}/v1", api_key=bench.key, max_retries=0)


def answered_by(raw: Any) -> str:
    return str(raw.headers["x-workbench-deployment"]).partition("/")[0]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_plain_answer_comes_from_each_provider(client: openai.OpenAI, bench: Bench, provider: str) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=MODELS[provider]["chat"], messages=[{"role": "user", "content": HELLO}]
    )
    answer = raw.parse()
    assert answer.choices[0].message.content == ECHO
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 5)
    assert answered_by(raw) == provider
    assert [seen.provider for seen in bench.simulator.requests if seen.provider != "tokens"] == [provider]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_comes_from_each_provider(client: openai.OpenAI, provider: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model=MODELS[provider]["chat"],
            messages=[{"role": "user", "content": HELLO}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == ECHO
    assert sum(bool(piece) for piece in pieces) > 1
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == [9]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_tool_is_called_by_each_provider(client: openai.OpenAI, provider: str) -> None:
    answer = client.chat.completions.create(
        model=MODELS[provider]["chat"], messages=[{"role": "user", "content": HELLO}], tools=TOOLS
    )
    calls: Any = answer.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["find_dish"]
    assert answer.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_picture_reaches_each_provider(client: openai.OpenAI, provider: str) -> None:
    parts: Any = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG_BASE64}"}},
    ]
    answer = client.chat.completions.create(
        model=MODELS[provider]["chat"], messages=[{"role": "user", "content": parts}]
    )
    assert answer.choices[0].message.content == f"echo: look {note_of('image/png', PNG)}"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_outage_of_each_provider_is_named(client: openai.OpenAI, bench: Bench, provider: str) -> None:
    bench.simulator.fail("status", status=503, times=0, provider=provider)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=MODELS[provider]["chat"], messages=[{"role": "user", "content": HELLO}])
    assert repr(provider) in caught.value.message
