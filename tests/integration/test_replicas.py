"""Two gateway processes on one PostgreSQL and one Redis: one limit, one budget, one set of keys, prompts and models."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import httpx
import pytest
import sqlalchemy as sa

from workbench.errors import MissingComponent
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.postgres import PostgresServer, postgres_server
from workbench.testing.redis import RedisServer, redis_server
from workbench.testing.simulated_gateway import KEY_VARIABLE, simulated_config
from workbench.testing.simulator import SimulatedProviders, simulated_providers, wait_until

HTTP = httpx.Client(timeout=30, trust_env=False)
CALL = {"model": "chatty", "max_tokens": 60, "messages": [{"role": "user", "content": "word " * 50}]}


class Pair(NamedTuple):
    """Two gateways and what they share."""

    first: RunningGateway
    second: RunningGateway
    database: str
    postgres: PostgresServer
    redis: RedisServer
    providers: SimulatedProviders


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with contextlib.ExitStack() as stack:
        try:
            postgres = stack.enter_context(postgres_server())
            redis = stack.enter_context(redis_server())
        except MissingComponent as error:
            pytest.skip(str(error))
        providers = stack.enter_context(simulated_providers())
        database = postgres.new_database()
        kept = simulated_config(providers).replace("[gateway]", '[gateway]\nfiles_provider = "sim"')
        lake = tmp_path_factory.mktemp("lake")
        config = f'{kept}\n[state]\ndatabase = "{database}"\nlimits = "{redis.url}"\nlake = "{lake}"\n'
        config += '[audit]\nship_every = 0\n[audit.bodies]\nexploration = "keep"\n'
        environ = {KEY_VARIABLE: providers.credential}
        with ThreadPoolExecutor(2) as threads:  # they begin at once, on an empty database
            homes = [tmp_path_factory.mktemp("gateway") for _ in range(2)]
            made = [running_gateway(home, config=config, environ=environ) for home in homes]
            first, second = threads.map(stack.enter_context, made)
        yield Pair(first, second, database, postgres, redis, providers)


def admin(gateway: RunningGateway, method: str, path: str, **more: Any) -> httpx.Response:
    token = {"authorization": f"Bearer {gateway.owner_token}"}
    return HTTP.request(method, f"{gateway.url}{path}", headers=token, **more)


def issue(gateway: RunningGateway, **wish: Any) -> dict[str, Any]:
    answer = admin(gateway, "POST", "/admin/v1/keys", json={"kind": "exploration", **wish})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def ask(gateway: RunningGateway, key: str, **more: Any) -> httpx.Response:
    bearer = {"authorization": f"Bearer {key}"}
    return HTTP.post(f"{gateway.url}/v1/chat/completions", json={**CALL, **more}, headers=bearer)


def known_to(gateway: RunningGateway, key: str) -> None:
    url = f"{gateway.url}/me"
    wait_until(
        lambda: HTTP.get(url, headers={"authorization": f"Bearer {key}"}).status_code == 200,
        "a key is not known", seconds=10,
    )  # fmt: skip


def spent_in_ledgers(pair: Pair, key_id: str) -> float:
    total = 0.0
    for gateway in (pair.first, pair.second):
        with sqlite3.connect(gateway.home / "ledger" / "calls.db") as ledger:
            query = "SELECT COALESCE(SUM(cost_usd), 0) FROM calls WHERE key_id = ?"
            total += ledger.execute(query, (key_id,)).fetchone()[0]
    return total


def money(pair: Pair, key_id: str) -> tuple[float, float]:
    """Return what the state database has as spent, and as leased."""
    engine = sa.create_engine(pair.database)
    with engine.connect() as connection:
        spent = connection.execute(sa.text("SELECT spent FROM money WHERE account = :key"), {"key": key_id}).scalar()
        leased = "SELECT COALESCE(SUM(amount), 0) FROM money_leases WHERE account = :key"
        held = connection.execute(sa.text(leased), {"key": key_id}).scalar()
    engine.dispose()
    return (spent or 0) / 1e12, float(held or 0) / 1e12


def test_a_limit_is_one_for_both_and_all_of_it_can_be_used(pair: Pair) -> None:
    key = issue(pair.first, limits={"requests_per_minute": 20})["key"]
    known_to(pair.second, key)
    turns = itertools.cycle((pair.first, pair.second))
    with ThreadPoolExecutor(6) as threads:
        told = Counter(threads.map(lambda gateway: ask(gateway, key).status_code, itertools.islice(turns, 40)))
    assert told == {200: 20, 429: 20}
    refused = ask(pair.second, key)
    assert (refused.status_code, refused.headers["x-ratelimit-remaining-requests"]) == (429, "0")
    assert 1 <= int(refused.headers["retry-after"]) <= 61


def test_what_one_leased_and_did_not_use_the_other_can(pair: Pair) -> None:
    key = issue(pair.first, limits={"requests_per_minute": 20})["key"]
    known_to(pair.second, key)
    assert [ask(pair.first, key).status_code for _ in range(3)] == [200] * 3
    told = Counter(ask(pair.second, key).status_code for _ in range(25))
    assert told == {200: 17, 429: 8}


def test_calls_at_once_are_counted_together(pair: Pair) -> None:
    key = issue(pair.first, limits={"concurrent": 4})["key"]
    known_to(pair.second, key)
    pair.providers.fail("stall", frames=3, times=0)
    all_told = threading.Barrier(12, timeout=60)

    def stream(gateway: RunningGateway) -> int:
        bearer = {"authorization": f"Bearer {key}"}
        body = {**CALL, "stream": True}
        with HTTP.stream("POST", f"{gateway.url}/v1/chat/completions", json=body, headers=bearer) as answer:
            all_told.wait()  # no call ends before all are decided on
            return answer.status_code

    with ThreadPoolExecutor(12) as threads:
        told = Counter(threads.map(stream, [pair.first, pair.second] * 6))
    pair.providers.clear()
    assert told == {200: 4, 429: 8}
    wait_until(lambda: ask(pair.second, key).status_code == 200, "what ended makes no room", seconds=10)


def test_a_budget_is_one_for_both_to_the_last_picodollar(pair: Pair) -> None:
    pair.providers.clear()
    cap = 0.004
    issued = issue(pair.first, budget={"usd_total": cap})
    key, key_id = issued["key"], issued["id"]
    known_to(pair.second, key)

    def used_up(gateway: RunningGateway) -> bool:
        refused = ask(gateway, key)  # one that says when to come back waits for what the other one has leased
        return refused.status_code == 429 and "retry-after" not in refused.headers

    turns = itertools.cycle((pair.first, pair.second))
    with ThreadPoolExecutor(4) as threads:
        told = Counter(threads.map(lambda gateway: ask(gateway, key).status_code, itertools.islice(turns, 80)))
    assert told.keys() == {200, 429}
    wait_until(lambda: all(used_up(gateway) for gateway in (pair.first, pair.second)), "it is not used up", seconds=20)
    wait_until(lambda: money(pair, key_id)[1] == 0, lambda: f"held at rest: {money(pair, key_id)}", seconds=20)
    spent = spent_in_ledgers(pair, key_id)
    assert money(pair, key_id)[0] == pytest.approx(spent, abs=1e-11)
    assert sum(line.usd for line in pair.providers.simulator.invoice.lines()) == pytest.approx(spent, abs=1e-9)
    assert cap * 0.9 < spent <= cap


def test_batches_and_calls_at_both_share_one_budget_until_the_batches_are_settled(pair: Pair) -> None:
    pair.providers.clear()
    cap = 0.004
    issued = issue(pair.first, budget={"usd_total": cap})
    key_id, bearer = issued["id"], {"authorization": f"Bearer {issued['key']}"}
    known_to(pair.second, issued["key"])
    lines = "\n".join(
        json.dumps({"custom_id": f"c{n}", "method": "POST", "url": "/v1/chat/completions", "body": CALL})
        for n in range(3)
    )
    sent = {"files": {"file": ("b.jsonl", lines.encode())}, "data": {"purpose": "batch"}, "headers": bearer}
    file = HTTP.post(f"{pair.first.url}/v1/files", **sent).json()["id"]
    body = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}

    def work(number: int) -> tuple[bool, int]:
        gateway = (pair.first, pair.second)[number % 2]
        if is_call := number % 3 == 0:
            return is_call, ask(gateway, issued["key"]).status_code
        return is_call, HTTP.post(f"{gateway.url}/v1/batches", json=body, headers=bearer).status_code

    with ThreadPoolExecutor(4) as threads:
        told = Counter(threads.map(work, range(60)))
    assert {status for _, status in told} == {200, 429}
    wait_until(lambda: kept_by(pair, key_id) > 0, "nothing is kept")
    wait_until(lambda: money(pair, key_id)[1] == 0, lambda: f"held at rest: {money(pair, key_id)}", seconds=20)
    assert money(pair, key_id)[0] + kept_by(pair, key_id) <= cap
    settled = admin(pair.second, "POST", "/admin/v1/usage/settle").json()
    assert (settled["settled"], settled["problems"]) == (told[False, 200], [])
    wait_until(lambda: money(pair, key_id)[1] == 0, lambda: f"held at rest: {money(pair, key_id)}", seconds=20)
    assert kept_by(pair, key_id) == 0
    spent = spent_in_ledgers(pair, key_id)
    assert money(pair, key_id)[0] == pytest.approx(spent, abs=1e-11)
    assert sum(line.usd for line in pair.providers.simulator.invoice.lines()) == pytest.approx(spent, abs=1e-9)
    wait_until(lambda: ask(pair.first, issued["key"]).status_code == 200, "what came back can't be spent", seconds=10)


def kept_by(pair: Pair, key_id: str) -> float:
    """Return what is kept of a key's money for its batches, in US dollars."""
    engine = sa.create_engine(pair.database)
    with engine.connect() as connection:
        query = "SELECT SUM(held) FROM settlements WHERE account = :key"
        held = connection.execute(sa.text(query), {"key": key_id}).scalar_one()
    engine.dispose()
    return float(held or 0) / 1e12


