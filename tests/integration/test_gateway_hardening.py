"""Input that no SDK sends: refused in the protocol's shape, nothing goes on to a provider, the gateway lives."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders

CONFIG = """
[gateway]
max_body_bytes = 1000000
timeouts = {{ connect = 1, first_token = 0.3, idle = 5, total = 30 }}
[providers.acme]
kind = "openai"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[providers.claude]
kind = "anthropic"
base_url = "{url}"
credential = {{ env = "ACME_KEY" }}
[[models]]
name = "chat"
deployments = [{{ provider = "acme", model = "gpt-4o-mini" }}]
[[models]]
name = "ears"
task = "transcription"
deployments = [{{ provider = "acme", model = "whisper-1" }}]
"""
CHAT = "/v1/chat/completions"
HELLO = b'{"model": "chat", "messages": [{"role": "user", "content": "hello"}]}'
_PLAIN = b"content-type: application/json\r\n"


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with running_gateway(
        tmp_path_factory.mktemp("hardening"),
        config=CONFIG.format(url=providers.url),
        environ={"ACME_KEY": providers.credential},
    ) as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.issue_key()


@pytest.fixture
def http(gateway: RunningGateway, key: str) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {key}", "x-api-key": key}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=30) as made:
        yield made


@pytest.fixture(autouse=True)
def _nothing_goes_on_and_the_gateway_lives(
    gateway: RunningGateway, providers: SimulatedProviders, http: httpx.Client, request: pytest.FixtureRequest
) -> Iterator[None]:
    providers.clear()
    yield
    if "goes_on" not in request.node.name:
        assert providers.requests == []
    providers.clear()
    assert gateway.process.poll() is None
    assert http.post(CHAT, content=HELLO, headers={"content-type": "application/json"}).status_code == 200
    assert (gateway.home / "gateway.stderr").read_text() == ""


def raw(gateway: RunningGateway, text: bytes) -> tuple[int, dict[str, Any]]:
    """Send bytes; return the status and the JSON body of the only answer."""
    place = urlsplit(gateway.url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=20) as connection:
        connection.sendall(text)
        told = b""
        while piece := connection.recv(65536):
            told += piece
    head, _, body = told.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head.split()[1]), json.loads(body)


def nested(depth: int) -> bytes:
    return HELLO[:-1] + b', "metadata": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


BODIES = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"{", id="half an object"),
    pytest.param(b"[]", id="a list"),
    pytest.param(b"null", id="null"),
    pytest.param(b"\xff\xfe\x00", id="no UTF-8"),
    pytest.param(b"\xef\xbb\xbf" + HELLO, id="a byte order mark"),
    pytest.param(HELLO + HELLO, id="two objects"),
    pytest.param(b"[" * 100_000, id="brackets without end"),
    pytest.param(nested(201), id="deeper than 200"),
    pytest.param(nested(100_000)[:900_000], id="deeper than any stack"),
    pytest.param(b'{"model": "chat"}', id="no messages"),
    pytest.param(b'{"messages": []}', id="no model"),
    pytest.param(b'{"model": 5, "messages": [{"role": "user", "content": "x"}]}', id="a number as model"),
    pytest.param(b'{"model": "chat", "messages": []}', id="empty messages"),
    pytest.param(b'{"model": "chat", "messages": "hello"}', id="a text as messages"),
    pytest.param(b'{"model": "chat", "messages": [5]}', id="a number as message"),
    pytest.param(b'{"model": "chat", "messages": [{"content": "x"}]}', id="no role"),
    pytest.param(b'{"model": "chat", "messages": [{"role": "user", "content": 5}]}', id="a number as content"),
    pytest.param(HELLO[:-1] + b', "stream": "yes"}', id="a text as switch"),
    pytest.param(HELLO[:-1] + b', "temperature": "hot"}', id="a text as number"),
    pytest.param(HELLO[:-1] + b', "temperature": NaN}', id="no number"),
    pytest.param(HELLO[:-1] + b', "max_tokens": 1e400}', id="a number without end"),
    pytest.param(HELLO.replace(b"hello", b"a\x00b"), id="a raw NUL"),
    pytest.param(HELLO.replace(b"hello", b"\\ud800 x"), id="half a surrogate pair"),
    pytest.param(HELLO.replace(b"hello", b"\xed\xa0\x80"), id="an encoded surrogate"),
    pytest.param(HELLO[:-1] + b', "user": "\\udfff"}', id="a surrogate in a field that nobody reads"),
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("stream", [False, True])
def test_a_body_that_can_not_be_meant_is_a_400_that_says_why(http: httpx.Client, body: bytes, stream: bool) -> None:
    if stream and body.endswith(b"}") and not body.startswith(b"[") and b'"stream"' not in body:
        body = body[:-1] + b', "stream": true}'
    answer = http.post(CHAT, content=body, headers={"content-type": "application/json"})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["actor"]) == (400, "invalid_request_error", "caller")
    assert len(error["message"]) > 20
    (row,) = http.get("/me/calls", params={"request_id": answer.headers["x-request-id"]}).json()["data"]
    assert (row["outcome"], row["status"], row["cost_usd"]) == ("refused", 400, 0)


def test_an_unknown_model_is_answered_with_the_nearest(http: httpx.Client) -> None:
    answer = http.post(CHAT, json={"model": "chta", "messages": [{"role": "user", "content": "x"}]})
    assert answer.status_code == 404
    assert "Did you mean 'chat'" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/%00", "/nothing"])
def test_an_unknown_path_is_a_404(http: httpx.Client, path: str) -> None:
    answer = http.post(path, content=HELLO)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("path", [CHAT, "/claude/v1/messages", "/acme/v1/chat/completions"])
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_a_413_and_is_not_kept(
    http: httpx.Client, gateway: RunningGateway, path: str, declared: bool
) -> None:
    before = psutil.Process(gateway.process.pid).memory_info().rss

    def pieces() -> Iterator[bytes]:
        for _ in range(1200):
            yield b" " * 100_000

    content: Any = b" " * 2_000_000 if declared else pieces()
    answer = http.post(path, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert "max_body_bytes" in answer.text
    assert psutil.Process(gateway.process.pid).memory_info().rss - before < 60_000_000


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data", "application/jsonp", "json"])
def test_a_media_type_that_is_not_taken_is_a_415(http: httpx.Client, kind: str) -> None:
    answer = http.post(CHAT, content=HELLO, headers={"content-type": kind})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]["message"]


_FILE = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n'
_MODEL = b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nears\r\n'


@pytest.mark.parametrize(("body", "kind", "status"), [
    pytest.param(_FILE + _MODEL + b"--b--\r\n", "multipart/form-data", 400, id="no boundary"),
    pytest.param(_FILE + _MODEL + b"--b--\r\n", "multipart/form-data; boundary=other", 400, id="another boundary"),
    pytest.param(_FILE + _MODEL, "multipart/form-data; boundary=b", 400, id="no end"),
    pytest.param(_FILE + b"--b--\r\n", "multipart/form-data; boundary=b", 400, id="no model"),
    pytest.param(_MODEL + b"--b--\r\n", "multipart/form-data; boundary=b", 400, id="no file"),
    pytest.param(b"--b\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b", 400, id="a part without a head"),
    pytest.param(b"--b\r\n" + b"x" * 100_000, "multipart/form-data; boundary=b", 400, id="a head without end"),
    pytest.param(b"", "multipart/form-data; boundary=b", 400, id="nothing"),
    pytest.param(HELLO, "application/json", 415, id="JSON"),
])  # fmt: skip
def test_a_form_that_is_none_is_refused(http: httpx.Client, body: bytes, kind: str, status: int) -> None:
    answer = http.post("/v1/audio/transcriptions", content=body, headers={"content-type": kind})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["actor"]) == (status, "invalid_request_error", "caller")


def test_anthropics_path_refuses_in_anthropics_shape(http: httpx.Client) -> None:
    for body, status in ((b"{", 400), (b'{"model": "claude-sonnet-4-5", "messages": "' + b"\xff" + b'"}', 400)):
        answer = http.post("/claude/v1/messages", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == status
        assert answer.json()["type"] == "error"
        assert answer.json()["error"]["type"] == "invalid_request_error"


_HEAD = b"POST %b HTTP/1.1\r\nhost: a\r\n"


@pytest.mark.parametrize(("text", "status"), [
    pytest.param(_HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400, id="two framings"),
    pytest.param(_HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n{}", 400, id="two lengths"),
    pytest.param(b"POST %b HTTP/1.1\r\nhost : a\r\n\r\n", 400, id="space before a colon"),
    pytest.param(_HEAD + b"x: a\0b\r\n\r\n", 400, id="NUL in a header"),
    pytest.param(b"POST %b\0 HTTP/1.1\r\nhost: a\r\n\r\n", 400, id="NUL in the path"),
    pytest.param(b"POST http://169.254.169.254%b HTTP/1.1\r\nhost: a\r\n\r\n", 400, id="an absolute target"),
    pytest.param(b"CONNECT 169.254.169.254:80 HTTP/1.1\r\nhost: %b\r\n\r\n", 400, id="CONNECT"),
    pytest.param(_HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", 400, id="a bad chunk"),
    pytest.param(_HEAD + b"x: y\r\n" * 20_000, 431, id="headers without end"),
    pytest.param(_HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * 20_000, 431,
                 id="trailers without end"),
])  # fmt: skip
def test_what_could_be_read_in_two_ways_is_not_read_at_all(gateway: RunningGateway, text: bytes, status: int) -> None:
    told, body = raw(gateway, text.replace(b"%b", CHAT.encode()))
    assert told == status
    assert body["error"]["code"] == "bad_request"


def test_a_request_behind_a_good_one_is_a_request_of_its_own(gateway: RunningGateway, key: str) -> None:
    place = urlsplit(gateway.url)
    # The first is a refusal that does not wait for its body; what follows must not be taken for that body's end.
    first = b"POST %b HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %d\r\n%b\r\n%b"
    second = (
        b"GET /me HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nauthorization: Bearer %b\r\n\r\n" % key.encode()
    )
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=20) as connection:
        connection.sendall(first % (CHAT.encode(), len(HELLO), _PLAIN, HELLO) + second)
        told = b""
        while piece := connection.recv(65536):
            told += piece
    assert told.count(b"HTTP/1.1 401 ") == told.count(b"HTTP/1.1 200 ") == 1
    assert told.index(b" 401 ") < told.index(b" 200 ")


def test_a_plain_answer_that_goes_on_longer_than_a_first_token_may_take_is_waited_for(
    http: httpx.Client, providers: SimulatedProviders
) -> None:
    providers.fail("latency", seconds=0.6, times=2)
    began = time.monotonic()
    assert http.post(CHAT, json=json.loads(HELLO)).status_code == 200
    assert time.monotonic() - began >= 0.6
    late = http.post(CHAT, json={**json.loads(HELLO), "stream": True})
    assert (late.status_code, late.json()["error"]["code"]) == (504, "provider_timeout")
