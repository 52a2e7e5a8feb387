"""Bodies are kept, hashed or left out by data class; what is kept is what passed, and holds no credential."""

import hmac
import json
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from workbench.client.key_desk import KeyDesk
from workbench.gateway.audit.bodies import fits
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulated_gateway import KEY_VARIABLE, simulated_config
from workbench.testing.simulator import SimulatedProviders

HTTP = httpx.Client(trust_env=False)
"""One for all: making another costs more than a call."""
AUDIT = """
[audit]
ship_every = 0
[audit.bodies]
default = "hash"
exploration = "keep"
max_bytes = 4096
"""


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("bodies") / "home"
    environ = {KEY_VARIABLE: providers.credential}
    with running_gateway(home, config=simulated_config(providers) + AUDIT, environ=environ) as running:
        yield running


def ask(gateway: RunningGateway, key: str, **body: Any) -> httpx.Response:
    wish = {"model": "chatty", "messages": [{"role": "user", "content": "hello"}], **body}
    headers = {"Authorization": f"Bearer {key}"}
    answer = HTTP.post(f"{gateway.url}/v1/chat/completions", json=wish, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer


def recorded(gateway: RunningGateway, answer: httpx.Response) -> tuple[sqlite3.Row, sqlite3.Row | None]:
    connection = sqlite3.connect(gateway.home / "ledger" / "calls.db")
    connection.row_factory = sqlite3.Row
    which = (answer.headers["x-request-id"],)
    row = connection.execute("SELECT * FROM calls WHERE request_id = ?", which).fetchone()
    body = connection.execute("SELECT * FROM bodies WHERE request_id = ?", which).fetchone()
    connection.close()
    return row, body


def test_a_plain_answer_and_its_request_are_kept_as_they_passed(gateway: RunningGateway) -> None:
    answer = ask(gateway, gateway.issue_key())
    row, body = recorded(gateway, answer)
    assert row["data_class"] == "exploration"
    assert body is not None
    request, response = zlib.decompress(body["request"]), zlib.decompress(body["response"])
    assert request == answer.request.content
    assert response == answer.content
    assert fits(row["body_ref"], body["salt"], request, response)
    assert not fits(row["body_ref"], body["salt"], request, response + b" ")


def test_a_stream_is_kept_byte_for_byte_as_the_caller_got_it(gateway: RunningGateway) -> None:
    answer = ask(gateway, gateway.issue_key(), stream=True)
    _, body = recorded(gateway, answer)
    assert body is not None
    assert zlib.decompress(body["response"]) == answer.content
    assert answer.content.endswith(b"data: [DONE]\n\n")
    assert body["response_type"].startswith("text/event-stream")


def test_no_credential_is_kept_in_a_body_and_no_header_at_all(gateway: RunningGateway) -> None:
    key = gateway.issue_key()
    mine = "sk-proj-AbCdEfGhIjKlMnOpQrStUvWx"
    tool = {"type": "function", "function": {"name": "f", "parameters": {"authorization": "Basic c2VjcmV0"}}}
    answer = ask(gateway, key, messages=[{"role": "user", "content": f"my keys: {key} and {mine}"}], tools=[tool])
    _, body = recorded(gateway, answer)
    assert body is not None
    request = zlib.decompress(body["request"])
    assert json.loads(request)["messages"][0]["content"] == "my keys: *** and ***"
    for secret in (key, mine, "c2VjcmV0"):
        for column in body.keys():  # noqa: SIM118 - a Row is no mapping
            value = body[column]
            text = zlib.decompress(value) if column in ("request", "response") else str(value).encode()
            assert secret.encode() not in text


def test_a_long_body_is_cut_at_the_bound_and_says_so(gateway: RunningGateway) -> None:
    answer = ask(gateway, gateway.issue_key(), messages=[{"role": "user", "content": "word " * 2000}])
    _, body = recorded(gateway, answer)
    assert body is not None
    assert body["request_cut"] == 1
    assert zlib.decompress(body["request"]) == answer.request.content[:4096]


def test_where_bodies_are_hashed_only_who_has_the_secret_and_the_body_can_prove_it(gateway: RunningGateway) -> None:
    key = KeyDesk(gateway.url, gateway.owner_token).issue_any({"kind": "production", "owner": "ana"}, timeout=10).key
    answer = ask(gateway, key)
    row, body = recorded(gateway, answer)
    assert body is None
    mode, request, _ = row["body_ref"].split(":")
    assert mode == "hash"
    with sqlite3.connect(gateway.home / "state.db") as state:
        secret = state.execute("SELECT value FROM secrets WHERE name = 'bodies'").fetchone()[0]
    assert hmac.digest(secret, answer.request.content, "sha256").hex() == request
    assert hmac.digest(b"", answer.request.content, "sha256").hex() != request


def test_by_default_what_the_local_owner_explores_is_kept_and_nothing_else(
    providers: SimulatedProviders, tmp_path: Path
) -> None:
    environ = {KEY_VARIABLE: providers.credential}
    with running_gateway(tmp_path / "home", config=simulated_config(providers), environ=environ) as gateway:
        desk = KeyDesk(gateway.url, gateway.owner_token)
        of_an_app = desk.issue_any({"kind": "production", "owner": "ana"}, timeout=10).key
        row, body = recorded(gateway, ask(gateway, of_an_app))
        assert (row["body_ref"], body) == (None, None)
        row, body = recorded(gateway, ask(gateway, gateway.issue_key()))
        assert row["body_ref"].startswith("keep:")
        assert body is not None
