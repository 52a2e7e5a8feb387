"""Live conversations over WebSocket through the gateway: relayed, metered, cut when the key is revoked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import wait_until

SECRET = "upstream-secret"
LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
SESSION = json.dumps({"type": "session.created", "session": {"model": "gpt-realtime"}})


@dataclass
class Upstream:
    """A live provider: it greets, echoes, and tells its usage with each answer."""

    url: str = ""
    handshakes: list[Request] = field(default_factory=list)
    got: list[str | bytes] = field(default_factory=list)
    closed: list[int | None] = field(default_factory=list)
    refuse: int = 0


def answer(line: ServerConnection, message: str | bytes) -> None:
    told = json.loads(message)
    if told["type"] == "break":
        line.socket.close()
    elif told["type"] == "leave":
        line.close(4001, "enough")
    elif told["type"] == "response.create":
        line.send(json.dumps({"type": "response.output_text.delta", "delta": "hé"}))
        usage = {"total_tokens": 30, "input_tokens": 20, "output_tokens": 10,
                 "input_token_details": {"cached_tokens": 4, "audio_tokens": 2},
                 "output_token_details": {"audio_tokens": 3}}  # fmt: skip
        line.send(json.dumps({"type": "response.done", "response": {"usage": usage}}))
    elif told["type"] == "costly":
        line.send(json.dumps({"type": "response.done", "response": {"usage": {"output_tokens": 1000}}}))
    elif told["type"] == "half":
        line.send(json.dumps({"type": "response.output_text.delta", "delta": "never whole"}))


@pytest.fixture(scope="module")
def serving() -> Iterator[Upstream]:
    upstream = Upstream()

    def check(line: ServerConnection, request: Request) -> Response | None:
        upstream.handshakes.append(request)
        return line.respond(upstream.refuse, "{}") if upstream.refuse else None

    def converse(line: ServerConnection) -> None:
        gemini = "/ws/" in upstream.handshakes[-1].path
        if not gemini:
            line.send(SESSION)
        try:
            for message in line:
                upstream.got.append(message)
                if gemini:
                    usage = {"promptTokenCount": 7, "responseTokenCount": 5, "totalTokenCount": 12}
                    line.send(json.dumps({"serverContent": {}, "usageMetadata": usage}).encode())
                else:
                    answer(line, message)
        except ConnectionClosed:
            pass
        upstream.closed.append(line.close_code)

    with serve(converse, "127.0.0.1", 0, process_request=check, select_subprotocol=_first, max_size=2**24) as server:
        upstream.url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield upstream
        server.shutdown()


def _first(_line: ServerConnection, offered: Any) -> Any:
    return offered[0] if offered else None


@pytest.fixture
def upstream(serving: Upstream) -> Upstream:
    serving.handshakes.clear()
    serving.got.clear()
    serving.closed.clear()
    serving.refuse = 0
    return serving


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, serving: Upstream) -> Iterator[RunningGateway]:
    kinds = {"openai": f"{serving.url}/v1", "azure": serving.url, "gemini": serving.url}
    config = "".join(
        f'[providers.{kind}]\nkind = "{kind}"\nbase_url = "{url}"\ncredential = {{ env = "SECRET" }}\n'
        for kind, url in kinds.items()
    )
    with running_gateway(tmp_path_factory.mktemp("live"), config=config, environ={"SECRET": SECRET}) as running:
        yield running


@pytest.fixture
def key(gateway: RunningGateway) -> str:
    return gateway.issue_key()


def talk(gateway: RunningGateway, path: str, key: str | None, **how: Any) -> ClientConnection:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    place = urlsplit(gateway.url).netloc
    line: ClientConnection = connect(
        f"ws://{place}{path}", additional_headers=headers, open_timeout=10, max_size=2**24, **how
    )
    return line


def last_row(gateway: RunningGateway, key: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def there() -> bool:
        answer = httpx.get(f"{gateway.url}/me/calls", headers={"authorization": f"Bearer {key}"})
        found[:] = answer.json().get("data", [])
        return bool(found)

    wait_until(there, "no row came")
    return found[0]


def test_messages_pass_both_ways_as_they_are(gateway: RunningGateway, upstream: Upstream, key: str) -> None:
    with talk(gateway, "/openai/v1/realtime?model=gpt-realtime", key) as line:
        assert line.recv(5) == SESSION
        odd = '{ "type":"response.create" ,"x": "h\\u00e9 é" }'
        line.send(odd)
        assert json.loads(line.recv(5))["delta"] == "hé"
        assert json.loads(line.recv(5))["type"] == "response.done"
        large = json.dumps({"type": "input_audio_buffer.append", "audio": "x" * 1_000_000})
        line.send(large)
        line.send('{"type": "response.create"}')
        assert json.loads(line.recv(5))["delta"] == "hé"
        line.recv(5)
    assert upstream.got[:2] == [odd, large]
    row = last_row(gateway, key)
    assert (row["model"], row["path"], row["status"]) == ("openai/gpt-realtime", "/openai/v1/realtime", 101)
    assert (row["outcome"], row["input_tokens"], row["output_tokens"]) == ("ok", 40, 20)
    assert row["cached_input_tokens"] == 8
    wait_until(lambda: upstream.closed == [1000], "the provider's side stayed open")


@pytest.mark.parametrize("where", ["header", "subprotocol", "query", "api-key"])
def test_the_key_is_taken_where_the_sdk_puts_it_and_never_goes_on(
    gateway: RunningGateway, upstream: Upstream, key: str, where: str
) -> None:
    path, how = "/openai/v1/realtime?model=gpt-realtime", {}
    if where == "subprotocol":
        offered = ["realtime", f"openai-insecure-api-key.{key}", f"OpenAI-Insecure-Api-Key.{key}"]
        how = {"subprotocols": [*offered, "openai-beta.realtime-v1"]}
    elif where == "query":
        path += f"&key={key}"
    elif where == "api-key":
        path = f"/azure/openai/realtime?api-version=2024-10-01-preview&deployment=gpt-realtime&api-key={key}"
    with talk(gateway, path, key if where == "header" else None, **how) as line:
        assert line.recv(5) == SESSION
        assert line.subprotocol == ("realtime" if where == "subprotocol" else None)
    shown = upstream.handshakes[0]
    assert key not in f"{shown.path}{shown.headers}"
    assert SECRET in str(shown.headers)


def test_the_official_sdk_converses(gateway: RunningGateway, upstream: Upstream, key: str) -> None:
    client = openai.OpenAI(base_url=f"{gateway.url}/openai/v1", api_key=key)
    with client.realtime.connect(model="gpt-realtime") as connection:
        assert connection.recv().type == "session.created"
        connection.response.create()
        assert connection.recv().type == "response.output_text.delta"
        assert connection.recv().type == "response.done"
    assert last_row(gateway, key)["output_tokens"] == 10


def test_geminis_first_message_names_the_model(gateway: RunningGateway, upstream: Upstream, key: str) -> None:
    setup = json.dumps({"setup": {"model": "models/gemini-2.5-flash-live"}})
    with talk(gateway, f"/gemini{LIVE}?key={key}", None) as line:
        line.send(setup)
        assert "usageMetadata" in str(line.recv(5))
        line.send(json.dumps({"clientContent": {}}))
        line.recv(5)
    assert upstream.got[0] == setup
    assert key not in upstream.handshakes[0].path
    row = last_row(gateway, key)
    assert (row["model"], row["input_tokens"], row["output_tokens"]) == ("gemini/gemini-2.5-flash-live", 14, 10)


def test_a_revoked_key_is_cut_within_five_seconds(gateway: RunningGateway, upstream: Upstream) -> None:
    desk = {"authorization": f"Bearer {gateway.owner_token}"}
    issued = httpx.post(f"{gateway.url}/admin/v1/keys", headers=desk, json={"kind": "exploration", "owner": "eva"})
    with talk(gateway, "/openai/v1/realtime?model=gpt-realtime", issued.json()["key"]) as line:
        line.recv(5)
        began = time.monotonic()
        httpx.delete(f"{gateway.url}/admin/v1/keys/{issued.json()['id']}", headers=desk).raise_for_status()
        with pytest.raises(ConnectionClosed) as closed:
            line.recv(10)
        assert time.monotonic() - began < 5
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, "revoked" in closed.value.rcvd.reason) == (1008, True)
    wait_until(lambda: len(upstream.closed) == 1, "the provider's side stayed open")
    told = httpx.get(f"{gateway.url}/admin/v1/calls", headers=desk, params={"limit": 1}).json()["data"][0]
    assert (told["outcome"], told["error_code"], told["owner"]) == ("failed", "revoked", "eva")


def test_a_conversation_ends_where_its_budget_does(gateway: RunningGateway, upstream: Upstream) -> None:
    desk = {"authorization": f"Bearer {gateway.owner_token}"}
    wish = {"kind": "production", "budget": {"usd_total": 1.0}}
    key = httpx.post(f"{gateway.url}/admin/v1/keys", json=wish, headers=desk).json()["key"]
    answers = []

    def converse(line: ClientConnection) -> None:
        for _ in range(100):
            line.send('{"type": "costly"}')
            answers.append(line.recv(5))

    with talk(gateway, "/openai/v1/realtime?model=gpt-realtime", key) as line:
        assert line.recv(5) == SESSION
        with pytest.raises(ConnectionClosed) as closed:
            converse(line)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, 0 < len(answers) < 50) == (1008, True)
    row = last_row(gateway, key)
    assert (row["error_code"], row["cost_usd"] <= 1.0) == ("budget_exhausted", True)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/openai/v1/realtime", 400),
        ("/openai/v1/realtime?model=a&model=b", 400),
        ("/openai/v1/models?model=a", 404),
        ("/openai/v1/organization", 403),
        ("/openai/v1/../realtime?model=a", 400),
        ("/openai/v1/nothing", 404),
        ("/nobody/v1/realtime?model=a", 404),
        ("/v1/realtime?model=a", 404),
    ],
)
def test_a_handshake_that_is_refused_is_told_by_its_status(
    gateway: RunningGateway, upstream: Upstream, key: str, path: str, status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        talk(gateway, path, key)
    assert refused.value.response.status_code == status
    assert b'"error"' in (refused.value.response.body or b"")
    assert upstream.handshakes == []


def test_no_key_or_another_scope_is_refused(gateway: RunningGateway, upstream: Upstream) -> None:
    desk = {"authorization": f"Bearer {gateway.owner_token}"}
    wish = {"kind": "exploration", "owner": "ana", "scopes": {"models": ["openai/gpt-4o*"]}}
    narrow = httpx.post(f"{gateway.url}/admin/v1/keys", headers=desk, json=wish).json()["key"]
    for key, status in ((None, 401), ("wbx-wrong", 401), (narrow, 403)):
        with pytest.raises(InvalidStatus) as refused:
            talk(gateway, "/openai/v1/realtime?model=gpt-realtime", key)
        assert refused.value.response.status_code == status
    assert upstream.handshakes == []
    with talk(gateway, f"/gemini{LIVE}", narrow) as line:
        line.send(json.dumps({"setup": {"model": "models/gemini-2.5-flash-live"}}))
        with pytest.raises(ConnectionClosed) as closed:
            line.recv(5)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert upstream.handshakes == []


def test_a_providers_refusal_is_not_the_callers_fault(gateway: RunningGateway, upstream: Upstream, key: str) -> None:
    for theirs, ours in ((401, 502), (403, 502), (302, 502), (500, 502), (429, 429)):
        upstream.refuse = theirs
        with pytest.raises(InvalidStatus) as refused:
            talk(gateway, "/openai/v1/realtime?model=gpt-realtime", key)
        assert refused.value.response.status_code == ours


def test_a_close_code_passes_and_a_broken_line_is_told(gateway: RunningGateway, upstream: Upstream, key: str) -> None:
    with talk(gateway, "/openai/v1/realtime?model=gpt-realtime", key) as line:
        line.recv(5)
        line.send('{"type": "leave"}')
        with pytest.raises(ConnectionClosed) as closed:
            line.recv(5)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4001
    assert last_row(gateway, key)["outcome"] == "ok"
    with talk(gateway, "/openai/v1/realtime?model=gpt-realtime", key) as line:
        line.recv(5)
        line.send('{"type": "half"}')
        line.recv(5)
        line.send('{"type": "break"}')
        with pytest.raises(ConnectionClosed) as closed:
            line.recv(5)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011
    row = last_row(gateway, key)
    assert (row["outcome"], row["error_code"], row["output_tokens"]) == ("failed", "stream_cut", 1)
