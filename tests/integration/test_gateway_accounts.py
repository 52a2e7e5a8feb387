"""A line of rotated keys is one account of two workers: what it may, what it has spent, which calls it made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, simulated_providers

CONFIG = """
[providers.acme]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[[models]]
name = "fast"
deployments = [{{ provider = "acme", model = "m" }}]
price = {{ input = 2500, output = 2500 }}
"""
CHAT: Any = {"model": "fast", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}


@pytest.fixture(scope="module")
def providers() -> Iterator[SimulatedProviders]:
    with simulated_providers() as running:
        yield running


@pytest.fixture
def environ(providers: SimulatedProviders) -> dict[str, str]:
    return {"ACME_KEY": providers.credential}


def ask(gateway: RunningGateway, method: str, path: str, token: str = "", **more: Any) -> httpx.Response:
    """Ask on a connection of its own: the kernel chooses a worker."""
    headers = {"authorization": f"Bearer {token or gateway.owner_token}", **more.pop("headers", {})}
    return httpx.request(method, gateway.url + path, headers=headers, timeout=30, **more)


def chat(gateway: RunningGateway, key: str, **more: Any) -> httpx.Response:
    return ask(gateway, "POST", "/v1/chat/completions", key, json=CHAT, **more)


def issued(gateway: RunningGateway, **wish: Any) -> Any:
    answer = ask(gateway, "POST", "/admin/v1/keys", json={"kind": "exploration", "expires_in": 3600, **wish})
    assert answer.status_code == 201, answer.text
    return answer.json()


def rotated(gateway: RunningGateway, key_id: str, overlap: int = 600) -> Any:
    answer = ask(gateway, "POST", f"/keys/{key_id}/rotate", json={"overlap_seconds": overlap})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_rotated_keys_draw_on_one_gauge_of_all_workers_and_after_a_restart(
    providers: SimulatedProviders, environ: dict[str, str], tmp_path: Path
) -> None:
    config = CONFIG.format(url=providers.url)
    with running_gateway(tmp_path, config=config, environ=environ, arguments=("--workers", "2")) as gateway:
        key = issued(gateway, budget={"usd_total": 0.2}, limits={"requests_per_day": 1000})
        line = [key]
        answers: list[httpx.Response] = []
        while not any(answer.status_code != 200 for answer in answers):
            assert len(answers) < 40, "the budget of the line is not held"
            answers += [chat(gateway, one["key"]) for one in line[-2:]]
            if len(line) < 6:
                line.append(rotated(gateway, line[-1]["id"]))
        refused = [answer.json()["error"]["code"] for answer in answers if answer.status_code != 200]
        assert set(refused) == {"budget_exhausted"}
        good = [answer for answer in answers if answer.status_code == 200]
        cost = sum(float(answer.headers["x-workbench-cost-usd"]) for answer in good)
        assert 0.08 < cost <= 0.2
        told = ask(gateway, "GET", "/me", line[-1]["key"]).json()
        assert (told["account"], told["id"]) == (key["id"], line[-1]["id"])
        assert told["left"]["requests_per_day"] == 1000 - len(answers)
        assert told["left"]["usd_total"] == pytest.approx(0.2 - cost, abs=1e-9)
        assert ask(gateway, "GET", "/me/usage", line[-1]["key"]).json()["cost_usd"] == pytest.approx(cost)
        rows = ask(gateway, "GET", "/me/calls", line[-1]["key"]).json()["data"]
        assert {row["key_id"] for row in rows} == {one["id"] for one in line}
        assert {row["account"] for row in rows} == {key["id"]}
        until = datetime.now(UTC) + timedelta(hours=1)
        more = {"subject": "key", "name": line[-1]["id"], "usd_total": 0.2, "until": until.isoformat(), "reason": "x"}
        raised = ask(gateway, "POST", "/admin/v1/budgets/raises", json=more)
        assert (raised.status_code, raised.json()["name"]) == (201, key["id"]), raised.text
        assert chat(gateway, line[-1]["key"]).status_code == 200
        assert gateway.stop() == 0
    with running_gateway(tmp_path, config=config, environ=environ) as again:
        left = ask(again, "GET", "/me", line[-1]["key"]).json()["left"]
        assert left["usd_total"] < 0.4 - cost
        assert left["requests_per_day"] < 1000 - len(good)
        assert rotated(again, line[-1]["id"])["account"] == key["id"]
