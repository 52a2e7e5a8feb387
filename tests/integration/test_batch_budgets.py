"""Batches of keys with a budget: what they may cost is kept from their beginning until they are settled."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from workbench.client.usage_desk import UsageDesk
from workbench.simulator.openai.batches import SILENT
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until

PENDING = {"metadata": {"simulator": "pending"}}
LINE_USD = (2 * 1.0 + 3 * 2.0) / 1e6 / 2
"""Two words in, three out, at half the price."""
CAP = 0.002


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
price = {{ input = 1.0, output = 2.0 }}
deployments = [{{ provider = "acme", model = "our-model" }}]
[[models]]
name = "unpriced"
deployments = [{{ provider = "acme", model = "nobody-knows" }}]
[[models]]
name = "reserved"
price = {{ input = 1.0, output = 2.0 }}
[[models.deployments]]
provider = "acme"
model = "our-own-model"
capacity = "reserved"
reserved_usd_per_hour = 2.0
[[admission.limits]]
subject = "user"
match = "rich"
usd_total = {CAP}
"""


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

    def left(self) -> float:
        return float(self.client.get("/me").json()["left"]["usd_total"])


def settle(gateway: RunningGateway, *, problems: int = 0) -> dict[str, Any]:
    told: dict[str, Any] = UsageDesk(gateway.url, gateway.owner_token).settle()
    assert len(told["problems"]) == problems, told["problems"]
    return told


def rows_of(gateway: RunningGateway, person: Person) -> list[dict[str, Any]]:
    """Return the rows of a person's key that cost something, or of which nobody knows."""
    headers = {"authorization": f"Bearer {gateway.owner_token}"}
    url = f"{gateway.url}/admin/v1/calls?key_id={person.id}&limit=1000"
    rows: list[dict[str, Any]] = httpx.get(url, headers=headers, timeout=30).json()["data"]
    return [row for row in rows if row["cost_usd"] != 0]


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


def standing(gateway: RunningGateway, name: str) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {gateway.owner_token}"}
    rows = httpx.get(f"{gateway.url}/admin/v1/limits", headers=headers, timeout=30).json()["data"]
    return next(row for row in rows if row["name"] == name)


def test_a_batch_holds_the_most_that_it_may_cost_until_it_is_settled(gateway: RunningGateway) -> None:
    ana = Person(gateway, budget={"usd_total": CAP})
    assert ana.begin(ana.file("fast", "fast")).status_code == 200
    kept = CAP - ana.left()
    assert 2 * 100 * 2.0e-6 / 2 < kept < CAP, "two answers of a hundred tokens at half the price, and their prompts"
    used = standing(gateway, ana.id)["used"]
    assert used["usd_held"] == pytest.approx(kept)
    assert used["usd_total"] == 0
    settle(gateway)
    assert ana.left() == pytest.approx(CAP - 2 * LINE_USD)
    used = standing(gateway, ana.id)["used"]
    assert used["usd_held"] == 0
    assert used["usd_total"] == pytest.approx(2 * LINE_USD)


def test_reserved_capacity_serves_no_batch_so_that_one_is_paid_by_the_token(gateway: RunningGateway) -> None:
    ana, same = Person(gateway, budget={"usd_total": CAP}), Person(gateway, budget={"usd_total": CAP})
    assert ana.begin(ana.file("reserved")).status_code == 200
    assert same.begin(same.file("fast")).status_code == 200
    assert CAP - ana.left() == pytest.approx(CAP - same.left(), rel=0.05)
    settle(gateway)
    assert ana.left() == pytest.approx(CAP - LINE_USD)


