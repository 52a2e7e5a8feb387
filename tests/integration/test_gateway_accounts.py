"""A line of rotated keys is one account of two workers: what it may, what it has spent, which calls it made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until
from workbench.wire.tags import write_tags

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
        # Each worker hears of the raise in its own time.
        wait_until(lambda: chat(gateway, line[-1]["key"]).status_code == 200, "the raise does not count", seconds=10)
        assert gateway.stop() == 0
    with running_gateway(tmp_path, config=config, environ=environ) as again:
        left = ask(again, "GET", "/me", line[-1]["key"]).json()["left"]
        assert left["usd_total"] < 0.4 - cost
        assert left["requests_per_day"] < 1000 - len(good)
        assert rotated(again, line[-1]["id"])["account"] == key["id"]


def test_a_notebooks_calls_and_what_was_said_in_them_are_its_owners(
    providers: SimulatedProviders, environ: dict[str, str], tmp_path: Path
) -> None:
    tags = {"x-workbench-tags": write_tags({"notebook": "Menü, 50% off.ipynb", "cell": "c1"})}
    with running_gateway(tmp_path, config=CONFIG.format(url=providers.url), environ=environ) as gateway:
        first, second = issued(gateway), issued(gateway)
        bobs, apps = issued(gateway, owner="bob"), issued(gateway, kind="production", use_case="menus")
        made = [chat(gateway, key["key"], headers=tags) for key in (first, second, bobs, apps)]
        ids = [answer.headers["x-request-id"] for answer in made]
        assert {answer.status_code for answer in made} == {200}

        def found(key: Any, **query: Any) -> list[str]:
            answer = ask(gateway, "GET", "/me/calls", key["key"], params=query)
            assert answer.status_code == 200, answer.text
            return [row["request_id"] for row in answer.json()["data"]]

        notebook = {"tags": tags["x-workbench-tags"].partition(",cell")[0]}
        assert found(second, **notebook) == [ids[1], ids[0]]
        assert found(second, tags=["notebook=Menü%2C 50% off.ipynb", "cell=c1"]) == [ids[1], ids[0]]
        assert found(second, tags="cell=c2") == []
        assert found(second) == [ids[1]]
        assert found(bobs, **notebook) == [ids[2]]
        assert found(apps, **notebook) == [ids[3]]
        page = ask(gateway, "GET", "/me/calls", first["key"], params={**notebook, "limit": 1}).json()
        assert [row["request_id"] for row in page["data"]] == [ids[1]]
        assert found(first, **notebook, cursor=page["next"]) == [ids[0]]
        assert ask(gateway, "GET", "/me/calls", first["key"], params={"tags": "no tag"}).status_code == 400

        body = ask(gateway, "GET", f"/me/calls/{ids[0]}/body", second["key"])
        assert body.status_code == 200, body.text
        assert body.json()["said"]["messages"] == CHAT["messages"]
        assert body.json()["said"]["text"] == made[0].json()["choices"][0]["message"]["content"]
        for request_id, key in ((ids[0], bobs), (ids[2], first), (ids[3], apps), (ids[3], first), ("req_x", first)):
            assert ask(gateway, "GET", f"/me/calls/{request_id}/body", key["key"]).status_code == 404


def test_what_is_not_kept_is_told_with_the_setting_that_keeps_it(
    providers: SimulatedProviders, environ: dict[str, str], tmp_path: Path
) -> None:
    config = CONFIG.format(url=providers.url) + '[audit.bodies]\nexploration = "none"\n'
    with running_gateway(tmp_path, config=config, environ=environ) as gateway:
        key = issued(gateway)["key"]
        request_id = chat(gateway, key).headers["x-request-id"]
        answer = ask(gateway, "GET", f"/me/calls/{request_id}/body", key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "body_not_kept")
    assert "[audit.bodies] exploration" in answer.json()["error"]["message"]
