"""Google's batches and tuning jobs, begun by its own SDK on its own paths, are in the ledger when they have ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types

from workbench.client.usage_desk import UsageDesk
from workbench.simulator.vertex.jobs import TRAINED_TOKENS
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders

PLACE = "/vertex/v1beta1/projects/menu-team/locations/europe-west4"
PATHS = [
    "*", "/gemini/v1/batches*", "/gemini/v1/models/gemini-2.5-flash:batchGenerateContent",
    "/gemini/v1/models/gemini-embedding-001:asyncBatchEmbedContent",
    f"{PLACE}/batchPredictionJobs*", f"{PLACE}/tuningJobs*",
]  # fmt: skip
PRICE = "price = { input = 1.0, output = 2.0, training = 4.0 }"


def config(url: str) -> str:
    return f"""
[providers.gemini]
kind = "gemini"
base_url = "{url}"
credential = {{ env = "SIM_KEY" }}
[providers.vertex]
kind = "vertex"
base_url = "{url}"
project = "menu-team"
location = "europe-west4"
credential = {{ file = "account.json" }}
[[models]]
name = "flash"
{PRICE}
deployments = [{{ provider = "gemini", model = "gemini-2.5-flash" }}]
[[models]]
name = "vectors"
task = "embedding"
price = {{ input = 1.0, output = 0.0 }}
deployments = [{{ provider = "gemini", model = "gemini-embedding-001" }}]
[[models]]
name = "tunable"
{PRICE}
deployments = [{{ provider = "vertex", model = "gemini-2.5-flash" }}]
[[prices]]
model = "*"
from = 2026-01-01
input = 1.0
output = 1.0
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, providers: SimulatedProviders) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("google")
    (home / "account.json").write_text(providers.service_account(), "utf-8")
    with running_gateway(home, config=config(providers.url), environ={"SIM_KEY": providers.credential}) as running:
        yield running


@pytest.fixture
def key(gateway: RunningGateway) -> dict[str, Any]:
    return issued(gateway)


def issued(gateway: RunningGateway, **wish: Any) -> dict[str, Any]:
    wish = {"kind": "exploration", "owner": "ana", "scopes": {"paths": PATHS}, **wish}
    headers = {"authorization": f"Bearer {gateway.owner_token}"}
    answer = httpx.post(f"{gateway.url}/admin/v1/keys", json=wish, headers=headers)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def client_of(gateway: RunningGateway, key: dict[str, Any]) -> genai.Client:
    return genai.Client(api_key=key["key"], http_options=types.HttpOptions(base_url=f"{gateway.url}/gemini"))


def settle(gateway: RunningGateway) -> dict[str, Any]:
    return UsageDesk(gateway.url, gateway.owner_token).settle()


def settled_rows(gateway: RunningGateway, key: dict[str, Any]) -> list[dict[str, Any]]:
    headers = {"authorization": f"Bearer {gateway.owner_token}"}
    answer = httpx.get(f"{gateway.url}/admin/v1/calls?key_id={key['id']}&limit=100", headers=headers)
    return [row for row in answer.json()["data"] if "settled" in row["tags"]]


def asks(*texts: str) -> list[types.InlinedRequestDict]:
    return [{"contents": [{"role": "user", "parts": [{"text": text}]}]} for text in texts]


@pytest.mark.parametrize("title", ["inline", "file"])
def test_a_batch_costs_what_its_answers_used(gateway: RunningGateway, key: dict[str, Any], title: str) -> None:
    client = client_of(gateway, key)
    requests = asks("two words", "three short words")
    made = client.batches.create(model="gemini-2.5-flash", src=requests, config={"display_name": title})
    assert made.name is not None
    found = client.batches.get(name=made.name)
    assert found.state is types.JobState.JOB_STATE_SUCCEEDED
    assert found.dest is not None
    if title == "inline":
        first = (found.dest.inlined_responses or [])[0].response
        assert first is not None
        assert first.text
    else:
        assert found.dest.file_name
    assert settle(gateway)["settled"] == 1
    (row,) = settled_rows(gateway, key)
    assert (row["model"], row["owner"], row["tags"]["answers"], row["input_tokens"]) == ("flash", "ana", "2", 5)
    assert row["cost_usd"] == pytest.approx((5 * 1.0 + row["output_tokens"] * 2.0) / 1e6 / 2)
    assert row["path"] == "/gemini/v1/batches"
    assert settle(gateway)["settled"] == 0