def test_what_batches_hold_nobody_else_spends_and_a_cancelled_one_gives_it_all_back(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    ana = Person(gateway, budget={"usd_total": CAP})
    file = ana.file(*["fast"] * 10)
    begun = ana.begin(file, **PENDING)
    kept = CAP - ana.left()
    assert CAP / 2 < kept < CAP
    providers.clear()
    refused = ana.begin(file, **PENDING)
    assert (refused.status_code, code(refused)) == (429, "budget_exhausted")
    assert f"{kept:.6f} USD that are kept for batches" in refused.json()["error"]["message"]
    chat = {"model": "fast", "messages": [{"role": "user", "content": "x" * 1200}], "max_tokens": 10}
    assert code(ana.client.post("/v1/chat/completions", json=chat)) == "budget_exhausted"
    assert providers.requests == []
    assert settle(gateway)["waiting"] >= 1
    assert CAP - ana.left() == pytest.approx(kept), "it has not ended"
    assert ana.client.post(f"/v1/batches/{begun.json()['id']}/cancel").status_code == 200
    settle(gateway)
    assert ana.left() == pytest.approx(CAP)
    assert ana.client.post("/v1/chat/completions", json=chat).status_code == 200


def test_what_a_batch_holds_outlives_the_gateway(providers: SimulatedProviders, tmp_path: Path) -> None:
    with serving(tmp_path, providers) as before:
        settle(before)  # the reserved hours of the day before
        ana = Person(before, budget={"usd_total": CAP})
        rich = Person(before, owner="rich")
        file = ana.file(*["fast"] * 10)
        assert ana.begin(file).status_code == 200
        left = ana.left()
        assert rich.begin(rich.file(*["fast"] * 10)).status_code == 200
        before.stop()
    with serving(tmp_path, providers) as after:
        ana.at(after), rich.at(after)
        assert ana.left() == pytest.approx(left)
        assert code(ana.begin(file)) == "billed_later", "prices were read anew since the file came"
        assert code(ana.begin(ana.file(*["fast"] * 10))) == "budget_exhausted"
        assert code(rich.begin(rich.file(*["fast"] * 10))) == "budget_exhausted", "a rule's budget holds, too"
        assert settle(after)["settled"] == 2
        assert ana.left() == pytest.approx(CAP - 10 * LINE_USD)
        assert rich.begin(rich.file(*["fast"] * 10)).status_code == 200


def test_what_may_cost_anything_is_refused_before_it_begins(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    ana = Person(gateway, budget={"usd_total": 5})
    unpriced = ana.file("fast", "unpriced")
    endless = ana.file(*["fast"] * 40, most=None)
    no_call = ana.file("fast", most="any")
    providers.clear()
    assert (ana.begin(unpriced).status_code, code(ana.begin(unpriced))) == (403, "billed_later")
    assert code(ana.begin(no_call)) == "billed_later"
    assert code(ana.begin(endless)) == "budget_exhausted", "answers without a limit may be of any length"
    job = {"model": "fast", "training_file": endless}
    assert code(ana.client.post("/v1/fine_tuning/jobs", json=job)) == "billed_later"
    assert providers.requests == []
    assert ana.left() == 5
    assert Person(gateway).begin(endless).status_code == 200, "no budget binds that key"


def test_a_key_whose_batch_was_billed_more_than_was_held_is_stopped(gateway: RunningGateway) -> None:
    ana = Person(gateway, budget={"usd_total": CAP})
    assert ana.begin(ana.file("fast")).status_code == 200
    with sqlite3.connect(gateway.home / "state.db") as state:
        state.execute("UPDATE settlements SET held = 1 WHERE key_id = ?", (ana.id,))
    settle(gateway)
    chat = {"model": "fast", "messages": [{"role": "user", "content": "x"}]}
    assert code(ana.client.post("/v1/chat/completions", json=chat)) == "budget_overrun"
    headers = {"authorization": f"Bearer {gateway.owner_token}"}

    def is_stopped() -> bool:
        told = httpx.get(f"{gateway.url}/admin/v1/keys/{ana.id}", headers=headers, timeout=30).json()
        return bool(told["stopped"] == "budget_overrun")

    wait_until(is_stopped, "the key is not stopped for good")


def test_batches_that_begin_at_once_on_two_workers_never_hold_more_than_the_budget(
    providers: SimulatedProviders, tmp_path: Path
) -> None:
    with serving(tmp_path, providers, "--workers", "2") as gateway:
        settle(gateway)  # the reserved hours of the day before
        ana = Person(gateway, budget={"usd_total": CAP})
        wait_until(lambda: {ana.client.get("/me").status_code for _ in range(12)} == {200}, "a worker knows no key")
        file = ana.file("fast", "fast")
        first = ana.begin(file)
        each = CAP - ana.left()
        fit = int(CAP / each)
        with ThreadPoolExecutor(8) as pool:
            answers = [first, *pool.map(lambda _: ana.begin(file), range(3 * fit))]
        begun = [answer for answer in answers if answer.status_code == 200]
        assert {code(answer) for answer in answers if answer.status_code != 200} == {"budget_exhausted"}
        assert len(begun) <= fit
        assert settle(gateway)["settled"] == len(begun)

        def is_paid() -> bool:
            return abs(ana.left() - (CAP - 2 * len(begun) * LINE_USD)) < 1e-9

        wait_until(is_paid, lambda: f"left are {ana.left()} of {CAP}, {len(begun)} batches are paid")
        wait_until(lambda: ana.begin(file).status_code == 200, "what was given back can't be held again")


@pytest.mark.parametrize("paying", ["taken", "awaited"])
def test_a_batch_that_was_half_paid_when_a_gateway_ended_is_charged_no_second_time(
    gateway: RunningGateway, paying: str
) -> None:
    ana = Person(gateway, budget={"usd_total": CAP})
    ana.begin(ana.file("fast"))
    with sqlite3.connect(gateway.home / "state.db") as state:
        state.execute(
            "UPDATE settlements SET held = NULL, paying = ?, created_at = created_at - 1000 WHERE settled_at IS NULL",
            (paying,),
        )
    assert settle(gateway)["settled"] == 1
    assert rows_of(gateway, ana) == []


def test_fields_of_a_batch_that_nobody_can_sum_are_refused_to_keys_with_a_budget(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    ana = Person(gateway, budget={"usd_total": CAP})
    file = ana.file("fast")
    providers.clear()
    refused = ana.begin(file, input_blob="https://example.com/other.jsonl")
    assert (refused.status_code, code(refused)) == (403, "billed_later")
    assert providers.requests == []


def test_a_number_that_no_float_holds_leaves_the_sum_unknown(gateway: RunningGateway) -> None:
    ana = Person(gateway, budget={"usd_total": CAP})
    line = (
        b'{"custom_id": "c", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "fast", '
        b'"max_tokens": 5, "messages": [{"role": "user", "content": "x", "name": 1e999}]}}'
    )
    answer = ana.client.post("/v1/files", files={"file": ("b.jsonl", line)}, data={"purpose": "batch"})
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 200:
        assert code(ana.begin(answer.json()["id"])) == "billed_later"


def test_who_deletes_the_results_pays_what_the_batch_says_that_it_used(gateway: RunningGateway) -> None:
    ana = Person(gateway, budget={"usd_total": CAP})
    batch = ana.begin(ana.file("fast", "fast")).json()["id"]
    output = ana.client.get(f"/v1/batches/{batch}").json()["output_file_id"]
    assert ana.client.delete(f"/v1/files/{output}").status_code == 200
    settle(gateway)
    (row,) = rows_of(gateway, ana)
    assert (row["model"], row["cost_source"]) == ("fast", "settings")
    assert row["cost_usd"] == pytest.approx(2 * LINE_USD)
    assert ana.left() == pytest.approx(CAP - 2 * LINE_USD)


def test_who_deletes_the_results_of_a_batch_that_does_not_say_pays_what_was_kept(gateway: RunningGateway) -> None:
    ana, bo = Person(gateway, budget={"usd_total": CAP}), Person(gateway, owner="bo")
    for person in (ana, bo):
        batch = person.begin(person.file("fast", "fast"), metadata=SILENT).json()["id"]
        output = person.client.get(f"/v1/batches/{batch}").json()["output_file_id"]
        assert person.client.delete(f"/v1/files/{output}").status_code == 200
    kept = CAP - ana.left()
    assert kept > 2 * LINE_USD
    settle(gateway)
    (row,) = rows_of(gateway, ana)
    assert (row["cost_source"], row["error_code"]) == ("estimated", "results_gone")
    assert row["cost_usd"] == pytest.approx(kept)
    assert ana.left() == pytest.approx(CAP - kept)
    assert standing(gateway, ana.id)["used"]["usd_held"] == 0
    (row,) = rows_of(gateway, bo)
    assert (row["cost_usd"], row["cost_source"]) == (None, "unknown"), "nothing was kept for a key without a budget"
    assert settle(gateway)["settled"] == 0


def test_a_batch_that_is_gone_counts_as_what_was_kept_for_it(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    ana = Person(gateway, budget={"usd_total": CAP})
    ana.begin(ana.file("fast"))
    kept = CAP - ana.left()
    providers.fail("status", status=404, path="*/batches/*")
    assert settle(gateway, problems=1)["settled"] == 1
    assert [row["cost_usd"] for row in rows_of(gateway, ana)] == [pytest.approx(kept)]
    assert ana.left() == pytest.approx(CAP - kept)


def test_a_caller_who_leaves_while_a_batch_begins_pays_it_all_the_same(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    ana = Person(gateway, owner="leaver", budget={"usd_total": CAP})
    file = ana.file("fast")
    providers.fail("latency", seconds=1.0, path="*/batches")
    body = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    with pytest.raises(httpx.ReadTimeout):
        ana.client.post("/v1/batches", json=body, timeout=0.3)
    wait_until(lambda: len(ana.client.get("/v1/batches").json()["data"]) == 1, "the batch is not noted")
    assert ana.left() < CAP - LINE_USD
    settle(gateway)
    assert ana.left() == pytest.approx(CAP - LINE_USD)


@pytest.mark.parametrize(
    "fault",
    [{"kind": "reset"}, {"kind": "hang"}, {"kind": "malformed"}, {"kind": "html"}, {"kind": "status", "status": 504}],
    ids=lambda fault: fault["kind"],
)
def test_a_batch_of_which_no_answer_tells_is_charged_the_most(
    gateway: RunningGateway, providers: SimulatedProviders, fault: dict[str, Any]
) -> None:
    ana = Person(gateway, budget={"usd_total": CAP})
    file = ana.file("fast")
    ana.begin(file)
    kept = CAP - ana.left()
    settle(gateway)
    providers.fail(**fault, path="*/batches")
    assert ana.begin(file).status_code >= 500
    wait_until(lambda: len(rows_of(gateway, ana)) == 2, "nothing is charged")
    lost = next(row for row in rows_of(gateway, ana) if row["path"] == "/v1/batches" and row["outcome"] == "failed")
    assert (lost["cost_source"], lost["cost_usd"]) == ("estimated", pytest.approx(kept))
    assert ana.left() == pytest.approx(CAP - LINE_USD - kept)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_what_the_provider_refuses_holds_nothing(
    gateway: RunningGateway, providers: SimulatedProviders, status: int
) -> None:
    ana = Person(gateway, budget={"usd_total": CAP})
    file = ana.file("fast")
    providers.fail("status", status=status, path="*/batches")
    assert ana.begin(file).status_code >= 400
    assert ana.left() == CAP
    assert rows_of(gateway, ana) == []


def test_an_answer_that_was_given_before_is_given_again_whatever_is_left(gateway: RunningGateway) -> None:
    ana = Person(gateway, budget={"usd_total": CAP})
    file = ana.file(*["fast"] * 10)
    body = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h", **PENDING}
    first = ana.client.post("/v1/batches", json=body, headers={"idempotency-key": "one"})
    left = ana.left()
    assert code(ana.begin(file)) == "budget_exhausted"
    again = ana.client.post("/v1/batches", json=body, headers={"idempotency-key": "one"})
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert again.headers["idempotency-replayed"] == "true"
    assert ana.left() == left, "nothing is held for it twice"
    ana.client.post(f"/v1/batches/{first.json()['id']}/cancel")
    settle(gateway)


def test_where_models_have_budgets_no_batch_begins_that_they_could_not_hold(
    providers: SimulatedProviders, tmp_path: Path
) -> None:
    config = configuration(providers.url) + '[[admission.limits]]\nsubject = "model"\nusd_per_day = 5\n'
    with running_gateway(tmp_path, config=config, environ={"SIM_KEY": providers.credential}) as gateway:
        ana = Person(gateway, budget={"usd_total": CAP})
        refused = ana.begin(ana.file("fast"))
        assert (refused.status_code, code(refused)) == (403, "billed_later")
        assert "models" in refused.json()["error"]["message"]
        assert ana.left() == CAP


def test_what_is_kept_for_a_provider_that_is_no_more_counts_as_spent_after_a_month(
    providers: SimulatedProviders, tmp_path: Path
) -> None:
    with serving(tmp_path, providers) as before:
        settle(before)  # the reserved hours of the day before
        ana = Person(before, budget={"usd_total": CAP})
        assert ana.begin(ana.file("fast")).status_code == 200
        kept = CAP - ana.left()
        before.stop()
    config = (
        '[providers.other]\nkind = "openai"\nbase_url = "http://127.0.0.1:9/v1"\ncredential = { env = "SIM_KEY" }\n'
    )
    environ = {"SIM_KEY": providers.credential}
    with running_gateway(tmp_path, config=config, environ=environ) as after:
        ana.at(after)
        assert settle(after, problems=1)["settled"] == 0
        assert ana.left() == pytest.approx(CAP - kept)
        with sqlite3.connect(tmp_path / "state.db") as state:
            state.execute("UPDATE settlements SET created_at = created_at - 31 * 86400 WHERE key_id = ?", (ana.id,))
        assert settle(after, problems=1)["settled"] == 1
        assert [row["cost_source"] for row in rows_of(after, ana)] == ["estimated"]
        assert ana.left() == pytest.approx(CAP - kept)


def test_while_batches_are_settled_nobody_spends_what_they_hold(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    ana = Person(gateway, budget={"usd_total": CAP})
    for _ in range(8):
        assert ana.begin(ana.file("fast")).status_code == 200
    chat = {"model": "fast", "messages": [{"role": "user", "content": "two words"}], "max_tokens": 100}
    with ThreadPoolExecutor(9) as pool:
        settling = pool.submit(settle, gateway)
        while not settling.done():
            list(pool.map(lambda _: ana.client.post("/v1/chat/completions", json=chat), range(8)))
        settling.result()
    used = standing(gateway, ana.id)["used"]
    assert used["usd_total"] + used["usd_held"] <= CAP
    spent = sum(row["cost_usd"] for row in rows_of(gateway, ana))
    assert spent <= CAP
    assert used["usd_total"] == pytest.approx(spent)
    assert used["usd_held"] == 0


@pytest.fixture
def by_hand(providers: SimulatedProviders, tmp_path: Path) -> Iterator[RunningGateway]:
    """Run a gateway at which nothing waits to be settled."""
    with serving(tmp_path, providers) as running:
        yield running


def usage_settle(gateway: RunningGateway, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workbench.cli", "usage", "settle", *arguments, "--url", gateway.url],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "WORKBENCH_HOME": str(gateway.home)},
    )  # fmt: skip


def test_what_never_ends_is_listed_and_closed_for_what_was_kept(by_hand: RunningGateway) -> None:
    ana = Person(by_hand, budget={"usd_total": CAP})
    assert usage_settle(by_hand, "--open").stdout == "Nothing waits to be settled.\n"
    assert ana.begin(ana.file("fast"), **PENDING).status_code == 200
    kept = CAP - ana.left()
    assert settle(by_hand)["waiting"] == 1
    (one,) = json.loads(usage_settle(by_hand, "--open", "--json").stdout)
    assert (one["kind"], one["provider"], one["key_id"]) == ("batch", "acme", ana.id)
    assert one["held_usd"] == pytest.approx(kept)
    assert one["id"][:12] in usage_settle(by_hand, "--open").stdout
    closed = usage_settle(by_hand, "--close", one["id"][:12])
    assert (closed.returncode, closed.stdout) == (
        0, f"1 settled, 1 rows of {kept:.6f} USD in all; 0 have not ended.\n"
    )  # fmt: skip
    (row,) = rows_of(by_hand, ana)
    assert (row["outcome"], row["error_code"], row["cost_source"]) == ("unknown", "closed_by_admin", "estimated")
    assert row["cost_usd"] == pytest.approx(kept)
    assert row["tags"]["settled"] == one["upstream_id"]
    assert row["tags"]["closed_by"]
    assert ana.left() == pytest.approx(CAP - kept)
    assert json.loads(usage_settle(by_hand, "--open", "--json").stdout) == []
    assert settle(by_hand)["settled"] == 0
    again = usage_settle(by_hand, "--close", one["id"])
    assert again.returncode == 1
    assert "--open` lists" in again.stderr


def test_an_admin_says_what_it_cost(by_hand: RunningGateway) -> None:
    ana = Person(by_hand, budget={"usd_total": CAP})
    assert ana.begin(ana.file("fast"), **PENDING).status_code == 200
    (one,) = json.loads(usage_settle(by_hand, "--open", "--json").stdout)
    assert usage_settle(by_hand, "--close", one["id"], "--usd", "0").returncode == 0
    assert ana.left() == pytest.approx(CAP)
    assert rows_of(by_hand, ana) == []
    free = Person(by_hand)
    assert free.begin(free.file("fast"), **PENDING).status_code == 200
    (one,) = json.loads(usage_settle(by_hand, "--open", "--json").stdout)
    assert one["held_usd"] is None
    told = json.loads(usage_settle(by_hand, "--close", one["id"], "--json").stdout)
    assert (told["settled"], told["unpriced"]) == (1, 1)
    assert [row["cost_source"] for row in rows_of(by_hand, free)] == ["unknown"]


def test_wrong_uses_say_what_to_do(by_hand: RunningGateway) -> None:
    ana = Person(by_hand, budget={"usd_total": CAP})
    assert ana.begin(ana.file("fast"), **PENDING).status_code == 200
    assert "--close ID" in usage_settle(by_hand, "--usd", "1").stderr
    assert "give one of them" in usage_settle(by_hand, "--open", "--close", "x").stderr
    (one,) = json.loads(usage_settle(by_hand, "--open", "--json").stdout)
    assert usage_settle(by_hand, "--close", one["id"][:5]).returncode != 0, "too short to name one thing"
    url = f"{by_hand.url}/admin/v1/usage/settle"
    mine = {"authorization": f"Bearer {ana.key}"}
    assert httpx.get(url, headers=mine).status_code == 403
    assert httpx.post(f"{url}/{one['id']}", headers=mine).status_code == 403
    owner = {"authorization": f"Bearer {by_hand.owner_token}"}
    for body in ({"usd": -1}, {"usd": "a"}, {"cost": 1}):
        assert httpx.post(f"{url}/{one['id']}", json=body, headers=owner).status_code == 400, body
    assert len(json.loads(usage_settle(by_hand, "--open", "--json").stdout)) == 1
