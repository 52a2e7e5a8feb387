"""Calls over several deployments: quotas, reserved capacity, outages, reloads and models that come while it runs."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from workbench.cli.config import _put_in_force
from workbench.services import GatewayAddress
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until

HELLO: Any = [{"role": "user", "content": "hello " * 40}]
ENVIRON = {"ACME_KEY": "", "WRONG_KEY": "wrong"}


def region(url: str, name: str) -> str:
    return f"""
[providers.{name}]
kind = "openai_compatible"
base_url = "{url}/region/{name}/v1"
credential = {{ env = "ACME_KEY" }}
"""


def deployments(*told: str) -> str:
    return "deployments = [" + ", ".join(f'{{ provider = "{one[0]}", model = "m"{one[1:]} }}' for one in told) + "]"


@pytest.fixture(autouse=True)
def _nothing_left_over(providers: SimulatedProviders) -> None:
    providers.clear()


@pytest.fixture
def start(providers: SimulatedProviders, tmp_path: Path) -> Iterator[Callable[[str], tuple[RunningGateway, Asker]]]:
    """Start a gateway of a configuration; return it and somebody with a key."""
    running = []

    def begin(config: str, *arguments: str) -> tuple[RunningGateway, Asker]:
        environ = {**ENVIRON, "ACME_KEY": providers.credential}
        context = running_gateway(tmp_path / "home", config=config, arguments=arguments, environ=environ)
        gateway = context.__enter__()
        running.append(context)
        asker = Asker(gateway)
        running.append(asker)
        return gateway, asker

    yield begin
    for context in reversed(running):
        context.__exit__(None, None, None)


class Asker:
    """Somebody who calls a gateway, and its owner."""

    def __init__(self, gateway: RunningGateway) -> None:
        key = gateway.issue_key()
        limits = httpx.Limits(max_connections=100)
        self.http = httpx.Client(
            base_url=gateway.url, headers={"authorization": f"Bearer {key}"}, timeout=60, limits=limits
        )
        owner = {"authorization": f"Bearer {gateway.owner_token}"}
        self.owner = httpx.Client(base_url=gateway.url, headers=owner, timeout=60)
        self.openai = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.owner.close()
        self.openai.close()

    def ask(self, model: str = "all", **more: Any) -> httpx.Response:
        return self.http.post("/v1/chat/completions", json={"model": model, "messages": HELLO, **more})

    def many(self, count: int, *, clients: int, model: str = "all") -> list[httpx.Response]:
        with ThreadPoolExecutor(clients) as pool:
            return list(pool.map(lambda _: self.ask(model), range(count)))

    def health(self) -> dict[str, dict[str, Any]]:
        answer = self.owner.get("/admin/v1/health")
        return {one["provider"]: one for one in answer.json()["data"]}

    def status(self) -> dict[str, dict[str, Any]]:
        return {one["provider"]: one for one in self.http.get("/v1/status").json()["data"]}

    def row(self, answer: httpx.Response) -> dict[str, Any]:
        rows = self.http.get("/me/calls", params={"request_id": answer.headers["x-request-id"]}).json()["data"]
        return dict(rows[0])


def tokens_of_a_call(providers: SimulatedProviders) -> int:
    """Return what a call of `ask` uses; the simulator counts the same for the same question."""
    answer = httpx.post(
        f"{providers.url}/v1/chat/completions",
        json={"model": "m", "messages": HELLO},
        headers={"authorization": f"Bearer {providers.credential}"},
    )
    providers.clear()
    return int(answer.json()["usage"]["total_tokens"])


# -- balance and quotas ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", ["configured", "told by the provider", "not known"])
def test_three_regions_take_almost_three_quotas_and_no_caller_sees_a_429(
    start: Any, providers: SimulatedProviders, known: str
) -> None:
    calls = 60
    quota = calls * tokens_of_a_call(providers)
    more = f", tokens_per_minute = {quota}" if known == "configured" else ""
    names = ("a", "b", "c")
    config = "".join(region(providers.url, name) for name in names)
    config += f'[[models]]\nname = "all"\n{deployments(*(name + more for name in names))}\n'
    _, asker = start(config)
    for name in names:
        if known == "told by the provider":
            providers.limit(requests=calls, region=name)
        else:
            providers.limit(tokens=quota, region=name)
    answers = asker.many(int(2.9 * calls), clients=12)
    assert Counter(answer.status_code for answer in answers) == {200: int(2.9 * calls)}
    served = Counter(seen.region for seen in providers.requests if seen.status == 200)
    assert min(served.values()) >= 0.8 * calls
    if known == "configured":
        assert [seen for seen in providers.requests if seen.status == 429] == []


def test_weights_share_the_tokens(start: Any, providers: SimulatedProviders) -> None:
    config = region(providers.url, "a") + region(providers.url, "b") + region(providers.url, "c")
    config += f'[[models]]\nname = "all"\n{deployments("a, weight = 3", "b", "c, weight = 0")}\n'
    _, asker = start(config)
    asker.many(80, clients=4)
    served = Counter(seen.region for seen in providers.requests)
    assert served["c"] == 0
    assert 50 <= served["a"] <= 70
    assert served["a"] + served["b"] == 80


@pytest.mark.parametrize("workers", [1, 2])
def test_reserved_capacity_is_98_percent_full_before_anything_spills(
    start: Any, providers: SimulatedProviders, workers: int
) -> None:
    calls = 200
    quota = calls * tokens_of_a_call(providers)
    providers.limit(tokens=quota, region="r")
    config = region(providers.url, "r") + region(providers.url, "d")
    told = deployments("d", f'r, capacity = "reserved", tokens_per_minute = {quota}')
    _, asker = start(config + f'[[models]]\nname = "all"\n{told}\n', "--workers", str(workers))
    answers = asker.many(calls + 40, clients=12)
    assert {answer.status_code for answer in answers} == {200}
    order = [seen.region for seen in providers.requests]
    assert order.index("d") >= 0.98 * calls
    assert [seen for seen in providers.requests if seen.status == 429] == []
    health = asker.health()
    assert health["r"]["tokens_used"] >= 0.98 * quota
    assert health["r"]["tokens_left"] <= 0.02 * quota
    assert health["d"]["tokens_left"] is None


def test_a_similar_model_with_reserved_capacity_stands_in_and_is_named(
    start: Any, providers: SimulatedProviders
) -> None:
    tokens = tokens_of_a_call(providers)
    config = region(providers.url, "a") + region(providers.url, "r")
    config += f'[[models]]\nname = "small"\nsubstitute = "large"\n{deployments(f"a, tokens_per_minute = {tokens}")}\n'
    config += f'[[models]]\nname = "large"\n{deployments("""r, capacity = "reserved" """.strip())}\n'
    _, asker = start(config)
    first, second = asker.ask("small"), asker.ask("small")
    assert first.headers["x-workbench-model"] == "small"
    assert "x-workbench-substituted-for" not in first.headers
    assert (second.headers["x-workbench-model"], second.headers["x-workbench-substituted-for"]) == ("large", "small")
    assert asker.row(second)["model"] == "small"
    assert asker.row(second)["deployment"] == "r/m"


# -- outages -----------------------------------------------------------------------------------------------------------

CROSSINGS = ("cut", "error", "hang", "stall", "reset")
TWO_REGIONS = """
[gateway]
timeouts = {{ connect = 1, first_token = 2, idle = 2, total = 30 }}
[routing]
failures = 3
cool_seconds = 1
retries = {retries}
{a}{b}
[providers.wrong]
kind = "openai_compatible"
base_url = "{url}/region/w/v1"
credential = {{ env = "WRONG_KEY" }}
[providers.claude]
kind = "anthropic"
base_url = "{url}"
credential = {{ env = "ACME_KEY" }}
[[models]]
name = "all"
{both}
[[models]]
name = "alone"
{alone}
[[models]]
name = "wrong-first"
fallbacks = ["alone"]
deployments = [{{ provider = "wrong", model = "m" }}]
{crossing}
[[models]]
name = "claude"
deployments = [{{ provider = "claude", model = "claude-sonnet-4-5" }}]
"""


def two_regions(url: str, *, retries: int = 1) -> str:
    crossing = "".join(
        f'[[models]]\nname = "crossing-{kind}"\nfallbacks = ["claude"]\n'
        f'deployments = [{{ provider = "x", model = "{kind}" }}]\n'
        for kind in CROSSINGS
    )
    return TWO_REGIONS.format(
        crossing=region(url, "x") + crossing,
        url=url,
        retries=retries,
        a=region(url, "a"),
        b=region(url, "b"),
        both=deployments("a", "b"),
        alone=deployments("a"),
    )


def test_a_region_that_fails_is_passed_over_and_comes_back_by_real_calls(
    start: Any, providers: SimulatedProviders
) -> None:
    _, asker = start(two_regions(providers.url))
    assert asker.status()["a"]["state"] == "ok"
    providers.fail("status", status=500, times=0, region="a")
    for _ in range(12):
        answer = asker.ask()
        assert (answer.status_code, answer.headers["x-workbench-deployment"]) == (200, "b/m")
    assert Counter(seen.region for seen in providers.requests) == {"a": 3, "b": 12}
    health = asker.health()["a"]
    assert (health["state"], health["last_error"]) == ("open", "provider_error")
    assert health["passed_over_until"] > health["last_error_at"]
    assert asker.status()["a"]["state"] == "down"
    assert asker.status()["b"]["state"] == "ok"
    providers.clear()
    wait_until(lambda: bool(asker.ask()) and asker.health()["a"]["state"] == "closed", "it was not tried again")
    assert asker.status()["a"]["state"] == "ok"


def test_the_last_one_is_never_shut_out(start: Any, providers: SimulatedProviders) -> None:
    _, asker = start(two_regions(providers.url, retries=0))
    providers.fail("status", status=503, times=10, region="a")
    codes = [asker.ask("alone").status_code for _ in range(11)]
    assert codes == [503] * 10 + [200]
    assert len(providers.requests) == 11


def test_a_refused_credential_takes_the_provider_out_and_names_it(start: Any, providers: SimulatedProviders) -> None:
    _, asker = start(two_regions(providers.url))
    first, second = asker.ask("wrong-first"), asker.ask("wrong-first")
    assert [answer.headers["x-workbench-model"] for answer in (first, second)] == ["alone", "alone"]
    assert [asker.row(answer)["attempts"] for answer in (first, second)] == [2, 1]
    told = asker.status()["wrong"]
    assert told["state"] == "down"
    assert "refuses the gateway's credential" in told["message"]


def test_an_outage_of_all_names_each_provider(start: Any, providers: SimulatedProviders) -> None:
    _, asker = start(two_regions(providers.url, retries=0))
    providers.fail("status", status=500, times=0)
    message = asker.ask().json()["error"]["message"]
    assert "'b'" in message
    assert "a/m (provider_error)" in message


def test_a_stream_crosses_to_another_provider_before_its_first_token(start: Any, providers: SimulatedProviders) -> None:
    _, asker = start(two_regions(providers.url))
    for kind in CROSSINGS:
        providers.clear()
        providers.fail(kind, frames=0, region="x", times=2)
        stream = asker.openai.chat.completions.create(model=f"crossing-{kind}", messages=HELLO, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        assert text.startswith("echo: hello"), kind
        assert stream.response.headers["x-workbench-model"] == "claude"
        if kind in ("hang", "stall"):  # a first token that does not come is not waited for at the same place again
            assert [seen.region for seen in providers.requests] == ["x", None]


def test_a_storm_of_429_is_not_multiplied(start: Any, providers: SimulatedProviders) -> None:
    _, asker = start(two_regions(providers.url))
    providers.fail("status", status=429, headers={"retry-after": "1"}, times=0)
    answers = asker.many(50, clients=50)
    assert {answer.status_code for answer in answers} == {429}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert 50 <= len(providers.requests) <= 50 * 3
    providers.clear()
    wait_until(lambda: asker.ask().status_code == 200, "the gateway did not recover")


def test_a_short_retry_after_is_waited_for_where_nothing_else_can_take_the_call(
    start: Any, providers: SimulatedProviders
) -> None:
    _, asker = start(two_regions(providers.url))
    providers.fail("status", status=429, headers={"retry-after": "1"})
    answer = asker.ask("alone")
    assert answer.status_code == 200
    assert asker.row(answer)["attempts"] == 2
    providers.fail("status", status=429, headers={"retry-after": "30"})
    assert asker.ask("alone").status_code == 429
    assert asker.status()["a"]["state"] == "degraded"


def test_nothing_is_held_after_calls_ended_in_any_way(start: Any, providers: SimulatedProviders) -> None:
    _, asker = start(two_regions(providers.url))
    for fault in ({"kind": "status", "status": 400}, {"kind": "status", "status": 500}, {"kind": "malformed"}):
        providers.fail(**fault)
        asker.ask("alone")
    providers.fail("slow", seconds=0.2)
    with asker.http.stream(
        "POST", "/v1/chat/completions", json={"model": "alone", "messages": HELLO, "stream": True}
    ) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        assert asker.health()["a"]["in_flight"] == 1
    wait_until(lambda: asker.health()["a"]["in_flight"] == 0, "the call that was left is still held")
    assert asker.health()["a"]["tokens_expected"] == 0


# -- reload ------------------------------------------------------------------------------------------------------------


def one(url: str, name: str, provider: str = "a", *, more: str = "") -> str:
    return f'{more}{region(url, provider)}[[models]]\nname = "{name}"\n{deployments(provider)}\n'


def test_streams_end_on_what_they_began_with_while_a_reload_replaces_it(
    start: Any, providers: SimulatedProviders
) -> None:
    gateway, asker = start(one(providers.url, "old", "a"))
    providers.fail("slow", seconds=0.1, times=50)
    with ThreadPoolExecutor(50) as pool:
        streams = list(
            pool.map(
                lambda _: asker.openai.chat.completions.create(model="old", messages=HELLO, stream=True), range(50)
            )
        )
    first = [next(iter(stream)) for stream in streams]
    assert all(chunk.choices for chunk in first)
    (gateway.home / "workbench.toml").write_text(one(providers.url, "new", "b"))
    told = asker.owner.post("/admin/v1/reload")
    assert told.status_code == 200
    assert told.json()["models"] == {"added": ["new"], "removed": ["old"], "changed": []}
    assert told.json()["providers"] == {"added": ["b"], "removed": ["a"], "changed": []}
    assert asker.ask("new").status_code == 200
    assert asker.ask("old").json()["error"]["code"] == "model_not_found"
    assert [model.id for model in asker.openai.models.list()] == ["new"]
    for stream in streams:
        assert list(stream)[-1].choices[0].finish_reason == "stop"


def test_a_stream_outlives_two_reloads_of_which_only_the_second_replaces_its_client(
    start: Any, providers: SimulatedProviders
) -> None:
    gateway, asker = start(one(providers.url, "m"))
    providers.fail("slow", seconds=0.1)
    stream = asker.openai.chat.completions.create(model="m", messages=HELLO, stream=True)
    assert next(iter(stream)).choices
    for more in ("", "[gateway]\ntimeouts = { connect = 3 }\n"):
        config = one(providers.url, "m", more=more) + one(providers.url, "n", "b")
        (gateway.home / "workbench.toml").write_text(config)
        assert asker.owner.post("/admin/v1/reload").status_code == 200
    assert list(stream)[-1].choices[0].finish_reason == "stop"


REFUSED = [
    ("[gateway]\nprot = 1\n[[models]]\nname = 'x'\ndeployments = [{ provider = 'y', model = 'z' }]",
     400, "invalid_settings", ["gateway.prot: unknown key", "deployments[0].provider: no provider named 'y'"]),
    ("not toml", 400, "invalid_settings", ["not TOML"]),
    ("[gateway]\nhost = '127.0.0.2'\n[state]\nledger_sync = 'normal'",
     409, "needs_restart", ["gateway.host", "state.ledger_sync", "needs a restart"]),
]  # fmt: skip


def test_a_configuration_that_can_not_be_taken_leaves_the_old_one(start: Any, providers: SimulatedProviders) -> None:
    gateway, asker = start(one(providers.url, "m"))
    for config, status, code, words in REFUSED:
        (gateway.home / "workbench.toml").write_text(config)
        told = asker.owner.post("/admin/v1/reload")
        assert (told.status_code, told.json()["error"]["code"]) == (status, code)
        assert all(word in told.json()["error"]["message"] for word in words)
        assert asker.ask("m").status_code == 200


def test_health_of_what_did_not_change_outlives_a_reload(start: Any, providers: SimulatedProviders) -> None:
    gateway, asker = start(two_regions(providers.url))
    providers.fail("status", status=500, times=3, region="a")
    for _ in range(3):
        asker.ask()
    assert asker.health()["a"]["state"] == "open"
    (gateway.home / "workbench.toml").write_text(two_regions(providers.url) + one(providers.url, "more", "c"))
    assert asker.owner.post("/admin/v1/reload").status_code == 200
    assert asker.health()["a"]["state"] == "open"
    assert asker.health()["a"]["last_error"] == "provider_error"
    assert asker.ask("more").status_code == 200


def test_a_hang_up_signal_reloads(start: Any, providers: SimulatedProviders) -> None:
    gateway, asker = start(one(providers.url, "old"))
    (gateway.home / "workbench.toml").write_text("broken")
    gateway.process.send_signal(signal.SIGHUP)
    log = gateway.home / "gateway.stderr"
    wait_until(lambda: "was not reloaded" in log.read_text(), "nothing was told")
    assert asker.ask("old").status_code == 200
    (gateway.home / "workbench.toml").write_text(one(providers.url, "new"))
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: asker.ask("new").status_code == 200, "it was not reloaded")


def test_a_provider_that_is_added_by_command_is_taken_by_the_gateway_that_runs(
    start: Any, providers: SimulatedProviders
) -> None:
    gateway, asker = start(one(providers.url, "m"))
    address = GatewayAddress(gateway.url, gateway.process.pid, gateway.owner_token)
    (gateway.home / "workbench.toml").write_text(one(providers.url, "m") + one(providers.url, "n", "b"))
    assert _put_in_force(address, "b") == "The gateway that runs has taken it: b can be called now."
    assert asker.ask("n").status_code == 200
    assert "reads another file" in _put_in_force(address, "c")
    (gateway.home / "workbench.toml").write_text("broken")
    assert "keeps its old settings: 1 problem" in _put_in_force(address, "d")


def test_calls_never_fail_while_reloads_go_on(start: Any, providers: SimulatedProviders) -> None:
    gateway, asker = start(one(providers.url, "m"))
    stop = threading.Event()
    codes: Counter[int] = Counter()

    def call() -> None:
        while not stop.is_set():
            codes[asker.ask("m").status_code] += 1

    workers = [threading.Thread(target=call) for _ in range(4)]
    for worker in workers:
        worker.start()
    for number in range(10):
        config = one(providers.url, "m", "a", more=f"[gateway]\ntimeouts = {{ connect = {number % 2 + 3} }}\n")
        (gateway.home / "workbench.toml").write_text(config)
        assert asker.owner.post("/admin/v1/reload").status_code == 200
        time.sleep(0.05)
    stop.set()
    for worker in workers:
        worker.join()
    assert set(codes) == {200}
    assert codes[200] > 20


def test_only_the_owner_reloads_and_looks_at_health(start: Any, providers: SimulatedProviders) -> None:
    _, asker = start(one(providers.url, "m"))
    for method, path in (("POST", "/admin/v1/reload"), ("GET", "/admin/v1/health"), ("GET", "/admin/v1/models")):
        assert asker.http.request(method, path).status_code == 403, "a gateway key administers nothing"
        assert httpx.request(method, f"{asker.http.base_url}{path}").status_code == 401
    assert httpx.get(f"{asker.http.base_url}/v1/status").status_code == 401
    assert asker.owner.get("/v1/status").status_code == 200


# -- models that come while it runs ------------------------------------------------------------------------------------


def test_a_registered_model_is_called_at_once_and_outlives_a_restart(start: Any, providers: SimulatedProviders) -> None:
    gateway, asker = start(one(providers.url, "listed"))
    wish = {"name": "ours/v1:ft", "provider": "a", "model": "tuned", "price": {"input": 1, "output": 2}}
    wish["facts"] = {"context_tokens": 4096, "tools": True}
    assert asker.ask("ours/v1:ft").status_code == 404
    added = asker.owner.post("/admin/v1/models", json=wish)
    assert added.status_code == 201, added.text
    answer = asker.ask("ours/v1:ft")
    assert (answer.status_code, answer.headers["x-workbench-deployment"]) == (200, "a/tuned")
    assert asker.row(answer)["cost_source"] == "settings"
    assert asker.http.get("/v1/models/ours/v1:ft").json()["catalogue"]["context_tokens"] == 4096
    assert asker.owner.post("/admin/v1/models", json=wish).status_code == 409
    assert asker.owner.post("/admin/v1/reload").status_code == 200
    assert asker.ask("ours/v1:ft").status_code == 200
    gateway.stop()
    _, asker = start(one(providers.url, "listed"))
    assert asker.ask("ours/v1:ft").status_code == 200
    assert [model["name"] for model in asker.owner.get("/admin/v1/models").json()["data"]] == ["ours/v1:ft"]
    assert asker.owner.get("/admin/v1/models/ours/v1:ft").json()["model"] == "tuned"
    assert asker.owner.delete("/admin/v1/models/ours/v1:ft").status_code == 200
    assert asker.ask("ours/v1:ft").status_code == 404
    assert asker.owner.delete("/admin/v1/models/ours/v1:ft").status_code == 404


NOT_SERVED = [
    ({"name": "listed"}, 409, "configuration names"),
    ({"provider": "nobody"}, 400, "Known: 'a'"),
    ({"name": "a/*"}, 400, "without '*'"),
    ({"task": "cooking"}, 400, "task"),
    ({"price": {"input": -1, "output": 0}}, 400, "input"),
    ({"fallbacks": ["gone"]}, 404, "gone"),
    ({"colour": "red"}, 400, "colour"),
]


def test_a_model_that_can_not_be_served_is_not_registered(start: Any, providers: SimulatedProviders) -> None:
    _, asker = start(one(providers.url, "listed"))
    for wish, status, word in NOT_SERVED:
        told = asker.owner.post("/admin/v1/models", json={"name": "x", "provider": "a", "model": "m", **wish})
        assert told.status_code == status
        assert word in told.json()["error"]["message"]
    assert asker.owner.get("/admin/v1/models").json()["data"] == []


def test_a_model_for_one_owner_is_not_there_for_others(start: Any, providers: SimulatedProviders) -> None:
    _, asker = start(one(providers.url, "listed"))
    me = asker.http.get("/me").json()["owner"]
    for name, owner in (("mine", me), ("theirs", "somebody-else")):
        wish = {"name": name, "provider": "a", "model": "m", "owner": owner}
        assert asker.owner.post("/admin/v1/models", json=wish).status_code == 201
    assert asker.ask("mine").status_code == 200
    told = asker.ask("theirs")
    assert told.status_code == 404
    assert told.json()["error"]["message"] == "No model named 'theirs'. Known: 'listed', 'mine'."
    assert {model.id for model in asker.openai.models.list()} == {"listed", "mine"}
    assert asker.http.get("/v1/models/theirs").status_code == 404
    assert {model["id"] for model in asker.owner.get("/v1/models").json()["data"]} == {"listed", "mine", "theirs"}


def test_models_pass_by_a_pattern_with_the_name_that_the_provider_knows(
    start: Any, providers: SimulatedProviders
) -> None:
    config = region(providers.url, "a") + region(providers.url, "b")
    config += '[[models]]\nname = "acme/*"\ndeployments = [{ provider = "a", model = "*" }]\n'
    config += '[[models]]\nname = "acme/big-*"\ndeployments = [{ provider = "b", model = "huge-*" }]\n'
    _, asker = start(config)
    answer = asker.ask("acme/some-model")
    assert (answer.status_code, answer.headers["x-workbench-model"]) == (200, "acme/some-model")
    assert answer.headers["x-workbench-deployment"] == "a/some-model"
    assert asker.row(answer)["cost_source"] == "unknown"
    assert asker.ask("acme/big-one").headers["x-workbench-deployment"] == "b/huge-one"
    assert [seen.body["model"] for seen in providers.requests] == ["some-model", "huge-one"]
    for name in ("acme/", "acme/../x", "acme/a b", "other/x", "acme/" + "x" * 300):
        assert asker.ask(name).status_code == 404, name
