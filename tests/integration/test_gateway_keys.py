"""Keys over HTTP: issued, used, refused for the right reason, revoked in mid-stream; prompts and feedback."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from workbench.gateway.app import create_app
from workbench.settings import load_settings
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until

HTTP = httpx.Client(timeout=30)
HELLO: Any = [{"role": "user", "content": "hello " * 50}]
CHAT = {"model": "fast", "messages": HELLO}
CONFIG = """
[providers.acme]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[[models]]
name = "fast"
deployments = [{{ provider = "acme", model = "m" }}]
[policy.exploration]
expires_in = 86400
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


def serving(home: Path, providers: SimulatedProviders, stage: str = "staging") -> Any:
    config = CONFIG.format(url=providers.url) + f'[gateway]\nstage = "{stage}"\n'
    return running_gateway(home, config=config, environ={"ACME_KEY": providers.credential})


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, home: Path) -> Iterator[RunningGateway]:
    with serving(home, providers) as running:
        yield running


@pytest.fixture
def owner(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers=bearer(gateway.owner_token), timeout=30) as client:
        yield client


@pytest.fixture(autouse=True)
def _nothing_left_over(providers: SimulatedProviders) -> None:
    providers.clear()


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def issue(owner: httpx.Client, **wish: Any) -> dict[str, Any]:
    answer = owner.post("/keys/exploration", json=wish)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def call(gateway: RunningGateway, headers: dict[str, str]) -> tuple[int, str | None]:
    answer = HTTP.post(f"{gateway.url}/v1/chat/completions", json=CHAT, headers=headers)
    return answer.status_code, answer.json().get("error", {}).get("code")


def test_an_issued_key_makes_calls_and_knows_itself(gateway: RunningGateway, owner: httpx.Client) -> None:
    issued = issue(owner, note="notebook", expires_in=3600)
    assert issued["key"].startswith("wbx-")
    assert issued["scopes"] == {"models": ["*"], "providers": ["*"], "paths": ["*"]}
    assert call(gateway, bearer(issued["key"])) == (200, None)
    assert call(gateway, {"x-api-key": issued["key"]}) == (200, None)
    assert call(gateway, {"api-key": issued["key"]}) == (200, None)
    me = HTTP.get(f"{gateway.url}/me", headers=bearer(issued["key"])).json()
    assert (me["id"], me["kind"], me["note"]) == (issued["id"], "exploration", "notebook")
    assert me["expires_at"] == issued["expires_at"]
    assert issued["key"] not in str(me)
    usage = HTTP.get(f"{gateway.url}/me/usage", headers=bearer(issued["key"])).json()
    assert (usage["calls"], usage["models"][0]["model"]) == (3, "fast")


def test_a_key_sees_its_own_calls_only(gateway: RunningGateway, owner: httpx.Client) -> None:
    mine, other = issue(owner)["key"], issue(owner)["key"]
    answer = HTTP.post(f"{gateway.url}/v1/chat/completions", json=CHAT, headers=bearer(mine))
    query = {"request_id": answer.headers["x-request-id"]}
    assert len(HTTP.get(f"{gateway.url}/me/calls", params=query, headers=bearer(mine)).json()["data"]) == 1
    assert HTTP.get(f"{gateway.url}/me/calls", params=query, headers=bearer(other)).json()["data"] == []


def test_each_bad_key_is_a_401_with_its_reason(gateway: RunningGateway, owner: httpx.Client) -> None:
    good = issue(owner)["key"]
    mistyped = good[:-1] + ("a" if good[-1] != "a" else "b")
    expiring = issue(owner, expires_in=1)
    assert call(gateway, {}) == (401, "missing_key")
    assert call(gateway, bearer(mistyped)) == (401, "invalid_key")
    assert call(gateway, bearer("sk-1234")) == (401, "invalid_key")
    assert call(gateway, bearer(gateway.owner_token)) == (401, "invalid_key")
    wait_until(lambda: call(gateway, bearer(expiring["key"])) == (401, "expired"), "the key did not expire")
    owner.delete(f"/keys/{issue(owner)['id']}").raise_for_status()
    revoked = issue(owner)
    assert owner.delete(f"/keys/{revoked['id']}").json()["revoked_at"]
    assert call(gateway, bearer(revoked["key"])) == (401, "revoked")
    for path in ("/me", "/me/calls", "/v1/models", "/v1/prompts"):
        answer = HTTP.get(gateway.url + path, headers=bearer(revoked["key"]))
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "revoked"), path


