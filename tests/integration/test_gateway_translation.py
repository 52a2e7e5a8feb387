"""litellm translates and does nothing else: no other host, no output, no `.env`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from workbench.testing.simulator import simulated_providers

CONFIG = """
[providers.claude]
kind = "anthropic"
base_url = "{url}"
credential = {{ env = "K" }}
"""

SCRIPT = """
import asyncio, json, os, sys
reached = set()
def hook(event, arguments):
    if event == "socket.connect":
        reached.add(str(arguments[1]))
    elif event == "socket.getaddrinfo":
        reached.add(str(arguments[:2]))
sys.addaudithook(hook)
from pathlib import Path
from workbench.gateway.providers.http import HttpClient
from workbench.gateway.providers.kinds import make_provider
from workbench.gateway.unified.operations import CHAT
from workbench.settings import parse_settings

async def main():
    settings = parse_settings(sys.argv[1], file=Path("workbench.toml"))
    client = HttpClient(settings.gateway.timeouts)
    await client.open()
    provider = make_provider("claude", settings.providers["claude"], settings=settings, client=client)
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
            [sys.executable, "-c", SCRIPT, CONFIG.format(url=providers.url)],
            env={**os.environ, "K": providers.credential}, cwd=tmp_path, capture_output=True, text=True, check=False,
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


def test_no_credential_but_the_configured_one_is_sent() -> None:
    environ = {**os.environ, "K": "configured", "ANTHROPIC_API_KEY": "of-the-environment",
               "ANTHROPIC_AUTH_TOKEN": "of-the-environment"}  # fmt: skip
    with simulated_providers() as providers:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, CONFIG.format(url=providers.url)], env=environ, check=False,
            capture_output=True, text=True,
        )  # fmt: skip
        (seen,) = providers.requests
    assert "ProviderCredential" in done.stderr, "the simulator takes another key"
    assert seen.headers["x-api-key"] == "configured"
    assert "authorization" not in seen.headers
    assert "of-the-environment" not in str(seen.headers)
