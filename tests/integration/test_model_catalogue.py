"""The catalogue on the wire: what is told of each model, to whom, and how to choose by it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from workbench.client import Gateway
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until

CONFIG = """
[providers.sim]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "SIM_KEY" }}

[providers.gone]
kind = "openai_compatible"
base_url = "{url}/nowhere"
credential = {{ env = "SIM_KEY" }}

[providers.openai]
kind = "openai"
credential = {{ env = "SIM_KEY" }}

[[models]]
name = "chatty"
description = "Small talk and short answers"
reference = "https://example.com/chatty"
modalities = ["text", "image"]
context_tokens = 4000
max_output_tokens = 500
price = {{ input = 1.0, output = 2.0 }}
deployments = [{{ provider = "sim", model = "sim-chat", region = "eu", tokens_per_minute = 90000, concurrent = 9 }}]

[[models]]
name = "old"
deprecated_on = 2026-01-31
successor = "chatty"
price = {{ input = 0.1, output = 0.2 }}
deployments = [{{ provider = "sim", model = "sim-old" }}]

[[models]]
name = "broken"
deprecated_on = 2026-01-31
successor = "chatty"
price = {{ input = 0.1, output = 0.2 }}
deployments = [{{ provider = "gone", model = "broken" }}]

[[models]]
name = "gpt-4o-mini"
deployments = [{{ provider = "openai", model = "gpt-4o-mini" }}]

[[models]]
name = "vectors"
task = "embedding"
deployments = [{{ provider = "sim", model = "sim-vectors" }}]
"""
HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    home: Path = tmp_path_factory.mktemp("catalogue") / "home"
    environ = {"SIM_KEY": providers.credential}
    with running_gateway(home, config=CONFIG.format(url=providers.url), environ=environ) as running:
        yield running


@pytest.fixture(scope="module")
def http(gateway: RunningGateway) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {gateway.issue_key()}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=60) as client:
        yield client


def told(http: httpx.Client, model: str) -> dict[str, Any]:
    return dict(http.get(f"/v1/models/{model}").json()["catalogue"])


def test_the_configuration_stands_before_the_public_table(http: httpx.Client) -> None:
    chatty = told(http, "chatty")
    assert chatty["description"] == "Small talk and short answers"
    assert chatty["reference"] == "https://example.com/chatty"
    assert chatty["modalities"] == {"input": ["text", "image"], "output": ["text"]}
    assert (chatty["context_tokens"], chatty["max_output_tokens"]) == (4000, 500)
    assert chatty["regions"] == ["eu"]
    assert chatty["quota"] == {"tokens_per_minute": 90000, "concurrent": 9}
    known = told(http, "gpt-4o-mini")
    assert known["modalities"]["input"] == ["text", "image", "pdf"]
    assert "tools" in known["features"]
    assert known["context_tokens"] == 128000
    assert known["reference"].startswith("https://")
    assert known["quota"] == {"tokens_per_minute": None, "concurrent": None}


def test_the_latency_that_was_seen_is_told(gateway: RunningGateway) -> None:
    headers = {"authorization": f"Bearer {gateway.issue_key()}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=60) as http:
        assert http.post("/v1/chat/completions", json={"model": "chatty", "messages": HELLO}).status_code == 200
        asked = {"model": "chatty", "messages": HELLO, "stream": True}
        assert http.post("/v1/chat/completions", json=asked).status_code == 200
        wait_until(lambda: told(http, "chatty")["latency"] is not None, "no latency was told", seconds=60)
        seen = told(http, "chatty")["latency"]
        assert seen["calls"] >= 1
        assert 0 < seen["p50_ms"] <= seen["p95_ms"]
        assert told(http, "vectors")["latency"] is None


def test_a_key_sees_what_it_may_use_and_an_admin_all(gateway: RunningGateway) -> None:
    headers = {"authorization": f"Bearer {gateway.owner_token}"}
    wish = {"kind": "production", "owner": "ana", "scopes": {"models": ["chat*", "vectors"], "providers": ["sim"]}}
    key = httpx.post(f"{gateway.url}/admin/v1/keys", json=wish, headers=headers).json()["key"]
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key) as client:
        assert {model.id for model in client.models.list()} == {"chatty", "vectors"}
        assert client.models.retrieve("chatty").id == "chatty"
    everything = httpx.get(f"{gateway.url}/v1/models", headers=headers).json()["data"]
    assert {"old", "broken", "gpt-4o-mini"} <= {model["id"] for model in everything}


def test_a_model_past_its_day_answers_with_a_notice(http: httpx.Client) -> None:
    sentence = "Model 'old' is deprecated since 2026-01-31: use 'chatty'."
    answer = http.post("/v1/chat/completions", json={"model": "old", "messages": HELLO})
    assert (answer.status_code, answer.headers["x-workbench-notice"]) == (200, sentence)
    stream = http.post("/v1/chat/completions", json={"model": "old", "messages": HELLO, "stream": True})
    assert stream.headers["x-workbench-notice"] == sentence
    assert told(http, "old")["deprecated"] is True
    other = http.post("/v1/chat/completions", json={"model": "chatty", "messages": HELLO})
    assert "x-workbench-notice" not in other.headers


def test_an_error_of_a_model_past_its_day_names_its_successor(http: httpx.Client) -> None:
    answer = http.post("/v1/chat/completions", json={"model": "broken", "messages": HELLO})
    assert answer.status_code >= 400
    assert "use 'chatty'" in answer.json()["error"]["message"]


def test_a_notebook_filters_and_is_advised(gateway: RunningGateway) -> None:
    with Gateway(url=gateway.url, key=gateway.issue_key()) as gw:
        assert set(gw.models(task="embedding")["model"]) == {"vectors"}
        assert set(gw.models(modality="image", max_price=5.0)["model"]) == {"chatty", "gpt-4o-mini"}
        assert list(gw.models(search="small talk")["model"]) == ["chatty"]
        assert list(gw.models(region="mars")["model"]) == []
        advice = gw.recommend(task="chat", min_context=2000)
        assert {one.model for one in advice.models} == {"chatty", "gpt-4o-mini"}
        assert "successor is chatty" in advice.left_out["old"]


def recommend(gateway: RunningGateway, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workbench.cli", "models", "recommend", "--url", gateway.url, *arguments]
    environ = {"WORKBENCH_IDENTITY_TOKEN": gateway.owner_token, "WORKBENCH_HOME": str(gateway.home), "PATH": "/bin"}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_ranks_with_its_reasons(gateway: RunningGateway) -> None:
    asked = recommend(gateway, "--task", "chat", "--max-cost", "2000/M", "--json")
    assert asked.returncode == 0, asked.stderr
    advice = json.loads(asked.stdout)
    assert [one["model"] for one in advice["models"]] == ["gpt-4o-mini", "chatty"]
    shown = recommend(gateway, "--region", "eu")
    assert shown.stdout.startswith("1. chatty\n     a call of 1,000 tokens in and 300 out costs 0.0016 USD")
    none = recommend(gateway, "--max-cost", "0.0000001")
    assert none.returncode != 0
    assert "No model fits" in none.stderr
    wrong = recommend(gateway, "--max-cost", "cheap")
    assert wrong.returncode == 2
    assert "2000/M" in wrong.stderr
