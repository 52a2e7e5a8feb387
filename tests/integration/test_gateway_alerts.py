"""Alerts leave the gateway signed, in time and once, over workers and restarts."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulated_gateway import simulated_config
from workbench.testing.simulator import SimulatedProviders, wait_until

SECRET = "shared-with-the-receiver"
IN_TIME = 60.0


class Receiver:
    """Takes alerts; answers with the statuses that wait, and 200 after them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.letters: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []

    def got(self, kind: str, path: str = "/ops") -> list[Any]:
        bodies = [json.loads(body) for at, _, body in self.letters if at == path]
        return [body for body in bodies if body.get("kind") == kind]


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.letters.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@contextmanager
def alerting(home: Path, providers: SimulatedProviders, receiver: Receiver) -> Iterator[RunningGateway]:
    config = (
        simulated_config(providers)
        + f"""
[routing]
failures = 1
retries = 0
cool_seconds = 0.01

[alerts.destinations.ops]
url = "{receiver.url}/ops"
credential = {{ env = "ALERT_SECRET" }}

[alerts.destinations.chat]
kind = "slack"
credential = {{ env = "SLACK_URL" }}

[[alerts.cost]]
usd = 0.000001
subject = "user"
"""
    )
    environ = {"SIM_KEY": providers.credential, "ALERT_SECRET": SECRET, "SLACK_URL": f"{receiver.url}/services/T/B/x"}
    with running_gateway(home, config=config, arguments=("--workers", "2"), environ=environ) as gateway:
        yield gateway
        gateway.stop()


def embed(gateway: RunningGateway, key: str) -> int:
    headers = {"authorization": f"Bearer {key}"}
    body = {"model": "vectors", "input": "hello"}
    return httpx.post(f"{gateway.url}/v1/embeddings", headers=headers, json=body, timeout=30).status_code


def chat(gateway: RunningGateway, key: str) -> int:
    return httpx.post(
        f"{gateway.url}/v1/chat/completions", headers={"authorization": f"Bearer {key}"}, timeout=30,
        json={"model": "chatty", "messages": [{"role": "user", "content": "hello"}]},
    ).status_code  # fmt: skip


def test_alerts_reach_every_destination_once(providers: SimulatedProviders, receiver: Receiver, tmp_path: Path) -> None:
    with alerting(tmp_path, providers, receiver) as gateway:
        admin = {"authorization": f"Bearer {gateway.owner_token}"}
        tested = httpx.post(f"{gateway.url}/admin/v1/alerts/test", headers=admin, timeout=30).json()["data"]
        assert [one["delivered"] for one in tested] == [True, True]
        (letter,) = [letter for letter in receiver.letters if letter[0] == "/ops"]
        seconds, made = (part.partition("=")[2] for part in letter[1]["x-workbench-signature"].split(","))
        assert made == hmac.new(SECRET.encode(), f"{seconds}.".encode() + letter[2], hashlib.sha256).hexdigest()
        assert b"test of the gateway" in next(body for at, _, body in receiver.letters if at == "/services/T/B/x")

        receiver.statuses = [500, 503]
        key = gateway.issue_key()
        for _ in range(6):  # both workers see what was spent
            assert chat(gateway, key) == 200
        wait_until(lambda: len(receiver.got("cost")) >= 1, lambda: f"no cost: {receiver.letters}", seconds=IN_TIME)

        providers.fail("status", status=500, times=0)
        for _ in range(8):  # a worker that sees both of its models fail knows that the provider is down
            assert chat(gateway, key) >= 500
            assert embed(gateway, key) >= 500
        wait_until(lambda: len(receiver.got("provider_outage")) == 1, "no outage", seconds=IN_TIME)
        assert receiver.got("provider_outage")[0]["details"] == {"provider": "sim"}
        wait_until(lambda: not receiver.statuses, "the failed deliveries were not tried again", seconds=IN_TIME)

        def delivered() -> bool:
            alerts = httpx.get(f"{gateway.url}/admin/v1/alerts", headers=admin).json()["data"]
            assert {alert["kind"] for alert in alerts} == {"cost", "provider_outage"}
            return all(one["sent_at"] for alert in alerts for one in alert["deliveries"])

        wait_until(delivered, "not every delivery was taken", seconds=IN_TIME)
    before = len(receiver.letters)
    providers.clear()
    with alerting(tmp_path, providers, receiver) as gateway:  # it sees the cost again, and that the outage is over
        assert chat(gateway, gateway.issue_key()) == 200
        admin = {"authorization": f"Bearer {gateway.owner_token}"}
        assert httpx.post(f"{gateway.url}/admin/v1/alerts/test", headers=admin, timeout=30).status_code == 200
    again = [json.loads(body) for at, _, body in receiver.letters[before:] if at == "/ops"]
    assert [body["kind"] for body in again] == ["test"]
    assert len(receiver.got("cost")) <= 3, "two deliveries failed, so at most three were tried"
    assert len({body["id"] for body in receiver.got("cost")}) == 1


def test_alerts_are_for_admins(providers: SimulatedProviders, tmp_path: Path) -> None:
    with running_gateway(
        tmp_path, config=simulated_config(providers), environ={"SIM_KEY": providers.credential}
    ) as gateway:
        key = {"authorization": f"Bearer {gateway.issue_key()}"}
        assert httpx.post(f"{gateway.url}/admin/v1/alerts/test", headers=key).status_code in (401, 403)
        assert httpx.get(f"{gateway.url}/admin/v1/alerts", headers=key).status_code in (401, 403)
        admin = {"authorization": f"Bearer {gateway.owner_token}"}
        assert httpx.post(f"{gateway.url}/admin/v1/alerts/test", headers=admin).json() == {"data": []}
