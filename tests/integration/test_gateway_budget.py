"""Limits and money under fire: many calls at once, failures, clients that leave, and a restart."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import psutil
import pytest

from workbench.simulator.state import CREDENTIAL
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until

HELLO: list[dict[str, str]] = [{"role": "user", "content": "hello there"}]
CONFIG = """
[gateway.timeouts]
first_token = 2
[providers.acme]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[providers.vault]
kind = "openai"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[[models]]
name = "kept"
deployments = [{{ provider = "vault", model = "gpt-4o-mini" }}]
[[models]]
name = "fast"
deployments = [{{ provider = "acme", model = "m" }}]
price = {{ input = 10.0, output = 20.0 }}
[[models]]
name = "free"
deployments = [{{ provider = "acme", model = "gratis" }}]
price = {{ input = 0.0, output = 0.0 }}
[[models]]
name = "unknown"
deployments = [{{ provider = "acme", model = "u" }}]
[[models]]
name = "backed"
deployments = [{{ provider = "acme", model = "first" }}]
price = {{ input = 1.0, output = 1.0 }}
fallbacks = ["dear"]
[[models]]
name = "dear"
deployments = [{{ provider = "acme", model = "second" }}]
price = {{ input = 100000.0, output = 100000.0 }}
"""


def serving(home: Any, url: str, *arguments: str) -> Any:
    environ = {"ACME_KEY": CREDENTIAL}
    return running_gateway(home, config=CONFIG.format(url=url), environ=environ, arguments=arguments)


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with serving(tmp_path_factory.mktemp("budget"), providers.url) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_left_over(providers: SimulatedProviders) -> None:
    providers.clear()


class Greedy(BaseHTTPRequestHandler):
    """A provider that bills a million tokens for every word."""

    ANSWER = (
        b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}],'
        b' "usage": {"prompt_tokens": 1000000, "completion_tokens": 1000000}}'
    )

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.ANSWER)))
        self.end_headers()
        self.wfile.write(self.ANSWER)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def greedy_provider() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Greedy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def admin(gateway: RunningGateway, method: str, path: str, **more: Any) -> Any:
    answer = httpx.request(method, f"{gateway.url}{path}", headers=bearer(gateway.owner_token), timeout=30, **more)
    assert answer.is_success, answer.text
    return answer.json()


def issue(gateway: RunningGateway, **wish: Any) -> dict[str, Any]:
    return dict(admin(gateway, "POST", "/admin/v1/keys", json={"kind": "production", **wish}))


def rows_of(gateway: RunningGateway, key: dict[str, Any]) -> list[dict[str, Any]]:
    return list(admin(gateway, "GET", "/admin/v1/calls", params={"key_id": key["id"], "limit": 1000})["data"])


def left(gateway: RunningGateway, key: dict[str, Any]) -> dict[str, float]:
    return dict(httpx.get(f"{gateway.url}/me", headers=bearer(key["key"])).json()["left"])


def call(gateway: RunningGateway, key: dict[str, Any], **fields: Any) -> httpx.Response:
    body = {"model": "fast", "messages": HELLO, "max_tokens": 50, **fields}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=bearer(key["key"]), timeout=30)


async def calls_at_once(
    gateway: RunningGateway, key: dict[str, Any], count: int, **fields: Any
) -> list[httpx.Response]:
    body = {"model": "fast", "messages": HELLO, "max_tokens": 50, **fields}
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(limits=limits, timeout=60, headers=bearer(key["key"])) as client:
        url = f"{gateway.url}/v1/chat/completions"
        return list(await asyncio.gather(*(client.post(url, json=body) for _ in range(count))))


@pytest.mark.parametrize("stream", [False, True])
async def test_of_200_calls_at_once_the_budget_of_10_lets_no_more_than_10_through(
    gateway: RunningGateway, providers: SimulatedProviders, stream: bool
) -> None:
    cap = 10 * float(call(gateway, issue(gateway)).headers["x-workbench-cost-usd"])
    providers.clear()
    key = issue(gateway, budget={"usd_total": cap})
    answers = await calls_at_once(gateway, key, 200, stream=stream, max_tokens=16)
    for _ in range(20):  # until nothing more is left for a call
        answers += await calls_at_once(gateway, key, 5, stream=stream, max_tokens=16)
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {200, 429}
    assert 1 <= statuses[200] <= 10
    assert len(providers.requests) == statuses[200]  # what the simulator saw is what passed
    rows = rows_of(gateway, key)
    assert Counter(row["status"] for row in rows) == statuses
    assert sum(row["cost_usd"] for row in rows) <= cap + 1e-12
    assert {row["error_code"] for row in rows if row["status"] == 429} == {"budget_exhausted"}
    assert {row["outcome"] for row in rows if row["status"] == 429} == {"refused"}
    assert left(gateway, key)["usd_total"] == pytest.approx(cap - sum(row["cost_usd"] for row in rows))


async def test_of_50_calls_at_once_two_a_minute_let_exactly_two_through(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    key = issue(gateway, limits={"requests_per_minute": 2})
    answers = await calls_at_once(gateway, key, 50)
    assert Counter(answer.status_code for answer in answers) == {200: 2, 429: 48}
    assert len(providers.requests) == 2
    for answer in answers:
        assert answer.headers["x-ratelimit-limit-requests"] == "2"
        assert int(answer.headers["x-ratelimit-remaining-requests"]) in (0, 1)
        if answer.status_code == 429:
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            assert answer.json()["error"]["code"] == "rate_limit_exceeded"
            assert answer.json()["error"]["actor"] == "caller"


async def test_no_more_calls_run_at_once_than_the_key_may(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    key = issue(gateway, limits={"concurrent": 3})
    for _ in range(3):
        providers.fail("hang", times=1)
    answers = await calls_at_once(gateway, key, 20)
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[429] == 17
    assert len(providers.requests) <= 9  # three calls, each tried at most three times
    assert left(gateway, key) == {"concurrent": 3}


def test_tokens_a_minute_are_counted_as_they_were_used(gateway: RunningGateway) -> None:
    key = issue(gateway, limits={"tokens_per_minute": 1000})
    answer = call(gateway, key)
    used = answer.json()["usage"]["total_tokens"]
    assert left(gateway, key)["tokens_per_minute"] == 1000 - used
    small = issue(gateway, limits={"tokens_per_minute": used})
    assert call(gateway, small).status_code == 200
    refused = call(gateway, small)
    assert refused.status_code == 429
    assert refused.headers["x-ratelimit-remaining-tokens"] == "0"
    assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_where_the_budget_buys_a_shorter_answer_the_provider_is_told(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    key = issue(gateway, budget={"usd_total": 0.003})
    assert call(gateway, key, max_tokens=100_000).status_code == 200
    sent = providers.requests[0].body
    assert 16 <= sent["max_tokens"] < 150
    assert call(gateway, key, max_tokens=20).status_code == 200
    assert providers.requests[1].body["max_tokens"] == 20


def test_a_budget_of_0_refuses_what_costs_and_lets_pass_what_does_not(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    key = issue(gateway, budget={"usd_per_day": 0})
    refused = call(gateway, key)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "budget_exhausted"
    assert refused.json()["error"]["actor"] == "admin"
    assert "retry-after" not in refused.headers
    assert providers.requests == []
    assert call(gateway, key, model="free").status_code == 200


@pytest.mark.parametrize(("part", "longest"), [("usd_per_day", 86_401), ("usd_per_month", 31 * 86_400 + 1)])
def test_a_budget_that_opens_again_by_itself_says_when(gateway: RunningGateway, part: str, longest: int) -> None:
    key = issue(gateway, budget={part: 0.003})
    answers = [call(gateway, key, max_tokens=100) for _ in range(60)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["error"]["code"] == "budget_exhausted"
    assert 0 < int(refused.headers["retry-after"]) <= longest


def test_a_model_without_a_price_is_refused_to_a_key_with_a_budget_only(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    refused = call(gateway, issue(gateway, budget={"usd_total": 5}), model="unknown")
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "price_unknown"
    assert refused.json()["error"]["actor"] == "admin"
    assert providers.requests == []
    assert call(gateway, issue(gateway, limits={"concurrent": 1}), model="unknown").status_code == 200


def test_a_call_that_fails_gives_back_what_it_held(gateway: RunningGateway, providers: SimulatedProviders) -> None:
    key = issue(gateway, budget={"usd_total": 1}, limits={"concurrent": 1, "tokens_per_minute": 100})
    for _ in range(3):
        providers.fail("status", status=500, times=3)
        assert call(gateway, key).status_code >= 500
    assert left(gateway, key) == {"usd_total": 1, "concurrent": 1, "tokens_per_minute": 100}


def test_a_fallback_that_the_key_cannot_pay_is_not_asked(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    key = issue(gateway, budget={"usd_total": 1})
    providers.fail("status", status=500, times=1, model="first")
    providers.fail("status", status=500, times=1, model="first")
    providers.fail("status", status=500, times=1, model="first")
    answer = call(gateway, key, model="backed")
    assert {seen.body["model"] for seen in providers.requests} == {"first"}
    assert answer.status_code in (200, 502, 503)
    assert left(gateway, key)["usd_total"] > 0.99


def test_a_client_that_leaves_pays_for_what_was_produced_and_holds_nothing(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    key = issue(gateway, budget={"usd_total": 1}, limits={"concurrent": 1})
    providers.fail("stall", frames=3)
    body = {"model": "fast", "messages": HELLO, "stream": True}
    with httpx.stream(
        "POST", f"{gateway.url}/v1/chat/completions", json=body, headers=bearer(key["key"]), timeout=30
    ) as answer:
        next(answer.iter_lines())
    wait_until(lambda: bool(rows_of(gateway, key)), "no row of the call")
    (row,) = rows_of(gateway, key)
    assert row["outcome"] == "client_left"
    assert row["cost_usd"] > 0
    assert left(gateway, key) == pytest.approx({"usd_total": 1 - row["cost_usd"], "concurrent": 1})


def test_a_provider_that_bills_more_than_was_held_stops_the_key_until_the_admin_lets_it_go_on(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("overrun")
    with greedy_provider() as url, serving(home, url) as gateway:
        key = issue(gateway, budget={"usd_total": 1})
        assert call(gateway, key).status_code == 200
        (row,) = rows_of(gateway, key)
        assert row["cost_usd"] > 10
        assert call(gateway, key).json()["error"]["code"] == "budget_overrun"
        assert gateway.stop() == 0
        assert "budget_overrun" in (home / "gateway.stderr").read_text()
    with greedy_provider() as url, serving(home, url) as gateway:
        assert call(gateway, key).json()["error"]["code"] == "budget_overrun"
        path = f"/admin/v1/keys/{key['id']}"
        assert admin(gateway, "GET", path)["stopped"] == "budget_overrun"
        assert admin(gateway, "PATCH", path, json={"budget": {"usd_total": 100}})["stopped"] is None
        assert call(gateway, key).status_code == 200


def native(gateway: RunningGateway, key: dict[str, Any], **fields: Any) -> httpx.Response:
    body = {"model": "m", "messages": HELLO, **fields}
    return httpx.post(f"{gateway.url}/acme/v1/chat/completions", json=body, headers=bearer(key["key"]), timeout=30)


def test_a_budget_holds_on_a_providers_own_paths_too(gateway: RunningGateway, providers: SimulatedProviders) -> None:
    key = issue(gateway, budget={"usd_total": 0.003})
    assert native(gateway, key, max_tokens=100_000).status_code == 200
    assert 4 <= providers.requests[0].body["max_tokens"] < 150
    (row,) = rows_of(gateway, key)
    assert row["cost_usd"] > 0
    assert left(gateway, key)["usd_total"] == pytest.approx(0.003 - row["cost_usd"])
    poor = issue(gateway, budget={"usd_total": 0})
    assert native(gateway, poor).json()["error"]["code"] == "budget_exhausted"
    assert httpx.get(f"{gateway.url}/acme/v1/models", headers=bearer(poor["key"])).status_code == 200
    assert native(gateway, key, model="nobody knows").json()["error"]["code"] == "price_unknown"


@pytest.fixture(scope="module")
def of_two(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway of two processes."""
    with serving(tmp_path_factory.mktemp("workers"), providers.url, "--workers", "2") as running:
        children = psutil.Process(running.process.pid).children()
        yield running
        running.stop()
        psutil.wait_procs(children, timeout=10)


