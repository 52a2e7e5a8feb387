"""A deployment that is short, on the wire: batch work waits, online calls go on, and everybody is told why."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until

CONFIG = """
[fairness]
longest_queue = 1

[providers.sim]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "SIM_KEY" }}

[[models]]
name = "few"
deployments = [{{ provider = "sim", model = "few", concurrent = 2 }}]

[[models]]
name = "backed"
fallbacks = ["plain"]
deployments = [{{ provider = "sim", model = "backed", concurrent = 1 }}]

[[models]]
name = "plain"
deployments = [{{ provider = "sim", model = "plain" }}]
"""
BATCH = {"x-workbench-priority": "batch"}
HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    home: Path = tmp_path_factory.mktemp("fair") / "home"
    environ = {"SIM_KEY": providers.credential}
    with running_gateway(home, config=CONFIG.format(url=providers.url), environ=environ) as running:
        yield running


@pytest.fixture
def key(gateway: RunningGateway, providers: SimulatedProviders) -> str:
    """The key of an application; its first call tells the gateway that there is online work."""
    providers.clear()
    owner = {"authorization": f"Bearer {gateway.owner_token}"}
    wish = {"kind": "production", "owner": "ana", "use_case": "shop"}
    issued = httpx.post(f"{gateway.url}/admin/v1/keys", json=wish, headers=owner).json()["key"]
    assert ask(gateway, issued, "few").status_code == 200
    providers.clear()
    return str(issued)


def ask(gateway: RunningGateway, key: str, model: str, **headers: str) -> httpx.Response:
    told = {"authorization": f"Bearer {key}", **headers}
    body = {"model": model, "messages": HELLO}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=told, timeout=60)


@contextmanager
def asking(gateway: RunningGateway, key: str, model: str) -> Iterator[None]:
    """Send batch work whose client leaves at the end of the block."""
    place = urlsplit(gateway.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json", **BATCH}
    connection.request("POST", "/v1/chat/completions", json.dumps({"model": model, "messages": HELLO}), headers)
    try:
        yield
    finally:
        connection.close()


@contextmanager
def occupied(gateway: RunningGateway, providers: SimulatedProviders, key: str, model: str) -> Iterator[None]:
    """Let one call of batch work hang at a model for as long as the block runs."""
    providers.fail("hang", model=model)
    with asking(gateway, key, model):
        providers.wait_until(lambda seen: len(seen) == 1)
        yield


def waiting(gateway: RunningGateway, model: str) -> int:
    headers = {"authorization": f"Bearer {gateway.owner_token}"}
    told = httpx.get(f"{gateway.url}/admin/v1/health", headers=headers, timeout=30).json()["data"]
    return int(next(one["waiting"] for one in told if one["model"] == model))


def wait_for(gateway: RunningGateway, model: str, count: int) -> None:
    wait_until(lambda: waiting(gateway, model) == count, f"never {count} waited for {model}", seconds=30)


def row(gateway: RunningGateway, request_id: str) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {gateway.owner_token}"}
    query = {"request_id": request_id}
    return dict(httpx.get(f"{gateway.url}/admin/v1/calls", params=query, headers=headers).json()["data"][0])


def test_an_online_call_goes_past_batch_work_that_waits(
    gateway: RunningGateway, providers: SimulatedProviders, key: str
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with occupied(gateway, providers, key, "few"):
            late = pool.submit(ask, gateway, key, "few", **BATCH)
            wait_for(gateway, "few", 1)
            online = ask(gateway, key, "few")
            assert online.status_code == 200
            assert "x-workbench-queue-ms" not in online.headers
            assert not late.done()
        answer = late.result(timeout=60)
    assert answer.status_code == 200
    queued = int(answer.headers["x-workbench-queue-ms"])
    assert queued > 0
    told = row(gateway, answer.headers["x-request-id"])
    assert told["priority"] == "batch"
    assert told["latency_ms"] >= queued
    assert told["overhead_ms"] <= told["latency_ms"] - queued
    assert row(gateway, online.headers["x-request-id"])["priority"] is None


def test_a_full_queue_refuses_at_once_and_says_that_it_was_the_queue(
    gateway: RunningGateway, providers: SimulatedProviders, key: str
) -> None:
    with occupied(gateway, providers, key, "few"), asking(gateway, key, "few"):
        wait_for(gateway, "few", 1)
        client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)
        with client, pytest.raises(openai.RateLimitError) as told:
            client.chat.completions.create(model="few", messages=HELLO, extra_headers=BATCH)
    assert told.value.code == "queue_full"
    assert "queue" in told.value.message
    assert int(told.value.response.headers["retry-after"]) >= 1
    refused = row(gateway, told.value.response.headers["x-request-id"])
    assert (refused["outcome"], refused["status"], refused["attempts"]) == ("refused", 429, 0)


def test_a_client_that_leaves_leaves_the_queue(
    gateway: RunningGateway, providers: SimulatedProviders, key: str
) -> None:
    with occupied(gateway, providers, key, "few"):
        with asking(gateway, key, "few"):
            wait_for(gateway, "few", 1)
        wait_for(gateway, "few", 0)
        assert len(providers.requests) == 1


def test_a_fallback_answers_what_a_full_queue_turns_away(
    gateway: RunningGateway, providers: SimulatedProviders, key: str
) -> None:
    with occupied(gateway, providers, key, "backed"), asking(gateway, key, "backed"):
        wait_for(gateway, "backed", 1)
        answer = ask(gateway, key, "backed", **BATCH)
        assert (answer.status_code, answer.headers["x-workbench-model"]) == (200, "plain")


def test_a_priority_can_only_be_lowered(gateway: RunningGateway, key: str) -> None:
    answer = ask(gateway, key, "plain", **{"x-workbench-priority": "urgent"})
    assert answer.status_code == 400
    assert "batch" in answer.json()["error"]["message"]
    assert ask(gateway, key, "plain", **{"x-workbench-priority": "online"}).status_code == 200
