"""litellm translates and does nothing else: no other host, no output, no `.env`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.gateway.providers.http import HttpClient
from workbench.gateway.providers.litellm_provider import LitellmProvider
from workbench.gateway.unified.operation import CHAT
from workbench.settings.tables import Timeouts
from workbench.testing.simulator import simulated_providers

SCRIPT = """
import asyncio, json, os, sys
reached = set()
def hook(event, arguments):
    if event == "socket.connect":
        reached.add(str(arguments[1]))
    elif event == "socket.getaddrinfo":
        reached.add(str(arguments[:2]))
sys.addaudithook(hook)
from workbench.gateway.providers.http import HttpClient
from workbench.gateway.providers.litellm_provider import LitellmProvider
from workbench.gateway.unified.operation import CHAT
from workbench.settings.tables import Timeouts

async def main():
    client = HttpClient(Timeouts())
    await client.open()
    provider = LitellmProvider("claude", family="anthropic", client=client, base_url=sys.argv[1], secret=sys.argv[2],
                               timeouts=Timeouts())
    assert "litellm" not in sys.modules
    await provider.prepare()
    body = {"model": "x", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9,
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]}
    whole = await provider.answer(CHAT.parse(json.dumps(body).encode(), {}), "claude-sonnet-4-5")
    assert json.loads(whole.body)["object"] == "chat.completion"
    stream = await provider.stream(CHAT.parse(json.dumps({**body, "stream": True}).encode(), {}), "claude-unheard-of")
    while await stream.next():
        pass
    await stream.finish()
    await client.close()
    await asyncio.sleep(0)

asyncio.run(main())
print(json.dumps({"reached": sorted(reached), "env": "FROM_DOTENV" in os.environ}))
"""


def test_no_host_but_the_configured_one_is_reached_and_nothing_is_printed(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FROM_DOTENV=1\nANTHROPIC_API_KEY=from-dotenv\n")
    with simulated_providers() as providers:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, providers.url, providers.credential],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        port = providers.url.rsplit(":", 1)[1]
        seen = [request.path for request in providers.requests]
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["env"] is False
    assert told["reached"]
    assert all(port in place and "127.0.0.1" in place for place in told["reached"])
    assert seen == ["/v1/messages", "/v1/messages"]
    assert done.stderr == ""


@pytest.mark.parametrize("secret", [None, "", " ", "configured", "sk-ant-oat01-configured"])
def test_no_credential_but_the_configured_one_is_sent(monkeypatch: pytest.MonkeyPatch, secret: str | None) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "of-the-environment")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "of-the-environment")
    provider = LitellmProvider(
        "claude", family="anthropic", client=HttpClient(Timeouts()), base_url="http://127.0.0.1:9", secret=secret,
        timeouts=Timeouts(),
    )  # fmt: skip
    asyncio.run(provider.prepare())
    body = {"model": "x", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
    translated = provider._translate(CHAT.parse(json.dumps(body).encode(), {}), "claude-sonnet-4-5")
    sent = {name.lower(): value for name, value in translated.headers.items()}
    assert "of-the-environment" not in str(sent)
    credentials = [sent[name] for name in ("x-api-key", "authorization") if name in sent]
    assert [value.removeprefix("Bearer ") for value in credentials] == [secret] * bool(secret and secret.strip())
    assert not secret or not secret.strip() or secret not in repr(translated)
