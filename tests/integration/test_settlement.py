"""What is paid later is priced once, whoever asks and how often; what was given up is charged an estimate."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from workbench.client.usage_desk import UsageDesk
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until

BATCH = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
PENDING = {"metadata": {"simulator": "pending"}}
RESERVED_FROM = datetime.now(UTC).date() - timedelta(days=3)


def configuration(url: str) -> str:
    return f"""
[gateway.timeouts]
first_token = 2
answer = 2
[providers.acme]
kind = "openai"
base_url = "{url}/v1"
credential = {{ env = "SIM_KEY" }}
[[models]]
name = "fast"
price = {{ input = 1.0, output = 2.0, training = 4.0 }}
deployments = [{{ provider = "acme", model = "our-model" }}]
[[models]]
name = "unpriced"
deployments = [{{ provider = "acme", model = "nobody-knows" }}]
[[models]]
name = "ours"
[[models.deployments]]
provider = "acme"
model = "reserved-model"
capacity = "reserved"
reserved_usd_per_hour = 2.0
reserved_from = {RESERVED_FROM.isoformat()}
"""


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("settlement")
    config = configuration(providers.url)
    with running_gateway(home, config=config, environ={"SIM_KEY": providers.credential}) as running:
        desk(running).settle()  # the hours of the days before
        yield running


@pytest.fixture(autouse=True)
def _nothing_left_over(providers: SimulatedProviders) -> None:
    providers.clear()


def desk(gateway: RunningGateway) -> UsageDesk:
    return UsageDesk(gateway.url, gateway.owner_token)


def admin(gateway: RunningGateway, method: str, path: str, body: Any = None) -> Any:
    headers = {"authorization": f"Bearer {gateway.owner_token}"}
    answer = httpx.request(method, f"{gateway.url}{path}", json=body, headers=headers, timeout=30)
    assert answer.status_code < 300, answer.text
    return answer.json()


def issued(gateway: RunningGateway, **wish: Any) -> tuple[str, httpx.Client]:
    """Return the id of a new key, and a client that has it."""
    told = admin(gateway, "POST", "/admin/v1/keys", {"kind": "exploration", **wish})
    client = httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {told['key']}"}, timeout=30)
    return told["id"], client


def rows_of(gateway: RunningGateway, key_id: str, *, settled: bool = True) -> list[dict[str, Any]]:
    rows = admin(gateway, "GET", f"/admin/v1/calls?key_id={key_id}&limit=1000")["data"]
    return [row for row in rows if ("settled" in row["tags"]) is settled]


def batch(client: httpx.Client, *models: str, **more: Any) -> str:
    lines = [
        {"custom_id": f"c{n}", "method": "POST", "url": "/v1/chat/completions",
         "body": {"model": model, "messages": [{"role": "user", "content": "two words"}]}}
        for n, model in enumerate(models)
    ]  # fmt: skip
    content = "\n".join(json.dumps(line) for line in lines).encode()
    file = client.post("/v1/files", files={"file": ("b.jsonl", content)}, data={"purpose": "batch"}).json()["id"]
    answer = client.post("/v1/batches", json={"input_file_id": file, **BATCH, **more})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


PRICE_OF_A_LINE = (2 * 1.0 + 3 * 2.0) / 1e6 / 2
"""Two words in, three out, at half the price."""


def test_a_batch_is_settled_once_to_whoever_began_it(gateway: RunningGateway) -> None:
    key_id, client = issued(gateway, owner="ana", use_case="menus")
    batch(client, "fast", "fast", "unpriced")
    assert rows_of(gateway, key_id) == []
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: desk(gateway).settle(), range(4)))
    assert sum(run["settled"] for run in runs) == 1
    assert sum(run["rows"] for run in runs) == 2
    rows = {row["model"]: row for row in rows_of(gateway, key_id)}
    fast = rows["fast"]
    assert fast["cost_usd"] == pytest.approx(2 * PRICE_OF_A_LINE)
    assert (fast["owner"], fast["use_case"], fast["path"], fast["priority"]) == ("ana", "menus", "/v1/batches", "batch")
    assert (fast["input_tokens"], fast["output_tokens"], fast["tags"]["answers"]) == (4, 6, "2")
    assert (rows["unpriced"]["cost_usd"], rows["unpriced"]["cost_source"]) == (None, "unknown")
    assert desk(gateway).settle()["settled"] == 0


def test_a_run_that_was_killed_behind_a_row_writes_it_no_second_time(gateway: RunningGateway) -> None:
    key_id, client = issued(gateway)
    batch(client, "fast")
    assert desk(gateway).settle()["rows"] == 1
    with sqlite3.connect(gateway.home / "state.db") as state:  # as if the end of the run had not come
        state.execute("UPDATE settlements SET settled_at = NULL, taken_until = NULL WHERE key_id = ?", (key_id,))
    again = desk(gateway).settle()
    assert (again["settled"], again["rows"]) == (1, 0)
    assert len(rows_of(gateway, key_id)) == 1


def test_what_another_run_is_at_is_left_to_it_until_nothing_is_heard_of_it(gateway: RunningGateway) -> None:
    key_id, client = issued(gateway)
    batch(client, "fast")
    for taken_for, settled in ((60, 0), (-1, 1)):
        with sqlite3.connect(gateway.home / "state.db") as state:
            until = datetime.now(UTC).timestamp() + taken_for
            state.execute("UPDATE settlements SET taken_until = ? WHERE key_id = ?", (until, key_id))
        run = desk(gateway).settle()
        assert (run["settled"], run["waiting"]) == (settled, 1 - settled)


def test_what_has_not_ended_waits(gateway: RunningGateway) -> None:
    key_id, client = issued(gateway)
    name = batch(client, "fast", **PENDING)
    assert desk(gateway).settle()["waiting"] == 1
    assert client.post(f"/v1/batches/{name}/cancel").json()["status"] == "cancelled"
    run = desk(gateway).settle()
    assert (run["settled"], run["waiting"], run["rows"]) == (1, 0, 0)
    assert rows_of(gateway, key_id) == []


def test_a_provider_that_fails_is_asked_again_by_the_next_run(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    key_id, client = issued(gateway)
    batch(client, "fast")
    providers.fail("status", status=500)
    run = desk(gateway).settle()
    assert (run["settled"], len(run["problems"])) == (0, 1)
    assert run["problems"][0]["provider"] == "acme"
    assert desk(gateway).settle()["settled"] == 1
    assert len(rows_of(gateway, key_id)) == 1


def test_results_that_break_off_are_not_half_charged(gateway: RunningGateway, providers: SimulatedProviders) -> None:
    key_id, client = issued(gateway)
    batch(client, *["fast"] * 40)
    providers.fail("cut", path="*/content")
    run = desk(gateway).settle()
    assert (run["settled"], len(run["problems"])) == (0, 1)
    assert rows_of(gateway, key_id) == []
    assert desk(gateway).settle()["cost_usd"] == pytest.approx(40 * PRICE_OF_A_LINE)


def test_a_job_is_charged_what_it_was_trained_on(gateway: RunningGateway) -> None:
    key_id, client = issued(gateway)
    files = {"file": ("t.jsonl", b"one two three four five")}
    file = client.post("/v1/files", files=files, data={"purpose": "fine-tune"}).json()["id"]
    client.post("/v1/fine_tuning/jobs", json={"model": "fast", "training_file": file})
    assert desk(gateway).settle()["settled"] == 1
    (row,) = rows_of(gateway, key_id)
    assert row["cost_usd"] == pytest.approx(5 * 4.0 / 1e6)
    assert row["path"] == "/v1/fine_tuning/jobs"


def test_an_answer_that_was_made_in_the_background_is_charged_when_it_has_ended(gateway: RunningGateway) -> None:
    key_id, client = issued(gateway)
    answer = client.post("/v1/responses", json={"model": "fast", "input": "two words", "background": True})
    assert (answer.json()["status"], answer.headers["x-workbench-cost-usd"]) == ("queued", "0")
    assert desk(gateway).settle()["settled"] == 1
    (row,) = rows_of(gateway, key_id)
    assert row["cost_usd"] == pytest.approx(2 * PRICE_OF_A_LINE)
    assert row["path"] == "/v1/responses"


def test_what_is_settled_counts_on_the_budget(gateway: RunningGateway) -> None:
    key_id, client = issued(gateway)
    batch(client, "fast", "fast")
    admin(gateway, "PATCH", f"/admin/v1/keys/{key_id}", {"budget": {"usd_total": 1.0}})
    desk(gateway).settle()
    left = client.get("/me").json()["left"]["usd_total"]
    assert left == pytest.approx(1.0 - 2 * PRICE_OF_A_LINE)


def test_reserved_hours_are_booked_once_and_calls_on_them_cost_nothing(gateway: RunningGateway) -> None:
    def booked() -> list[tuple[str, float]]:
        rows = admin(gateway, "GET", "/admin/v1/calls?model=ours&limit=1000")["data"]
        return sorted((row["time"][:10], row["cost_usd"]) for row in rows if not row["key_id"])

    days = [((RESERVED_FROM + timedelta(days=n)).isoformat(), 48.0) for n in range(4)]
    assert booked() in (days[:3], days)  # a day may have ended since the gateway began
    desk(gateway).settle()
    assert booked() in (days[:3], days)
    assert desk(gateway).settle()["rows"] == 0
    _, client = issued(gateway)
    answer = client.post("/v1/chat/completions", json={"model": "ours", "messages": [{"role": "user", "content": "x"}]})
    assert answer.headers["x-workbench-cost-usd"] == "0"
    (row,) = client.get(f"/me/calls?request_id={answer.headers['x-request-id']}").json()["data"]
    assert (row["cost_usd"], row["cost_source"]) == (0.0, "reserved")


def test_prices_are_told_with_where_they_come_from(gateway: RunningGateway) -> None:
    (fast,) = desk(gateway).prices("fast")
    (price,) = fast["prices"]
    assert (price["in_force"], price["from"], price["input"], price["training"]) == (True, None, 1.0, 4.0)
    assert price["batch"]["input"] == 0.5
    assert price["version"].startswith("settings-")
    (ours,) = desk(gateway).prices("ours")
    assert ours["usd_per_hour"] == 2.0
    assert {row["model"] for row in desk(gateway).prices()} >= {"fast", "unpriced", "ours"}


def test_only_an_admin_settles(gateway: RunningGateway) -> None:
    _, client = issued(gateway)
    for method, path in (("POST", "/admin/v1/usage/settle"), ("GET", "/admin/v1/prices")):
        assert client.request(method, path).status_code in (401, 403)


# -- what was given up -----------------------------------------------------------------------------------------------

QUESTION = {"model": "fast", "max_tokens": 30, "messages": [{"role": "user", "content": "a plain question"}]}


def given_up(gateway: RunningGateway, key_id: str) -> dict[str, Any]:
    wait_until(lambda: bool(rows_of(gateway, key_id, settled=False)), "no row came")
    (row,) = rows_of(gateway, key_id, settled=False)
    return row


def test_a_plain_call_that_took_too_long_is_charged_an_estimate(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    key_id, client = issued(gateway)
    providers.fail("latency", seconds=30)
    assert client.post("/v1/chat/completions", json=QUESTION).status_code == 504
    row = given_up(gateway, key_id)
    assert (row["outcome"], row["cost_source"]) == ("failed", "estimated")
    assert row["output_tokens"] == 30
    assert row["cost_usd"] == pytest.approx((row["input_tokens"] * 1.0 + 30 * 2.0) / 1e6)


def test_a_plain_call_whose_key_is_revoked_is_charged_an_estimate(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    key_id, client = issued(gateway)
    providers.fail("latency", seconds=30)
    asking = threading.Thread(target=client.post, args=("/v1/chat/completions",), kwargs={"json": QUESTION})
    asking.start()
    providers.wait_until(lambda seen: len(seen) == 1)
    admin(gateway, "DELETE", f"/admin/v1/keys/{key_id}")
    asking.join(timeout=20)
    row = given_up(gateway, key_id)
    assert row["cost_source"] == "estimated"
    assert row["cost_usd"] > 0


def test_what_the_provider_refused_costs_nothing(gateway: RunningGateway, providers: SimulatedProviders) -> None:
    key_id, client = issued(gateway)
    providers.fail("status", status=400)
    assert client.post("/v1/chat/completions", json=QUESTION).status_code == 400
    row = given_up(gateway, key_id)
    assert (row["cost_usd"], row["output_tokens"]) == (0.0, None)