@pytest.mark.parametrize("body", [
    {"expires_in": 86401}, {"expires_in": 0}, {"expires_in": "long"}, {"expires_in": 1.5}, {"note": 5}, {"other": 1},
    {"note": "x" * 201}, [], "x",
])  # fmt: skip
def test_a_wrong_wish_is_a_400(owner: httpx.Client, body: Any) -> None:
    before = len(owner.get("/keys").json()["data"])
    answer = owner.post("/keys/exploration", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert len(owner.get("/keys").json()["data"]) == before


def test_only_an_identity_deals_in_keys(gateway: RunningGateway, owner: httpx.Client) -> None:
    key = issue(owner)
    for headers in ({}, bearer(key["key"]), bearer("wbo-" + "0" * 49)):
        for method, path in (("GET", "/keys"), ("POST", "/keys/exploration"), ("DELETE", f"/keys/{key['id']}"),
                             ("POST", "/v1/prompts/a@b"), ("GET", "/v1/feedback")):  # fmt: skip
            assert HTTP.request(method, gateway.url + path, headers=headers).status_code == 401, (method, path)
    assert call(gateway, bearer(key["key"])) == (200, None)


def test_no_route_but_health_and_description_is_open_to_everybody(gateway: RunningGateway) -> None:
    routes = create_app(load_settings(environ={}, home=gateway.home, credentials=False))._app.routes
    asked = [(method, re.sub(r"{\w+(:path)?}", "x@y", route.path)) for route in routes for method in route.methods]
    assert len(asked) > 15
    open_ones = set()
    for method, path in asked:
        answer = HTTP.request(method, gateway.url + path, json={} if method == "POST" else None)
        if answer.status_code != 401:
            open_ones.add(path)
    assert open_ones == {"/healthz", "/readyz", "/openapi.json", "/docs", "/slack/commands"}
    assert HTTP.post(f"{gateway.url}/slack/commands").status_code == 404, "without [slack] there is no command"


def test_no_key_administers(gateway: RunningGateway, owner: httpx.Client) -> None:
    key = issue(owner)["key"]
    routes = create_app(load_settings(environ={}, home=gateway.home, credentials=False))._app.routes
    asked = [(method, re.sub(r"{\w+(:path)?}", "x@y", route.path)) for route in routes for method in route.methods]
    asked = [(method, path) for method, path in asked if path.startswith("/admin/")]
    assert len(asked) > 15
    for method, path in asked:
        for more in (bearer(key), {"x-api-key": key}, {"api-key": key}):
            answer = HTTP.request(method, gateway.url + path, headers=more, json={} if method == "POST" else None)
            assert answer.status_code in (401, 403), (method, path)


def test_the_list_of_keys_tells_no_secret(owner: httpx.Client) -> None:
    issued = issue(owner, note="listed")
    listed = owner.get("/keys").text
    assert issued["id"] in listed
    assert issued["key"] not in listed
    assert owner.delete("/keys/key_unknown").status_code == 404


def test_revoking_cuts_a_stream_and_cancels_the_provider(
    gateway: RunningGateway, owner: httpx.Client, providers: SimulatedProviders
) -> None:
    issued = issue(owner)
    providers.fail("slow", seconds=0.1)
    begun = threading.Event()
    caught: list[openai.APIError] = []

    def listen() -> None:
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=issued["key"], max_retries=0) as client:
            try:
                for _ in client.chat.completions.create(**CHAT, stream=True):
                    begun.set()
            except openai.APIError as error:
                caught.append(error)

    listener = threading.Thread(target=listen)
    listener.start()
    assert begun.wait(10)
    owner.delete(f"/keys/{issued['id']}").raise_for_status()
    listener.join(5)
    assert not listener.is_alive()
    assert caught[0].code == "revoked"
    providers.wait_until(lambda seen: seen[0].ended == "client_left")


def test_keys_and_revocations_outlive_the_gateway(providers: SimulatedProviders, tmp_path: Path) -> None:
    with serving(tmp_path, providers) as first:
        good, bad = first.issue_key(), first.issue_key()
        me = HTTP.get(f"{first.url}/me", headers=bearer(bad)).json()
        HTTP.delete(f"{first.url}/keys/{me['id']}", headers=bearer(first.owner_token)).raise_for_status()
        token = first.owner_token
        assert first.stop() == 0
    with serving(tmp_path, providers) as second:
        assert second.owner_token == token
        assert call(second, bearer(good)) == (200, None)
        assert call(second, bearer(bad)) == (401, "revoked")


