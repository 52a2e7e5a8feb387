"""The seam of redaction: a token that a provider answers reaches the caller as what it stands for, on both lanes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from workbench.gateway.app import create_app
from workbench.gateway.call import Call
from workbench.gateway.parts import Parts
from workbench.gateway.privacy.restore import Vault
from workbench.settings import load_settings
from workbench.testing.simulator import SimulatedProviders
from workbench.wire import event_stream, sse

TOKEN, NAME = "[PERSON 1]", "Ana Müller"  # the simulator streams a word at a time: the token comes in two pieces
ASKED = f"greet {TOKEN} now"
RIGHT = f"echo: greet {NAME} now"
MESSAGES: Any = [{"role": "user", "content": ASKED}]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def gateway(home: Path, url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway in this process, where something has been redacted from every question."""
    kinds = {"openai": f"{url}/v1", "anthropic": url, "gemini": url}
    text = "".join(
        f'[providers.{kind}]\nkind = "{kind}"\nbase_url = "{base}"\ncredential = {{ env = "SIM_KEY" }}\n'
        for kind, base in kinds.items()
    )
    text += f'[providers.bedrock]\nkind = "bedrock"\nbase_url = "{url}"\nregion = "eu-central-1"\n'
    text += 'credential = { env = "AWS_PAIR" }\n'
    text += '[[models]]\nname = "fast"\ndeployments = [{ provider = "openai", model = "gpt-4o-mini" }]\n'
    config = home / "workbench.toml"
    config.write_text(text, "utf-8")
    parts = Parts(load_settings(config, home=home))
    app = create_app(parts.settings, parts=parts)
    await parts.open()
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            owner = {"authorization": f"Bearer {(home / 'owner.token').read_text('utf-8').strip()}"}
            key = (await client.post("/keys/exploration", json={"note": "", "expires_in": 3600}, headers=owner)).json()
            client.headers["authorization"] = f"Bearer {key['key']}"
            yield client
    finally:
        await parts.close()


@pytest.mark.anyio
async def test_a_token_is_restored_in_five_protocols(
    tmp_path: Path, providers: SimulatedProviders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIM_KEY", providers.credential)
    monkeypatch.setenv("AWS_PAIR", f"{providers.aws_key_id}:{providers.aws_secret}")
    monkeypatch.setattr(Call, "redact", lambda call: setattr(call, "vault", Vault({TOKEN: NAME})))
    contents = {"contents": [{"role": "user", "parts": [{"text": ASKED}]}]}
    chat = {"model": "gpt-4o-mini", "messages": MESSAGES, "stream": True}
    async with gateway(tmp_path, providers.url) as http:
        for path, model in (("/openai/v1/chat/completions", "gpt-4o-mini"), ("/v1/chat/completions", "fast")):
            told = (await http.post(path, json={**chat, "model": model})).content
            chunks = [json.loads(event.data) for event in sse.Splitter().feed(told) if event.data != b"[DONE]"]
            assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks) == RIGHT
            plain = await http.post(path, json={"model": model, "messages": MESSAGES})
            assert plain.json()["choices"][0]["message"]["content"] == RIGHT

        asked = {"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": MESSAGES, "stream": True}
        told = (await http.post("/anthropic/v1/messages", json=asked)).content
        deltas = [json.loads(e.data) for e in sse.Splitter().feed(told) if e.name == "content_block_delta"]
        assert "".join(delta["delta"]["text"] for delta in deltas) == RIGHT

        verb = "/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent"
        told = (await http.post(f"{verb}?alt=sse", json=contents)).content
        assert said(json.loads(event.data) for event in sse.Splitter().feed(told)) == RIGHT
        assert said((await http.post(verb, json=contents)).json()) == RIGHT

        body = {"messages": [{"role": "user", "content": [{"text": ASKED}]}]}
        told = (await http.post("/bedrock/model/amazon.nova-lite-v1:0/converse-stream", json=body)).content
        found = [json.loads(e.data) for e in event_stream.Splitter().feed(told) if e.name == "contentBlockDelta"]
        assert "".join(delta["delta"]["text"] for delta in found) == RIGHT
    assert all(NAME not in str(seen.body) for seen in providers.requests)


def said(pieces: Any) -> str:
    return "".join(
        part.get("text", "") for piece in pieces for part in piece["candidates"][0]["content"].get("parts", [])
    )
