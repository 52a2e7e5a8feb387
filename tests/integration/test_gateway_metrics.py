"""The gateway's metrics: one page for all workers, whose sums are those of the ledger."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulated_gateway import simulated_config
from workbench.testing.simulator import SimulatedProviders, wait_until

HELLO: Any = [{"role": "user", "content": "hello"}]
TOKEN = "only-for-prometheus"


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    config = simulated_config(providers).replace("port = 0", 'port = 0\nmetrics_token = { env = "METRICS_TOKEN" }')
    with running_gateway(
        tmp_path_factory.mktemp("home"), config=config, arguments=("--workers", "2"),
        environ={"SIM_KEY": providers.credential, "METRICS_TOKEN": TOKEN},
    ) as running:  # fmt: skip
        children = psutil.Process(running.process.pid).children()
        yield running
        running.stop()
        psutil.wait_procs(children, timeout=10)


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.issue_key()


def chat(gateway: RunningGateway, key: str, model: str = "chatty", **more: Any) -> httpx.Response:
    return httpx.post(
        f"{gateway.url}/v1/chat/completions", json={"model": model, "messages": HELLO, **more},
        headers={"authorization": f"Bearer {key}"}, timeout=30,
    )  # fmt: skip


Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(gateway: RunningGateway) -> Samples:
    page = httpx.get(f"{gateway.url}/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert page.status_code == 200, page.text
    assert page.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    return sum(
        value for (found, has), value in samples.items() if found == name and labels.items() <= dict(has).items()
    )


def in_ledger(gateway: RunningGateway, what: str) -> Any:
    with sqlite3.connect(gateway.home / "ledger" / "calls.db") as ledger:
        return ledger.execute(f"SELECT {what} FROM calls").fetchone()


def test_one_scrape_tells_the_numbers_of_all_workers_as_the_ledger_has_them(gateway: RunningGateway, key: str) -> None:
    for _ in range(12):
        assert chat(gateway, key).status_code == 200  # a connection each: the kernel chooses a worker
    assert chat(gateway, key, stream=True).status_code == 200
    assert chat(gateway, key, "nobody-knows-this").status_code == 404
    samples = scrape(gateway)
    calls, cost, tokens = in_ledger(gateway, "COUNT(*), SUM(cost_usd), SUM(input_tokens) + SUM(output_tokens)")
    writers = in_ledger(gateway, "COUNT(DISTINCT writer)")[0]
    assert writers == 2, "both workers took calls"
    assert total(samples, "workbench_calls_total") == calls
    assert total(samples, "workbench_tokens_total", kind="input") + total(
        samples, "workbench_tokens_total", kind="output"
    ) == tokens  # fmt: skip
    cent = Decimal("0.01")
    assert Decimal(total(samples, "workbench_cost_usd_total")).quantize(cent) == Decimal(cost).quantize(cent)
    assert total(samples, "workbench_cost_usd_total") == pytest.approx(cost, rel=1e-9)
    assert total(samples, "workbench_call_duration_seconds_count") == calls - 1  # one was never sent
    assert total(samples, "workbench_gateway_overhead_seconds_count") == calls - 1
    assert total(samples, "workbench_first_token_seconds_count") >= 1
    assert total(samples, "workbench_breaker_state", deployment="sim/sim-chat") == 0


def test_what_limits_refuse_or_would_refuse_is_counted(gateway: RunningGateway) -> None:
    body = {"kind": "exploration", "owner": "ana", "limits": {"requests_per_minute": 1}}
    admin = {"authorization": f"Bearer {gateway.owner_token}"}
    issued = httpx.post(f"{gateway.url}/admin/v1/keys", json=body, headers=admin)
    assert issued.status_code == 201, issued.text
    limited = issued.json()["key"]
    statuses = [chat(gateway, limited).status_code for _ in range(4)]
    assert statuses.count(429) == 3, "the workers share one limit"
    samples = scrape(gateway)
    assert total(samples, "workbench_limits_refused_total", code="rate_limit_exceeded") == 3
    assert total(samples, "workbench_calls_queued") == 0
    assert total(samples, "workbench_spool_waiting_rows") == 0


def test_what_a_caller_chose_is_no_label(gateway: RunningGateway, key: str) -> None:
    for number in range(5):
        chat(gateway, key, f"made-up-{number}", tags="x")
    samples = scrape(gateway)
    labels = {value for _, has in samples for _, value in has}
    assert not [label for label in labels if "made-up" in label or label.startswith("key_")]
    assert total(samples, "workbench_calls_total", model="other", code="model_not_found") >= 5


def test_a_worker_that_was_killed_takes_no_number_with_it(gateway: RunningGateway, key: str) -> None:
    chat(gateway, key)
    before = scrape(gateway)
    workers = psutil.Process(gateway.process.pid).children()
    os.kill(workers[0].pid, signal.SIGKILL)
    wait_until(
        lambda: (
            len([c for c in psutil.Process(gateway.process.pid).children() if c.status() != "zombie"]) == 2
            and all(child.pid != workers[0].pid for child in psutil.Process(gateway.process.pid).children())
        ),
        lambda: "the worker was not started again",
    )

    def served() -> bool:
        try:
            return all(chat(gateway, key).status_code == 200 for _ in range(8))
        except httpx.TransportError:
            return False

    wait_until(served, lambda: "calls are not answered")
    after = scrape(gateway)
    for series, value in before.items():
        if series[0].endswith(("_total", "_count", "_sum")):
            assert after[series] >= value, series
    calls = in_ledger(gateway, "COUNT(*)")[0]
    assert total(after, "workbench_calls_total") == calls


def test_the_page_is_for_admins_and_for_who_has_its_token(gateway: RunningGateway, key: str) -> None:
    def status(bearer: str | None) -> int:
        headers = {} if bearer is None else {"authorization": f"Bearer {bearer}"}
        return httpx.get(f"{gateway.url}/metrics", headers=headers).status_code

    assert status(None) == 401
    assert status(key) in (401, 403)
    assert status("another-token") == 401
    assert status(gateway.owner_token) == 200
    assert httpx.get(f"{gateway.url}/admin/v1/usage", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 401


def test_an_outage_shows_in_errors_and_in_the_breaker(
    providers: SimulatedProviders, tmp_path: Path
) -> None:  # a gateway of its own, whose breaker may open
    providers.clear()
    with running_gateway(
        tmp_path, config=simulated_config(providers) + "\n[routing]\nfailures = 1\nretries = 0\n",
        environ={"SIM_KEY": providers.credential},
    ) as alone:  # fmt: skip
        providers.fail("status", status=500, times=3)
        assert chat(alone, alone.issue_key()).status_code == 502
        page = httpx.get(f"{alone.url}/metrics", headers={"authorization": f"Bearer {alone.owner_token}"}).text
    assert 'workbench_breaker_state{deployment="sim/sim-chat"} 2.0' in page
    assert 'outcome="failed"' in page
