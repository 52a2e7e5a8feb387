"""Batches and jobs of keys with a budget are refused: what they cost is known when they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, simulated_providers

CAP = 0.002


def configuration(url: str) -> str:
    return f"""
[providers.acme]
kind = "openai"
base_url = "{url}/v1"
credential = {{ env = "SIM_KEY" }}
[[models]]
name = "fast"
price = {{ input = 1.0, output = 2.0 }}
deployments = [{{ provider = "acme", model = "our-model" }}]
[[models]]
name = "unpriced"
deployments = [{{ provider = "acme", model = "nobody-knows" }}]
[[prices]]
model = "*"
from = 2026-01-01
input = 1.0
output = 2.0
[[admission.limits]]
subject = "user"
match = "rich"
usd_total = {CAP}
"""


@pytest.fixture(scope="module")
def providers() -> Iterator[SimulatedProviders]:
    with simulated_providers() as running:
        yield running


def serving(home: Path, providers: SimulatedProviders, *arguments: str) -> Any:
    config, environ = configuration(providers.url), {"SIM_KEY": providers.credential}
    return running_gateway(home, config=config, arguments=arguments, environ=environ)


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with serving(tmp_path_factory.mktemp("gateway"), providers) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_left_over(providers: SimulatedProviders) -> None:
    providers.clear()


class Person:
    """Somebody with a key."""

    def __init__(self, gateway: RunningGateway, **wish: Any) -> None:
        wish = {"kind": "exploration", "owner": "ana", **wish}
        headers = {"authorization": f"Bearer {gateway.owner_token}"}
        told = httpx.post(f"{gateway.url}/admin/v1/keys", json=wish, headers=headers, timeout=30).json()
        self.id, self.key = told["id"], told["key"]
        self.client = self.at(gateway)

    def at(self, gateway: RunningGateway) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.key}"}
        self.client = httpx.Client(base_url=gateway.url, headers=headers, timeout=30)
        return self.client

    def file(self, *models: str, most: object = 100) -> str:
        limit = {} if most is None else {"max_tokens": most}
        lines = [
            {"custom_id": f"c{n}", "method": "POST", "url": "/v1/chat/completions",
             "body": {"model": model, "messages": [{"role": "user", "content": "two words"}], **limit}}
            for n, model in enumerate(models)
        ]  # fmt: skip
        content = "\n".join(json.dumps(line) for line in lines).encode()
        answer = self.client.post("/v1/files", files={"file": ("b.jsonl", content)}, data={"purpose": "batch"})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def begin(self, file: str, **more: Any) -> httpx.Response:
        body = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h", **more}
        return self.client.post("/v1/batches", json=body)


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


def test_work_that_is_billed_later_is_refused_to_a_key_with_a_budget(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    """A pattern of prices that also fits the place of batches lets none pass."""
    ana, rich = Person(gateway, budget={"usd_total": 5}), Person(gateway, owner="rich")
    for who in (ana, rich):
        file = who.file("fast")
        providers.clear()
        refused = who.begin(file)
        assert (refused.status_code, code(refused)) == (403, "billed_later")
        job = {"model": "fast", "training_file": file}
        assert code(who.client.post("/v1/fine_tuning/jobs", json=job)) == "billed_later"
        assert providers.requests == []
    free = Person(gateway)
    assert free.begin(free.file("fast")).status_code == 200, "no budget binds that key"