class TestTwoWorkers:
    """The same holds where two processes answer."""

    def issue_to_all(self, of_two: RunningGateway, **wish: Any) -> dict[str, Any]:
        key = issue(of_two, **wish)

        def known() -> bool:
            url, headers = f"{of_two.url}/me", bearer(key["key"])
            return {httpx.get(url, headers=headers).status_code for _ in range(12)} == {200}

        wait_until(known, "not every worker knows the key", seconds=30)
        return key

    async def test_of_50_calls_two_a_minute_let_exactly_two_through(
        self, of_two: RunningGateway, providers: SimulatedProviders
    ) -> None:
        key = self.issue_to_all(of_two, limits={"requests_per_minute": 2})
        answers = await calls_at_once(of_two, key, 50)
        assert Counter(answer.status_code for answer in answers) == {200: 2, 429: 48}
        assert len(providers.requests) == 2
        assert len({row["writer"] for row in rows_of(of_two, key)}) == 2

    async def test_the_budget_is_one(self, of_two: RunningGateway, providers: SimulatedProviders) -> None:
        cap = 0.002
        key = self.issue_to_all(of_two, budget={"usd_total": cap})
        answers = [one for _ in range(5) for one in await calls_at_once(of_two, key, 60, max_tokens=16)]
        statuses = Counter(answer.status_code for answer in answers)
        assert set(statuses) == {200, 429}
        assert len(providers.requests) == statuses[200]
        spent = sum(row["cost_usd"] for row in rows_of(of_two, key))
        assert 0 < spent <= cap
        assert left(of_two, key)["usd_total"] == pytest.approx(cap - spent)

    def test_a_killed_worker_holds_nothing_and_its_money_is_spent(
        self, of_two: RunningGateway, providers: SimulatedProviders
    ) -> None:
        key = self.issue_to_all(of_two, limits={"concurrent": 4}, budget={"usd_total": 1})
        providers.fail("stall", frames=2, times=0)
        streams = []
        body = {"model": "fast", "messages": HELLO, "stream": True, "max_tokens": 100}
        for _ in range(4):
            client = httpx.Client(timeout=60, headers=bearer(key["key"]))
            request = client.build_request("POST", f"{of_two.url}/v1/chat/completions", json=body)
            streams.append(client.send(request, stream=True))
        assert [answer.status_code for answer in streams] == [200] * 4
        held = 1 - left(of_two, key)["usd_total"]
        assert left(of_two, key)["concurrent"] == 0
        for worker in psutil.Process(of_two.process.pid).children():
            worker.kill()

        def settled() -> bool:
            try:
                return left(of_two, key) == pytest.approx({"concurrent": 4, "usd_total": 1 - held})
            except httpx.HTTPError:
                return False

        wait_until(settled, "a dead worker still holds something", seconds=60)