def test_a_revoked_key_is_dead_on_both_within_two_seconds(pair: Pair) -> None:
    issued = issue(pair.first)
    known_to(pair.second, issued["key"])
    began = time.monotonic()
    assert admin(pair.first, "DELETE", f"/admin/v1/keys/{issued['id']}").status_code == 200
    wait_until(lambda: ask(pair.second, issued["key"]).status_code == 401, "it lives on", seconds=10)
    assert time.monotonic() - began < 5  # two seconds, and the call that finds out, on a busy machine
    assert ask(pair.first, issued["key"]).status_code == 401


def test_a_call_of_one_is_found_at_the_other_once_it_was_shipped(pair: Pair) -> None:
    ana, ben = issue(pair.first, owner="ana"), issue(pair.first, owner="ben")
    answer = ask(pair.first, ana["key"], messages=[{"role": "user", "content": "found at either"}])
    request_id = answer.headers["x-request-id"]
    asked = {"request_id": request_id}
    assert admin(pair.second, "GET", "/admin/v1/calls", params=asked).json()["data"] == []
    assert admin(pair.first, "POST", "/admin/v1/audit/ship").status_code == 200
    (there,) = admin(pair.first, "GET", "/admin/v1/calls", params=asked).json()["data"]
    (here,) = admin(pair.second, "GET", "/admin/v1/calls", params=asked).json()["data"]
    assert here == there
    assert admin(pair.second, "GET", "/admin/v1/calls", params={**asked, "owner": "ben"}).json()["data"] == []
    for gateway in (pair.first, pair.second):
        shown = admin(gateway, "GET", f"/admin/v1/audit/calls/{request_id}").json()
        assert (shown["call"]["request_id"], "found at either" in shown["request"]["body"]) == (request_id, True)
    for key, found in ((ana, [request_id]), (ben, [])):
        bearer = {"authorization": f"Bearer {key['key']}"}
        rows = HTTP.get(f"{pair.second.url}/me/calls", params=asked, headers=bearer).json()["data"]
        assert [row["request_id"] for row in rows] == found
    lines = admin(pair.second, "GET", "/admin/v1/audit/dataset", params={"since": "1d"}).text.splitlines()
    assert request_id in {json.loads(line)["id"] for line in lines}


