"""Limits and budgets by use case, user, model and provider, over HTTP, by two workers, and over a restart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from workbench.simulator.state import CREDENTIAL
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until

CONFIG = """
[providers.acme]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[providers.vault]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[[models]]
name = "fast"
deployments = [{{ provider = "acme", model = "m" }}]
price = {{ input = 0.0, output = 1000.0 }}
[[models]]
name = "free"
deployments = [{{ provider = "vault", model = "gratis" }}]
price = {{ input = 0.0, output = 0.0 }}
[[models]]
name = "both"
deployments = [{{ provider = "narrow", model = "b" }}, {{ provider = "vault", model = "b", weight = 0 }}]
price = {{ input = 0.0, output = 0.0 }}
[[models]]
name = "rare"
deployments = [{{ provider = "vault", model = "r" }}]
price = {{ input = 0.0, output = 0.0 }}
[providers.narrow]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[[admission.limits]]
subject = "user"
match = "team-*"
requests_per_minute = 5
[[admission.limits]]
subject = "user"
match = "thrifty"
usd_per_day = 0.02
when_exhausted = "free"
[[admission.limits]]
subject = "user"
match = "counted"
requests_per_day = 4
usd_total = 1.0
[[admission.limits]]
subject = "use_case"
match = "menus"
usd_per_day = 0.02
[[admission.limits]]
subject = "model"
match = "rare"
requests_per_minute = 3
[[admission.limits]]
subject = "provider"
match = "narrow"
requests_per_minute = 2
[[admission.limits]]
subject = "user"
match = "watched"
requests_per_minute = 2
shadow = true
"""
HELLO: Any = [{"role": "user", "content": "hello there"}]
CLIENT = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), timeout=30)
"""Each request goes on a connection of its own: the kernel chooses a worker."""


def serving(home: Path, url: str, *arguments: str, config: str = CONFIG) -> Any:
    return running_gateway(home, config=config.format(url=url), environ={"ACME_KEY": CREDENTIAL}, arguments=arguments)


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with serving(tmp_path_factory.mktemp("subjects"), providers.url, "--workers", "2") as running:
        yield running
        running.stop()


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def admin(gateway: RunningGateway, method: str, path: str, **more: Any) -> Any:
    answer = CLIENT.request(method, f"{gateway.url}{path}", headers=bearer(gateway.owner_token), **more)
    assert answer.is_success, answer.text
    return answer.json()


def key_of(gateway: RunningGateway, owner: str, **wish: Any) -> dict[str, Any]:
    """Return a new key, once both workers have answered it."""
    key = dict(admin(gateway, "POST", "/admin/v1/keys", json={"kind": "production", "owner": owner, **wish}))
    wait_until(lambda: all(me(gateway, key) for _ in range(8)), "not all workers know the key", seconds=30)
    return key


def me(gateway: RunningGateway, key: dict[str, Any]) -> Any:
    answer = CLIENT.get(f"{gateway.url}/me", headers=bearer(key["key"]))
    return answer.json() if answer.is_success else None


def call(gateway: RunningGateway, key: dict[str, Any], model: str = "free", **fields: Any) -> httpx.Response:
    """Make a call."""
    body = {"model": model, "messages": HELLO, "max_tokens": 4, **fields}
    return CLIENT.post(f"{gateway.url}/v1/chat/completions", json=body, headers=bearer(key["key"]))


def standing(gateway: RunningGateway, subject: str, name: str, *, shadow: bool = False) -> dict[str, Any]:
    listed = admin(gateway, "GET", "/admin/v1/limits", params={"subject": subject, "name": name})["data"]
    (one,) = [one for one in listed if one["shadow"] is shadow]
    return dict(one)


def test_keys_of_one_user_share_the_users_limit_over_workers(gateway: RunningGateway) -> None:
    keys = [key_of(gateway, "team-a") for _ in range(2)]
    other = key_of(gateway, "team-b")
    answers = [call(gateway, key) for key in keys for _ in range(6)]
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 7
    refused = answers[-1]
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert "User 'team-a' is held to 5 calls a minute." in refused.json()["error"]["message"]
    assert "[[admission.limits]]" in refused.json()["error"]["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    passed = call(gateway, other)
    assert passed.headers["x-ratelimit-limit-requests"] == "5"
    assert passed.headers["x-ratelimit-remaining-requests"] == "4"
    (user,) = [one for one in me(gateway, other)["held_to"] if one["subject"] == "user"]
    assert user == {
        "subject": "user", "name": "team-b", "limits": {"requests_per_minute": 5}, "budget": None,
        "left": {"requests_per_minute": 4}, "when_exhausted": None,
    }  # fmt: skip


def test_a_model_has_its_limit_whoever_asks(gateway: RunningGateway) -> None:
    keys = [key_of(gateway, owner) for owner in ("eve", "tom")]
    answers = [call(gateway, key, "rare") for _ in range(3) for key in keys]
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 3
    assert "Model 'rare'" in answers[-1].json()["error"]["message"]


def test_a_provider_that_is_full_leaves_calls_to_another(gateway: RunningGateway) -> None:
    key = key_of(gateway, "eve")
    answers = [call(gateway, key, "both") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    where = [answer.headers["x-workbench-deployment"] for answer in answers]
    assert where.count("narrow/b") == 2
    assert where.count("vault/b") == 3


def test_a_use_cases_budget_is_one_for_all_its_keys(gateway: RunningGateway) -> None:
    keys = [key_of(gateway, owner, use_case="menus") for owner in ("eve", "tom")]
    answers: list[httpx.Response] = []
    for _ in range(20):
        answers += [call(gateway, key, "fast") for key in keys]
        if {answer.status_code for answer in answers[-2:]} == {429}:
            break
    assert "use case 'menus'" in answers[-1].json()["error"]["message"]
    assert answers[-1].json()["error"]["code"] == "budget_exhausted"
    rows = admin(gateway, "GET", "/admin/v1/calls", params={"use_case": "menus", "limit": 1000})["data"]
    spent = sum(row["cost_usd"] or 0.0 for row in rows)
    assert 0.01 < spent <= 0.02
    stands = standing(gateway, "use_case", "menus")
    assert stands["used"]["usd_total"] == pytest.approx(spent, abs=1e-9)
    assert stands["used"]["usd_held"] == 0.0


def test_a_raise_with_an_end_holds_for_all_workers_and_is_kept(gateway: RunningGateway) -> None:
    key = key_of(gateway, "ana", budget={"usd_total": 0.0})
    assert call(gateway, key, "fast").status_code == 429
    wish = [
        "key",
        key["id"],
        "--usd-total",
        "5",
        "--until",
        time.strftime("%Y-%m-%d", time.gmtime()),
        "--reason",
        "x y",
    ]
    environ = {**os.environ, "WORKBENCH_HOME": str(gateway.home)}
    command = [sys.executable, "-m", "workbench.cli", "budget"]
    end = ["--url", gateway.url, "--json"]
    made = json.loads(
        subprocess.run([*command, "raise", *wish, *end], env=environ, capture_output=True, check=True).stdout
    )
    assert made["usd_total"] == 5.0

    def everywhere() -> bool:
        return {call(gateway, key, "fast").status_code for _ in range(8)} == {200}

    wait_until(everywhere, "not all workers know the raise", seconds=30)
    listed = json.loads(subprocess.run([*command, "list", *end], env=environ, capture_output=True, check=True).stdout)
    assert (listed[0]["id"], listed[0]["reason"], listed[0]["active"]) == (made["id"], "x y", True)
    refused = CLIENT.post(
        f"{gateway.url}/admin/v1/budgets/raises", headers=bearer(gateway.owner_token),
        json={"subject": "key", "name": key["id"], "usd_per_day": 1, "until": "2000-01-01", "reason": "late"},
    )  # fmt: skip
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "until")


def test_a_changed_limit_and_budget_hold_on_all_workers(gateway: RunningGateway) -> None:
    key = key_of(gateway, "ana", limits={"requests_per_minute": 1000})
    path = f"/admin/v1/keys/{key['id']}"

    def answers(status: int) -> bool:
        return {call(gateway, key, "fast").status_code for _ in range(8)} == {status}

    assert answers(200)
    admin(gateway, "PATCH", path, json={"limits": {"requests_per_day": 1}})
    wait_until(lambda: answers(429), "not all workers know the limit", seconds=30)
    admin(gateway, "PATCH", path, json={"limits": None, "budget": {"usd_total": 0.0}})
    wait_until(lambda: answers(429), "not all workers know the budget", seconds=30)
    admin(gateway, "PATCH", path, json={"budget": None})
    wait_until(lambda: answers(200), "not all workers know that there is no budget", seconds=30)


def test_a_cheaper_model_takes_over_where_policy_says_so(gateway: RunningGateway) -> None:
    key = key_of(gateway, "thrifty")
    models: list[str] = []
    for _ in range(20):
        answer = call(gateway, key, "fast")
        assert answer.status_code == 200, answer.text
        models.append(answer.headers["x-workbench-model"])
        if models[-1] == "free":
            break
    assert models == ["fast"] * (len(models) - 1) + ["free"]
    assert len(models) > 2
    streamed = call(gateway, key, "fast", stream=True)
    assert streamed.headers["x-workbench-model"] == "free"
    rows = admin(gateway, "GET", "/admin/v1/calls", params={"owner": "thrifty", "limit": 1000})["data"]
    newest = rows[0]
    assert (newest["model"], newest["deployment"], newest["cost_usd"]) == ("free", "vault/gratis", 0.0)
    assert newest["tags"] == {"asked_model": "fast"}
    assert sum(row["cost_usd"] for row in rows) <= 0.02
    narrow = key_of(gateway, "thrifty", scopes={"models": ["fast"]})
    refused = call(gateway, narrow, "fast")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "budget_exhausted")


def test_a_limit_in_shadow_mode_refuses_nothing_and_tells_what_it_would(gateway: RunningGateway) -> None:
    key = key_of(gateway, "watched")
    answers = [call(gateway, key) for _ in range(6)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any(name.startswith("x-ratelimit") for answer in answers for name in answer.headers)
    assert standing(gateway, "user", "watched", shadow=True)["shadow_refusals"] == 4
    assert not [one for one in me(gateway, key)["held_to"] if one["subject"] == "user"]


def test_after_a_restart_the_ledger_tells_what_was_used_today(providers: SimulatedProviders, tmp_path: Path) -> None:
    with serving(tmp_path, providers.url) as gateway:
        key = key_of(gateway, "counted")
        answers = [call(gateway, key, "fast") for _ in range(3)]
        assert {answer.status_code for answer in answers} == {200}
        before = standing(gateway, "user", "counted")
        gateway.stop()
    with serving(tmp_path, providers.url) as gateway:
        after = standing(gateway, "user", "counted")
        assert after["left"] == pytest.approx(before["left"])
        assert after["left"]["requests_per_day"] == 1
        assert after["used"]["usd_total"] == pytest.approx(before["used"]["usd_total"])
        assert [call(gateway, key, "fast").status_code for _ in range(2)] == [200, 429]
        changed = CONFIG.format(url=providers.url).replace("requests_per_day = 4", "requests_per_day = 6")
        (tmp_path / "workbench.toml").write_text(changed, "utf-8")
        admin(gateway, "POST", "/admin/v1/reload")
        assert [call(gateway, key, "fast").status_code for _ in range(3)] == [200, 200, 429]
        gateway.stop()
