"""Administration over HTTP: keys of every kind, the ledger of all, by the owner and nobody else."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until

CHAT: dict[str, Any] = {"model": "fast", "messages": [{"role": "user", "content": "hello"}]}
CONFIG = """
[providers.acme]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[[models]]
name = "fast"
deployments = [{{ provider = "acme", model = "m" }}]
[models.price]
input = 1.0
output = 2.0
[[models]]
name = "other"
deployments = [{{ provider = "acme", model = "m" }}]
"""


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    config = CONFIG.format(url=providers.url)
    environ = {"ACME_KEY": providers.credential}
    with running_gateway(tmp_path_factory.mktemp("admin"), config=config, environ=environ) as running:
        yield running


@pytest.fixture
def admin(gateway: RunningGateway) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {gateway.owner_token}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture(autouse=True)
def _nothing_left_over(providers: SimulatedProviders) -> None:
    providers.clear()


def issue(admin: httpx.Client, **wish: Any) -> dict[str, Any]:
    answer = admin.post("/admin/v1/keys", json={"kind": "production", **wish})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def call(gateway: RunningGateway, key: str, path: str = "/v1/chat/completions", **fields: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(f"{gateway.url}{path}", json={**CHAT, **fields}, headers=headers, timeout=30)


def test_a_production_key_is_issued_used_shown_and_revoked(gateway: RunningGateway, admin: httpx.Client) -> None:
    issued = issue(
        admin, owner="ana", use_case="menu-images", note="app", expires_in=3600, limits={"requests_per_minute": 60},
        budget={"usd_total": 100}, scopes={"models": ["fast"]},
    )  # fmt: skip
    assert issued["key"].startswith("wbp-")
    assert (issued["owner"], issued["use_case"], issued["note"]) == ("ana", "menu-images", "app")
    answer = call(gateway, issued["key"])
    assert answer.status_code == 200
    assert answer.headers["x-ratelimit-remaining-requests"] == "59"
    me = httpx.get(f"{gateway.url}/me", headers={"authorization": f"Bearer {issued['key']}"}).json()
    assert me["limits"] == {"requests_per_minute": 60}
    assert me["budget"] == {"usd_total": 100.0}
    assert me["left"]["requests_per_minute"] == 59
    assert 99.9 < me["left"]["usd_total"] < 100
    shown = admin.get(f"/admin/v1/keys/{issued['id']}").json()
    assert shown["left"] == me["left"]
    assert issued["key"] not in str(shown)
    ended = admin.delete(f"/admin/v1/keys/{issued['id']}")
    assert ended.status_code == 200
    assert ended.json()["revoked_at"]
    dead = call(gateway, issued["key"])
    assert dead.json()["error"]["code"] == "revoked"
    (row,) = admin.get("/admin/v1/calls", params={"request_id": dead.headers["x-request-id"]}).json()["data"]
    assert (row["key_id"], row["owner"], row["use_case"]) == (issued["id"], "ana", "menu-images"), "whose it was"
    assert admin.delete("/admin/v1/keys/key_0000").status_code == 404


def test_what_is_left_out_of_a_key_is_unset(admin: httpx.Client) -> None:
    issued = issue(admin)
    assert issued["expires_at"] is None
    assert (issued["limits"], issued["budget"], issued["use_case"]) == ({}, None, None)
    assert issued["scopes"] == {"models": ["*"], "providers": ["*"], "paths": ["*"]}
    assert issue(admin, kind="exploration")["key"].startswith("wbx-")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "kind"),
        ({"kind": "master"}, "kind"),
        ({"kind": "production", "colour": "red"}, "colour"),
        ({"kind": "production", "limits": {"requests_per_hour": 5}}, "requests_per_hour"),
        ({"kind": "production", "limits": {"requests_per_minute": 0}}, "requests_per_minute"),
        ({"kind": "production", "limits": {"concurrent": "8"}}, "concurrent"),
        ({"kind": "production", "budget": {"usd_total": -1}}, "usd_total"),
        ({"kind": "production", "budget": {"eur_total": 1}}, "eur_total"),
        ({"kind": "production", "scopes": {"models": "fast"}}, "models"),
        ({"kind": "production", "scopes": {"regions": []}}, "regions"),
        ({"kind": "production", "expires_in": 0}, "expires_in"),
        ({"kind": "production", "owner": ""}, "owner"),
        ({"kind": "production", "scopes": {"features": ["nonsense"]}}, "nonsense"),
        ({"kind": "production", "scopes": {"paths": ["v1/chat"]}}, "v1/chat"),
        ({"kind": "production", "use_case": "a\nb"}, "use_case"),
    ],
)
def test_a_wish_that_cannot_be_kept_is_a_400_that_names_the_field(
    admin: httpx.Client, body: dict[str, Any], named: str
) -> None:
    answer = admin.post("/admin/v1/keys", json=body)
    assert answer.status_code == 400
    assert named in answer.json()["error"]["message"]


def test_scopes_hold(gateway: RunningGateway, admin: httpx.Client) -> None:
    key = issue(admin, scopes={"models": ["fa*"], "paths": ["/v1/chat/*"]})["key"]
    assert call(gateway, key).status_code == 200
    assert call(gateway, key, model="other").status_code == 403
    assert call(gateway, key, path="/v1/embeddings", input="x").status_code == 403
    key = issue(admin, scopes={"providers": ["else"]})["key"]
    assert call(gateway, key).status_code == 403


ADMIN_PATHS = [
    ("POST", "/admin/v1/keys"),
    ("GET", "/admin/v1/keys"),
    ("GET", "/admin/v1/keys/key_1"),
    ("PATCH", "/admin/v1/keys/key_1"),
    ("DELETE", "/admin/v1/keys/key_1"),
    ("GET", "/admin/v1/calls"),
    ("GET", "/admin/v1/usage"),
]


@pytest.mark.parametrize(("method", "path"), ADMIN_PATHS)
def test_no_gateway_key_administers_whatever_it_may_do(
    gateway: RunningGateway, admin: httpx.Client, method: str, path: str
) -> None:
    for kind in ("production", "exploration"):
        headers = {"authorization": f"Bearer {issue(admin, kind=kind)['key']}"}
        answer = httpx.request(method, f"{gateway.url}{path}", headers=headers)
        assert answer.status_code == 403
        assert "identity" in answer.json()["error"]["message"]
    assert httpx.request(method, f"{gateway.url}{path}").status_code == 401
    assert httpx.request(method, f"{gateway.url}{path}", headers={"authorization": "Bearer wbo-x"}).status_code == 401


def test_keys_are_listed_page_by_page(admin: httpx.Client) -> None:
    ids = [issue(admin, owner="paging", use_case=f"u{n % 2}")["id"] for n in range(7)]
    seen: list[str] = []
    query: dict[str, Any] = {"owner": "paging", "limit": 3}
    for page in itertools.count():
        answer = admin.get("/admin/v1/keys", params=query).json()
        seen += [key["id"] for key in answer["data"]]
        if answer["next"] is None:
            assert page == 2
            break
        query["cursor"] = answer["next"]
    assert seen == ids[::-1]
    assert len(admin.get("/admin/v1/keys", params={"owner": "paging", "use_case": "u0"}).json()["data"]) == 4
    for wrong in ({"limit": 0}, {"limit": 1001}, {"cursor": "x"}):
        assert admin.get("/admin/v1/keys", params=wrong).status_code == 400


def test_a_key_can_be_changed_while_it_lives(gateway: RunningGateway, admin: httpx.Client) -> None:
    issued = issue(admin, budget={"usd_total": 0}, limits={"requests_per_minute": 1})
    assert call(gateway, issued["key"]).json()["error"]["code"] == "budget_exhausted"
    path = f"/admin/v1/keys/{issued['id']}"
    changed = admin.patch(path, json={"budget": {"usd_total": 1}, "limits": None, "note": "raised"})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["budget"], changed.json()["limits"]) == ({"usd_total": 1.0}, {})
    assert call(gateway, issued["key"]).status_code == 200
    assert admin.get(path).json()["note"] == "raised"
    assert admin.patch(path, json={"owner": "eve"}).status_code == 400
    admin.delete(path)
    assert admin.patch(path, json={"note": "late"}).status_code == 409
    assert admin.patch("/admin/v1/keys/key_0000", json={}).status_code == 404


def test_a_budget_that_comes_later_counts_what_was_spent_before(gateway: RunningGateway, admin: httpx.Client) -> None:
    issued = issue(admin)
    cost = float(call(gateway, issued["key"]).headers["x-workbench-cost-usd"])
    assert cost > 0
    answer = admin.patch(f"/admin/v1/keys/{issued['id']}", json={"budget": {"usd_total": 1, "usd_per_day": 2}})
    assert answer.json()["left"] == pytest.approx({"usd_total": 1 - cost, "usd_per_day": 2 - cost})


def test_revoking_cuts_a_stream_that_is_on_its_way(
    gateway: RunningGateway, admin: httpx.Client, providers: SimulatedProviders
) -> None:
    issued = issue(admin)
    providers.fail("stall", frames=3)
    got: list[str] = []

    def stream() -> None:
        headers = {"authorization": f"Bearer {issued['key']}"}
        body = {**CHAT, "stream": True}
        with httpx.stream(
            "POST", f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=30
        ) as answer:
            got.extend(answer.iter_lines())

    thread = threading.Thread(target=stream)
    thread.start()
    providers.wait_until(lambda seen: bool(seen) and seen[0].frames == 3)
    admin.delete(f"/admin/v1/keys/{issued['id']}").raise_for_status()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert '"revoked"' in "".join(got)
    providers.wait_until(lambda seen: seen[0].ended == "client_left")


def test_calls_of_all_keys_are_read_newest_first_and_page_by_page(gateway: RunningGateway, admin: httpx.Client) -> None:
    one, two = issue(admin, owner="cara", use_case="reading"), issue(admin, owner="dan", use_case="reading")
    ids = [call(gateway, key["key"]).headers["x-request-id"] for key in (one, two, one, two, one)]
    call(gateway, issue(admin)["key"])
    query: dict[str, Any] = {"use_case": "reading", "limit": 2}
    seen: list[str] = []
    while True:
        page = admin.get("/admin/v1/calls", params=query).json()
        seen += [row["request_id"] for row in page["data"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == ids[::-1]

    def found(**query: str) -> list[dict[str, Any]]:
        return list(admin.get("/admin/v1/calls", params=query).json()["data"])

    assert [row["owner"] for row in found(request_id=ids[1])] == ["dan"]
    assert len(found(key_id=one["id"])) == 3
    assert len(found(owner="dan")) == 2
    assert len(found(use_case="reading", model="fast")) == 5
    assert found(use_case="reading", model="other") == []
    newest = found(request_id=ids[-1])[0]
    assert len(found(use_case="reading", since=newest["time"])) >= 1
    assert found(use_case="reading", since="2999-01-01") == []
    assert newest["cost_usd"] > 0
    for wrong in ({"limit": 1001}, {"since": "yesterday"}, {"cursor": "x"}):
        assert admin.get("/admin/v1/calls", params=wrong).status_code == 400


def test_usage_is_summed_by_what_is_asked_for(gateway: RunningGateway, admin: httpx.Client) -> None:
    key = issue(admin, use_case="summing")["key"]
    answers = [call(gateway, key) for _ in range(3)]
    call(gateway, key, model="other")
    call(gateway, key, model="nothing")
    query = {"use_case": "summing", "group_by": "use_case,model,day"}
    rows = {row["model"]: row for row in admin.get("/admin/v1/usage", params=query).json()["data"]}
    assert rows["fast"]["calls"] == 3
    assert rows["fast"]["errors"] == 0
    costs = sum(float(answer.headers["x-workbench-cost-usd"]) for answer in answers)
    assert rows["fast"]["cost_usd"] == pytest.approx(costs)
    assert rows["fast"]["input_tokens"] == sum(answer.json()["usage"]["prompt_tokens"] for answer in answers)
    assert rows["other"]["calls_without_price"] == 1
    assert rows["nothing"]["errors"] == 1
    assert len(rows["fast"]["day"]) == 10
    (whole,) = admin.get("/admin/v1/usage", params={"use_case": "summing"}).json()["data"]
    assert whole["calls"] == 5
    assert admin.get("/admin/v1/usage", params={"group_by": "hash"}).status_code == 400


def test_keys_outlive_a_restart_with_all_that_they_are_held_to(
    providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("restart")
    config, environ = CONFIG.format(url=providers.url), {"ACME_KEY": providers.credential}
    with running_gateway(home, config=config, environ=environ) as running:
        headers = {"authorization": f"Bearer {running.owner_token}"}
        wish = {"kind": "production", "limits": {"concurrent": 3}, "budget": {"usd_total": 1, "usd_per_day": 0.5}}
        issued = httpx.post(f"{running.url}/admin/v1/keys", json=wish, headers=headers).json()
        cost = float(call(running, issued["key"]).headers["x-workbench-cost-usd"])
        assert running.stop() == 0
    with running_gateway(home, config=config, environ=environ) as running:
        me = httpx.get(f"{running.url}/me", headers={"authorization": f"Bearer {issued['key']}"}).json()
        assert me["left"] == pytest.approx({"concurrent": 3, "usd_total": 1 - cost, "usd_per_day": 0.5 - cost})
        wait_until(lambda: call(running, issued["key"]).status_code == 200, "the key makes no calls")