def test_answers_that_failed_cost_nothing(gateway: RunningGateway, key: dict[str, Any]) -> None:
    good = {"request": {"contents": [{"parts": [{"text": "two words"}]}]}, "metadata": {"key": "a"}}
    batch = {"inputConfig": {"requests": {"requests": [good, {"request": {"contents": []}}]}}}
    made = httpx.post(
        f"{gateway.url}/gemini/v1/models/gemini-2.5-flash:batchGenerateContent",
        json={"batch": batch}, headers={"x-goog-api-key": key["key"]},
    ).json()  # fmt: skip
    assert [next(iter(one)) for one in made["response"]["inlinedResponses"]["inlinedResponses"]] == [
        "response", "error",
    ]  # fmt: skip
    settle(gateway)
    (row,) = settled_rows(gateway, key)
    assert (row["tags"]["answers"], row["input_tokens"]) == ("1", 2)


def test_a_batch_of_vectors_costs_the_tokens_that_it_tells(gateway: RunningGateway, key: dict[str, Any]) -> None:
    client = client_of(gateway, key)
    source: Any = {"inlined_requests": {"contents": ["two words", "three short words"]}}
    client.batches.create_embeddings(model="gemini-embedding-001", src=source)
    assert settle(gateway)["settled"] == 1
    (row,) = settled_rows(gateway, key)
    assert (row["model"], row["input_tokens"], row["output_tokens"]) == ("vectors", 5, 0)
    assert row["cost_usd"] == pytest.approx(5 / 1e6 / 2)


def test_a_batch_waits_until_it_ends_and_costs_nothing_if_it_was_cancelled(
    gateway: RunningGateway, key: dict[str, Any]
) -> None:
    client = client_of(gateway, key)
    made = client.batches.create(model="gemini-2.5-flash", src=asks("hello"), config={"display_name": "pending"})
    assert made.name is not None
    run = settle(gateway)
    assert (run["settled"], run["waiting"]) == (0, 1)
    client.batches.cancel(name=made.name)
    run = settle(gateway)
    assert (run["settled"], run["rows"], run["problems"]) == (1, 0, [])


def test_of_a_batch_that_was_deleted_nobody_knows_the_cost(gateway: RunningGateway, key: dict[str, Any]) -> None:
    client = client_of(gateway, key)
    made = client.batches.create(model="gemini-2.5-flash", src=asks("hello"))
    assert made.name is not None
    client.batches.delete(name=made.name)
    assert settle(gateway)["settled"] == 1
    (row,) = settled_rows(gateway, key)
    assert (row["cost_usd"], row["cost_source"], row["error_code"]) == (None, "unknown", "results_gone")


def vertex(gateway: RunningGateway, key: dict[str, Any], collection: str, body: Any) -> dict[str, Any]:
    headers = {"x-goog-api-key": key["key"]}
    answer = httpx.post(f"{gateway.url}{PLACE}/{collection}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_batch_job_of_vertex_has_a_row_though_its_results_are_out_of_reach(
    gateway: RunningGateway, key: dict[str, Any]
) -> None:
    model = "publishers/google/models/gemini-2.5-flash"
    vertex(gateway, key, "batchPredictionJobs", {"displayName": "menus", "model": model})
    assert settle(gateway)["settled"] == 1
    (row,) = settled_rows(gateway, key)
    assert (row["cost_usd"], row["cost_source"], row["error_code"]) == (None, "unknown", "results_elsewhere")
    assert row["path"].startswith(PLACE)


def test_a_tuning_job_of_vertex_costs_what_it_was_trained_on(gateway: RunningGateway, key: dict[str, Any]) -> None:
    vertex(gateway, key, "tuningJobs", {"baseModel": "gemini-2.5-flash"})
    vertex(gateway, key, "tuningJobs", {"baseModel": "gemini-2.5-flash", "tunedModelDisplayName": "pending"})
    run = settle(gateway)
    assert (run["settled"], run["waiting"]) == (1, 1)
    (row,) = settled_rows(gateway, key)
    assert (row["model"], row["cost_usd"]) == ("tunable", pytest.approx(TRAINED_TOKENS * 4.0 / 1e6))


def test_a_key_with_a_budget_begins_none_though_a_pattern_prices_every_model(gateway: RunningGateway) -> None:
    client = client_of(gateway, issued(gateway, budget={"usd_total": 1}))
    with pytest.raises(genai.errors.ClientError, match="budget"):
        client.batches.create(model="gemini-2.5-flash", src=asks("hello"))