def test_an_exploration_key_does_not_work_in_production(providers: SimulatedProviders, tmp_path: Path) -> None:
    with serving(tmp_path, providers, "production") as gateway:
        assert call(gateway, bearer(gateway.issue_key())) == (403, "wrong_stage")
    assert providers.requests == []


PUBLICATION: Any = {
    "version": 3,
    "template": [{"role": "user", "content": "Sum up {{x}}"}],
    "parameters": {"temperature": 0.2},
    "schema": None,
    "evidence": {"run": "r1"},
    "reason": "better",
}


class TestPublishedPrompts:
    def test_a_published_prompt_is_read_by_key_with_an_etag(self, gateway: RunningGateway, owner: httpx.Client) -> None:
        record = owner.post("/v1/prompts/support.summary@production", json=PUBLICATION)
        assert record.status_code == 201
        assert record.json()["published_by"]
        headers = bearer(issue(owner)["key"])
        url = f"{gateway.url}/v1/prompts/support.summary@production"
        answer = HTTP.get(url, headers=headers)
        prompt = answer.json()
        assert (prompt["name"], prompt["alias"], prompt["version"]) == ("support.summary", "production", 3)
        assert prompt["parameters"] == {"temperature": 0.2}
        assert prompt["hash"] == record.json()["hash"]
        again = HTTP.get(url, headers={**headers, "if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        owner.post("/v1/prompts/support.summary@production", json={**PUBLICATION, "version": 4}).raise_for_status()
        changed = HTTP.get(url, headers={**headers, "if-none-match": answer.headers["etag"]})
        assert (changed.status_code, changed.json()["version"]) == (200, 4)
        history = HTTP.get(f"{url}/history", headers=headers).json()["data"]
        assert [entry["version"] for entry in history] == [4, 3]
        assert history[0]["prev_hash"] == history[1]["record_hash"]
        assert [p["name"] for p in HTTP.get(f"{gateway.url}/v1/prompts", headers=headers).json()["data"]] == [
            "support.summary"
        ]

    @pytest.mark.parametrize("change", [
        {"version": "3"}, {"version": 0}, {"reason": ""}, {"template": 5}, {"template": [{"role": "user"}]},
        {"extra": 1}, {"parameters": []}, {"template": []},
    ])  # fmt: skip
    def test_a_wrong_publication_is_a_400(self, owner: httpx.Client, change: dict[str, Any]) -> None:
        assert owner.post("/v1/prompts/wrong@production", json={**PUBLICATION, **change}).status_code == 400
        assert owner.get("/v1/prompts/wrong@production").status_code == 404

    def test_an_unknown_prompt_is_a_404_in_the_envelope(self, owner: httpx.Client) -> None:
        answer = owner.get("/v1/prompts/support.sumary@production")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "prompt_not_found")


class TestFeedback:
    def test_a_word_on_ones_own_call_is_kept_once_and_drained(
        self, gateway: RunningGateway, owner: httpx.Client
    ) -> None:
        key = issue(owner)["key"]
        asked = HTTP.post(f"{gateway.url}/v1/chat/completions", json=CHAT, headers=bearer(key))
        word = {"request_id": asked.headers["x-request-id"], "value": 1, "comment": "good"}
        first, second = (HTTP.post(f"{gateway.url}/v1/feedback", json=word, headers=bearer(key)) for _ in range(2))
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        drained = owner.get("/v1/feedback").json()["data"]
        assert [entry["value"] for entry in drained if entry["request_id"] == word["request_id"]] == [1]
        assert owner.get("/v1/feedback", params={"after": drained[-1]["seq"]}).json() == {"data": [], "next": None}

    def test_a_word_on_a_call_that_is_not_there_is_a_404(self, gateway: RunningGateway, owner: httpx.Client) -> None:
        word = {"request_id": "req_nobody", "value": 1, "comment": None}
        answer = HTTP.post(f"{gateway.url}/v1/feedback", json=word, headers=bearer(issue(owner)["key"]))
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "call_not_found")

    @pytest.mark.parametrize("query", ["after=-1", "after=x", "limit=0", "limit=1001", "limit=99999999999999999999"])
    def test_a_number_out_of_bounds_is_a_400(self, owner: httpx.Client, query: str) -> None:
        assert owner.get(f"/v1/feedback?{query}").status_code == 400
