"""Use cases of a gateway of several processes: what one decides, all follow; what is retired is dead everywhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulated_gateway import KEY_VARIABLE, simulated_config
from workbench.testing.simulator import SimulatedProviders, wait_until

RFC: dict[str, Any] = {
    "name": "menu", "purpose": "Describe dishes", "data_classes": ["public"], "models": ["chatty"],
    "volume": {"calls_per_day": 10},
}  # fmt: skip
CHAT: dict[str, Any] = {"model": "chatty", "messages": [{"role": "user", "content": "hello " * 40}]}


@pytest.fixture
def gateway(providers: SimulatedProviders, tmp_path: Path) -> Iterator[RunningGateway]:
    providers.clear()
    environ = {KEY_VARIABLE: providers.credential}
    # With [review] in the file every process must know of a use case before it issues a key for it.
    config = simulated_config(providers) + '[review]\nrisk_version = "1"\n'
    with running_gateway(tmp_path, config=config, arguments=("--workers", "2"), environ=environ) as running:
        yield running
        assert running.stop() == 0


def ask(gateway: RunningGateway, method: str, path: str, token: str, body: Any = None) -> httpx.Response:
    """Ask on a connection of its own: the kernel chooses a worker. Without certificates, which take long to load."""
    bearer = {"authorization": f"Bearer {token}"}
    return httpx.request(method, gateway.url + path, headers=bearer, json=body, timeout=30, verify=False)


def statuses(gateway: RunningGateway, key: str) -> set[int]:
    """Return the statuses of so many calls that every worker has surely answered one."""
    return {ask(gateway, "POST", "/v1/chat/completions", key, CHAT).status_code for _ in range(12)}


def test_what_is_retired_at_one_worker_is_dead_at_all_and_its_streams_end(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    owner = gateway.owner_token
    assert ask(gateway, "POST", "/use-cases", owner, RFC).status_code == 201
    for verb, body in (("/use-cases/menu/submit", {}), ("/admin/v1/use-cases/menu/approve", {"why": "only me here"})):
        answer = ask(gateway, "POST", verb, owner, body)
        assert answer.status_code == 200, answer.text
    assert answer.json()["approvals"][0]["self_approved_as_local_owner"] is True
    # Every worker issues keys at once, and what one has issued all take.
    keys = [ask(gateway, "POST", "/use-cases/menu/keys", owner, {}) for _ in range(8)]
    assert [key.status_code for key in keys] == [201] * 8
    key = keys[0].json()["key"]
    wait_until(lambda: statuses(gateway, key) == {200}, "a worker does not know the key", seconds=30)

    providers.fail("slow", seconds=0.2, times=0)
    ended: list[str] = []

    def stream() -> None:
        ended.append(ask(gateway, "POST", "/v1/chat/completions", key, {**CHAT, "stream": True}).text)

    streams = [threading.Thread(target=stream) for _ in range(8)]
    for thread in streams:
        thread.start()
    providers.wait_until(lambda seen: sum(s.ended == "open" and s.frames > 0 for s in seen) == len(streams))
    retired = ask(gateway, "POST", "/admin/v1/use-cases/menu/retire", owner, {"why": "done"})
    assert retired.json()["state"] == "retired"
    for thread in streams:
        thread.join(timeout=20)
    assert len(ended) == len(streams)
    assert all('"revoked"' in text and "[DONE]" not in text for text in ended)
    providers.clear()
    assert statuses(gateway, key) == {401}
    assert ask(gateway, "POST", "/use-cases/menu/keys", owner, {}).status_code == 409
    wish = {"kind": "production", "use_case": "menu"}
    wait_until(
        lambda: {ask(gateway, "POST", "/admin/v1/keys", owner, wish).status_code for _ in range(12)} == {409},
        "a worker issues keys of a use case that is retired",
    )


def test_what_a_use_case_is_granted_holds_from_the_first_call_at_every_worker(gateway: RunningGateway) -> None:
    owner = gateway.owner_token
    grant = {"why": "only me here", "budget": {"usd_per_month": 0}, "limits": {"requests_per_minute": 1}}
    for number in range(6):
        name = f"menu-{number}"
        for path, body in (
            ("/use-cases", {**RFC, "name": name}), (f"/use-cases/{name}/submit", {}),
            (f"/admin/v1/use-cases/{name}/approve", grant),
        ):  # fmt: skip
            assert ask(gateway, "POST", path, owner, body).status_code in (200, 201)
        key = ask(gateway, "POST", f"/use-cases/{name}/keys", owner, {}).json()["key"]
        assert statuses(gateway, key) == {429}


def test_a_budget_of_just_now_can_be_raised_at_every_worker(gateway: RunningGateway) -> None:
    owner, tomorrow = gateway.owner_token, (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    for _ in range(6):
        wish = {"kind": "exploration", "owner": "ana", "budget": {"usd_per_day": 1}}
        key = ask(gateway, "POST", "/admin/v1/keys", owner, wish).json()["id"]
        raised = {"subject": "key", "name": key, "usd_per_day": 1, "until": tomorrow, "reason": "a demo"}
        answer = ask(gateway, "POST", "/admin/v1/budgets/raises", owner, raised)
        assert answer.status_code == 201, answer.text
