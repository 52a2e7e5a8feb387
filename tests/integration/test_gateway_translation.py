"""litellm translates and does nothing else: no other host, no output, no `.env`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.testing.simulator import simulated_providers

CONFIG = """
[providers.p]
kind = "{kind}"
base_url = "{url}"
credential = {{ {credential} }}
"""
KINDS = {
    "anthropic": ('env = "K"', ["claude-sonnet-4-5", "claude-unheard-of"]),
    "gemini": ('env = "K"', ["gemini-2.5-flash", "gemini-unheard-of"]),
    "vertex": ('file = "account.json"', ["gemini-2.5-flash", "claude-sonnet-4-5"]),
    "bedrock": ('env = "AWS"', ["eu.amazon.nova-pro-v1:0", "unheard.of-v1:0"]),
    "litellm": ('env = "K"', ["deepseek/deepseek-chat", "together_ai/unheard-of"]),
}
MORE = {"vertex": 'project = "p"\nlocation = "eu"\n', "bedrock": 'region = "eu-central-1"\n'}

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
from workbench.errors import InvalidInput
from workbench.gateway.providers.http import HttpClient
from workbench.gateway.providers.kinds import make_provider
from workbench.gateway.unified.operations import CHAT
from workbench.settings import parse_settings

async def main():
    settings = parse_settings(sys.argv[1], file=Path("workbench.toml"))
    client = HttpClient(settings.gateway.timeouts)
    await client.open()
    provider = make_provider("p", settings.providers["p"], settings=settings, client=client)
    assert "litellm" not in sys.modules
    await provider.prepare()
    tools = {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]}
    schema = {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {
        "type": "object", "properties": {"a": {"type": "string"}}}}}}
    for model in sys.argv[2:]:
        for more in (tools, schema, {}):
            body = {"model": "x", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9, **more}
            try:
                whole = await provider.answer(CHAT.parse(json.dumps(body).encode(), {}), model)
            except InvalidInput:
                continue  # what a model that nobody knows can't be asked for
            assert json.loads(whole.body)["object"] == "chat.completion"
            stream = await provider.stream(CHAT.parse(json.dumps({**body, "stream": True}).encode(), {}), model)
            while await stream.next():
                pass
            await stream.finish()
    await client.close()
    await asyncio.sleep(0)

asyncio.run(main())
print(json.dumps({"reached": sorted(reached), "env": "FROM_DOTENV" in os.environ}))
"""


def run(folder: Path, kind: str, *, url: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Let a process of its own ask a provider of that kind."""
    credential, models = KINDS[kind]
    text = CONFIG.format(kind=kind, url=url, credential=credential) + MORE.get(kind, "")
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, text, *models],
        env={**os.environ, **environ}, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_no_host_but_the_configured_one_is_reached_and_nothing_is_printed(kind: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FROM_DOTENV=1\nANTHROPIC_API_KEY=from-dotenv\n")
    with simulated_providers() as providers:
        (tmp_path / "account.json").write_text(providers.service_account())
        environ = {"K": providers.credential, "AWS": f"{providers.aws_key_id}:{providers.aws_secret}"}
        done = run(tmp_path, kind, url=providers.url, environ=environ)
        port = providers.url.rsplit(":", 1)[1]
        seen = [request.path for request in providers.requests if request.provider != "tokens"]
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["env"] is False
    assert told["reached"]
    assert all(port in place and "127.0.0.1" in place for place in told["reached"])
    assert len(seen) >= 8
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("kind", "variable", "header"),
    [
        ("anthropic", "ANTHROPIC_API_KEY", "x-api-key"),
        ("anthropic", "ANTHROPIC_AUTH_TOKEN", "x-api-key"),
        ("gemini", "GEMINI_API_KEY", "x-goog-api-key"),
        ("litellm", "DEEPSEEK_API_KEY", "authorization"),
    ],
)
def test_no_credential_but_the_configured_one_is_sent(kind: str, variable: str, header: str, tmp_path: Path) -> None:
    with simulated_providers() as providers:
        environ = {"K": "configured", variable: "of-the-environment"}
        done = run(tmp_path, kind, url=providers.url, environ=environ)
        (seen,) = providers.requests
    assert "ProviderCredential" in done.stderr, "the simulator takes another key"
    assert seen.headers[header].removeprefix("Bearer ") == "configured"
    assert [name for name in ("x-api-key", "authorization", "x-goog-api-key") if name in seen.headers] == [header]
    assert "of-the-environment" not in str(seen)