def test_prompts_and_models_are_seen_by_both(pair: Pair) -> None:
    key = issue(pair.first)["key"]
    known_to(pair.second, key)
    prompt = {"version": 1, "template": "Say {{ word }}", "reason": "a test"}
    assert admin(pair.first, "POST", "/v1/prompts/greeting@live", json=prompt).status_code in (200, 201)
    model = {"name": "added", "provider": "sim", "model": "sim-more"}
    assert admin(pair.second, "POST", "/admin/v1/models", json=model).status_code in (200, 201)
    bearer = {"authorization": f"Bearer {key}"}
    wait_until(
        lambda: HTTP.get(f"{pair.second.url}/v1/prompts/greeting@live", headers=bearer).status_code == 200,
        "the prompt is not seen", seconds=10,
    )  # fmt: skip
    wait_until(lambda: ask(pair.first, key, model="added").status_code == 200, "the model is not seen", seconds=10)


def test_a_rollout_is_judged_by_calls_of_both_and_rated_at_either(pair: Pair) -> None:
    key = issue(pair.first)["key"]
    known_to(pair.second, key)
    bearer = {"authorization": f"Bearer {key}"}
    for version, alias in ((1, "live"), (2, "canary")):
        prompt = {"version": version, "template": f"v{version}", "reason": "a test"}
        assert admin(pair.first, "POST", f"/v1/prompts/rolled@{alias}", json=prompt).status_code in (200, 201)
    plan = {"steps": [50, 100], "rule": "guardrails", "min_n": 1000, "confidence": 0.8}
    wish = {"reason": "try", "plan": plan}
    assert admin(pair.first, "POST", "/v1/prompts/rolled@live/rollout", json=wish).status_code == 201

    def rollout() -> dict[str, Any]:
        return dict(admin(pair.first, "GET", "/v1/prompts/rolled@live/rollout").json())

    def call(user: int) -> str:
        """Call with what a user is given: the candidate at the first gateway, the other at the second."""
        told = HTTP.get(f"{pair.second.url}/v1/prompts/rolled@live?user=u{user}", headers=bearer)
        tags = {"x-workbench-tags": told.headers["x-workbench-tags"]}
        gateway, model = (pair.first, "no-such-model") if told.json()["version"] == 2 else (pair.second, "chatty")
        url = f"{gateway.url}/v1/chat/completions"
        return HTTP.post(url, json={**CALL, "model": model}, headers={**bearer, **tags}).headers["x-request-id"]

    def is_rolled_out_at_the_second() -> bool:
        answer = HTTP.get(f"{pair.second.url}/v1/prompts/rolled@live", headers=bearer)
        return answer.status_code == 200 and answer.json()["rollout"] is not None

    wait_until(is_rolled_out_at_the_second, "the rollout is not seen", seconds=10)
    said = call(0)

    def rated() -> bool:
        word = {"request_id": said, "value": 1}
        return HTTP.post(f"{pair.first.url}/v1/feedback", json=word, headers=bearer).status_code == 201

    wait_until(rated, "the other gateway does not know the call", seconds=10)
    for user in range(50):
        call(user)
    wait_until(lambda: rollout()["state"] == "rolled back", lambda: str(rollout()), seconds=20)
    figures = rollout()["events"][-1]["figures"]["errors"]
    assert figures["candidate_n"] > 0
    assert figures["baseline_n"] > 0


