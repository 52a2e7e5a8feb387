"""Keys on two gateways of one database: known and revoked at both, rotated with overlap, held to stage and features."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from workbench.gateway.access.key_format import new_secret
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until

CONFIG = """
[gateway]
stage = "{stage}"
other_stage_url = "http://staging.example.com"
[state]
database = "sqlite:///{database}"
[providers.acme]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[[models]]
name = "fast"
deployments = [{{ provider = "acme", model = "m" }}]
"""
CHAT: Any = {"model": "fast", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, providers: SimulatedProviders
) -> Iterator[tuple[RunningGateway, RunningGateway]]:
    """Gateways of staging and of production, which share the state database and nothing else."""
    root = tmp_path_factory.mktemp("pair")
    environ = {"ACME_KEY": providers.credential}
    texts = [CONFIG.format(stage=s, database=root / "state.db", url=providers.url) for s in ("staging", "production")]
    with (
        running_gateway(root / "one", config=texts[0], environ=environ) as one,
        running_gateway(root / "two", config=texts[1], environ=environ) as two,
    ):
        yield one, two


def admin(gateway: RunningGateway, method: str, path: str, **more: Any) -> Any:
    headers = {"authorization": f"Bearer {gateway.owner_token}"}
    answer = httpx.request(method, f"{gateway.url}/admin/v1/keys{path}", headers=headers, timeout=30, **more)
    assert answer.status_code < 300, answer.text
    return answer.json()


def call(gateway: RunningGateway, key: str, **more: Any) -> tuple[int, str | None]:
    headers = {"authorization": f"Bearer {key}"}
    answer = httpx.post(f"{gateway.url}/v1/chat/completions", json={**CHAT, **more}, headers=headers, timeout=30)
    return answer.status_code, answer.json().get("error", {}).get("code")


def test_a_key_of_one_gateway_is_good_at_the_other_at_once_and_dead_soon_after_its_end(
    pair: tuple[RunningGateway, RunningGateway],
) -> None:
    one, two = pair
    for _ in range(5):
        issued = admin(one, "POST", "", json={"kind": "production", "owner": "ana", "use_case": "menu-images"})
        assert call(two, issued["key"]) == (200, None), "a good key was refused while it was new"
    assert call(two, new_secret("wbp-")) == (401, "invalid_key")
    admin(one, "DELETE", f"/{issued['id']}")
    assert call(one, issued["key"]) == (401, "revoked")
    wait_until(lambda: call(two, issued["key"]) == (401, "revoked"), "the other gateway goes on taking the key")


def test_a_stream_at_the_other_gateway_ends_with_its_key(
    pair: tuple[RunningGateway, RunningGateway], providers: SimulatedProviders
) -> None:
    one, two = pair
    issued = admin(one, "POST", "", json={"kind": "production", "owner": "ana", "use_case": "menu-images"})
    providers.fail("slow", seconds=0.2)
    began, told = threading.Event(), []

    def listen() -> None:
        headers = {"authorization": f"Bearer {issued['key']}"}
        long = {**CHAT, "messages": [{"role": "user", "content": "hello " * 400}], "stream": True}
        with httpx.stream("POST", f"{two.url}/v1/chat/completions", json=long, headers=headers, timeout=60) as answer:
            for line in answer.iter_lines():
                began.set()
                told.append(line)

    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    assert began.wait(30)
    admin(one, "DELETE", f"/{issued['id']}")
    reader.join(30)
    assert not reader.is_alive()
    assert any('"revoked"' in line for line in told), told[-3:]


def test_a_rotated_key_goes_on_for_its_overlap_and_the_new_one_may_do_the_same(
    pair: tuple[RunningGateway, RunningGateway],
) -> None:
    one, two = pair
    wish = {"kind": "production", "owner": "ana", "use_case": "menu-images", "scopes": {"models": ["fast"]},
            "limits": {"requests_per_minute": 1000}, "expires_in": 86400}  # fmt: skip
    old = admin(one, "POST", "", json=wish)
    new = admin(one, "POST", f"/{old['id']}/rotate", json={"overlap_seconds": 600})
    assert new["rotated_from"] == old["id"]
    assert (new["scopes"], new["limits"], new["use_case"]) == (old["scopes"], old["limits"], "menu-images")
    assert new["before"]["expires_at"] < old["expires_at"]
    assert call(one, old["key"]) == call(one, new["key"]) == call(two, new["key"]) == (200, None)
    last = admin(one, "POST", f"/{new['id']}/rotate", json={"overlap_seconds": 0})
    assert call(one, new["key"]) == (401, "revoked")
    assert call(two, last["key"]) == (200, None)
    wait_until(lambda: call(two, new["key"]) == (401, "revoked"), "the other gateway goes on taking the old key")


def test_an_owner_rotates_a_key_with_a_budget_and_the_line_stays_one_account(
    pair: tuple[RunningGateway, RunningGateway],
) -> None:
    one, two = pair
    key = admin(one, "POST", "", json={"kind": "production", "use_case": "menu-images", "budget": {"usd_total": 1}})
    bearer = {"authorization": f"Bearer {one.owner_token}"}
    rotated = httpx.post(f"{one.url}/keys/{key['id']}/rotate", json={}, headers=bearer)
    assert rotated.status_code == 201, rotated.text
    assert (rotated.json()["budget"], rotated.json()["account"]) == ({"usd_total": 1}, key["id"])
    admin(one, "PATCH", f"/{key['id']}", json={"budget": {"usd_total": 2}})
    assert admin(one, "GET", f"/{rotated.json()['id']}")["budget"] == {"usd_total": 2}
    wait_until(
        lambda: admin(two, "GET", f"/{rotated.json()['id']}")["left"].get("usd_total") == 2,
        "the other gateway holds the new key to the old budget",
    )


def test_the_end_of_the_newest_key_is_the_end_of_its_line(
    pair: tuple[RunningGateway, RunningGateway],
) -> None:
    one, _ = pair
    bearer = {"authorization": f"Bearer {one.owner_token}"}
    first = httpx.post(f"{one.url}/keys/exploration", json={}, headers=bearer).json()
    second = httpx.post(f"{one.url}/keys/{first['id']}/rotate", json={}, headers=bearer).json()
    assert call(one, first["key"]) == call(one, second["key"]) == (200, None)
    assert httpx.delete(f"{one.url}/keys/{second['id']}", headers=bearer).status_code == 200
    assert call(one, first["key"]) == call(one, second["key"]) == (401, "revoked")
    third = httpx.post(f"{one.url}/keys/exploration", json={}, headers=bearer).json()
    fourth = httpx.post(f"{one.url}/keys/{third['id']}/rotate", json={}, headers=bearer).json()
    assert httpx.delete(f"{one.url}/keys/{third['id']}", headers=bearer).status_code == 200
    assert call(one, third["key"]) == (401, "revoked")
    assert call(one, fourth["key"]) == (200, None), "a leaked old key can't be revoked without the one in its place"


def test_a_stream_runs_to_its_end_though_its_key_expires_meanwhile(
    pair: tuple[RunningGateway, RunningGateway], providers: SimulatedProviders
) -> None:
    one, _ = pair
    key = admin(one, "POST", "", json={"kind": "exploration", "expires_in": 2})
    providers.fail("slow", seconds=0.1)
    long = {**CHAT, "messages": [{"role": "user", "content": "hello " * 40}], "stream": True}
    headers = {"authorization": f"Bearer {key['key']}"}
    with httpx.stream("POST", f"{one.url}/v1/chat/completions", json=long, headers=headers, timeout=60) as answer:
        text = answer.read().decode()
    assert text.rstrip().endswith("[DONE]")
    assert call(one, key["key"]) == (401, "expired"), "the stream ended before its key did"


def test_an_exploration_key_at_production_is_told_where_to_go(pair: tuple[RunningGateway, RunningGateway]) -> None:
    one, two = pair
    key = one.issue_key()
    answer = httpx.post(f"{two.url}/v1/chat/completions", json=CHAT, headers={"authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "wrong_stage")
    assert "http://staging.example.com" in answer.json()["error"]["message"]


def test_a_key_is_held_to_its_features(pair: tuple[RunningGateway, RunningGateway]) -> None:
    one, _ = pair
    wish = {"kind": "exploration", "scopes": {"features": ["streaming"]}}
    key = admin(one, "POST", "", json=wish)["key"]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    assert call(one, key) == (200, None)
    assert call(one, key, tools=tools) == (403, "feature_not_allowed")
    for path, body in (("/v1/images/generations", {"model": "fast", "prompt": "x"}), ("/acme/v1/files", {}),
                       ("/acme/v1/chat/completions", {**CHAT, "tools": tools})):  # fmt: skip
        answer = httpx.post(one.url + path, json=body, headers={"authorization": f"Bearer {key}"}, timeout=30)
        assert answer.status_code == 403, path


def test_a_mistyped_key_is_told_apart_from_an_unknown_one(pair: tuple[RunningGateway, RunningGateway]) -> None:
    key = pair[0].issue_key()
    answer = httpx.get(f"{pair[0].url}/me", headers={"authorization": f"Bearer {key[:-1]}"})
    assert answer.status_code == 401
    assert "checksum" in answer.json()["error"]["message"]