def test_without_its_database_a_gateway_serves_known_keys_and_recovers_by_itself(pair: Pair) -> None:
    key = issue(pair.first)["key"]
    known_to(pair.second, key)
    pair.postgres.stop()
    try:
        assert {ask(gateway, key).status_code for gateway in (pair.first, pair.second)} == {200}
        refused = admin(pair.first, "POST", "/admin/v1/keys", json={"kind": "exploration"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "state_unavailable")
    finally:
        pair.postgres.start()
    wait_until(
        lambda: admin(pair.first, "POST", "/admin/v1/keys", json={"kind": "exploration"}).status_code == 201,
        "the database is not used again", seconds=20,
    )  # fmt: skip
    known_to(pair.second, issue(pair.first)["key"])


def test_without_redis_calls_that_have_limits_are_refused_by_name_and_others_served(pair: Pair) -> None:
    limited, free = issue(pair.first, limits={"concurrent": 3})["key"], issue(pair.first)["key"]
    known_to(pair.second, free)
    known_to(pair.second, limited)
    pair.redis.stop()
    try:
        refused = ask(pair.second, limited)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "limits_unavailable")
        assert "Redis" in refused.json()["error"]["message"]
        assert ask(pair.second, free).status_code == 200
    finally:
        pair.redis.start()
    wait_until(lambda: ask(pair.second, limited).status_code == 200, "Redis is not used again", seconds=20)
