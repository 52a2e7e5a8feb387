"""What a native path sends upstream and gives back, byte for byte, and what it never lets through."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import wait_until
from workbench.wire import event_stream

OK = (200, {"content-type": "application/json"}, b'{"ok": true}')
CHAT = b'{"model":"gpt-4o-mini", "messages" : [ {"role":"user","content":"h\\u00e9"} ] ,"x_unknown":1.50}'
SECRET = "upstream-secret"


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Upstream:
    """A server that writes down what comes and answers as it is told."""

    url: str = ""
    answer: Callable[[Seen], tuple[int, dict[str, str], bytes]] = field(default=lambda _seen: OK)
    seen: list[Seen] = field(default_factory=list)

    def tell(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.answer = lambda _seen: (status, headers, body)


@pytest.fixture(scope="module")
def serving() -> Iterator[Upstream]:
    upstream = Upstream()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(self.command, self.path, headers, self._body(headers))
            upstream.seen.append(seen)
            status, told, body = upstream.answer(seen)
            self.send_response_only(status)
            told = dict(told)
            if told.pop("x-cut", None):
                self.send_header("content-length", str(len(body) + 100))
                self.close_connection = True
            elif status != 204:
                self.send_header("content-length", str(len(body)))
            for name, value in told.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any  # noqa: N815

        def _body(self, headers: dict[str, str]) -> bytes:
            if "transfer-encoding" not in headers:
                return self.rfile.read(int(headers.get("content-length", 0)))
            pieces = []
            while size := int(self.rfile.readline() or b"0", 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        upstream.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield upstream
        server.shutdown()


@pytest.fixture
def upstream(serving: Upstream) -> Upstream:
    serving.seen.clear()
    serving.answer = lambda _seen: OK
    return serving


def provider(name: str, kind: str, base: str, more: str = "") -> str:
    return f'[providers.{name}]\nkind = "{kind}"\nbase_url = "{base}"\ncredential = {{ env = "SECRET" }}\n{more}\n'


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, serving: Upstream) -> Iterator[RunningGateway]:
    url = serving.url
    aws = f'[providers.bedrock]\nkind = "bedrock"\nbase_url = "{url}"\nregion = "eu-west-1"\n'
    config = "".join(
        ["[gateway]\nmax_body_bytes = 30000000\n",
         "timeouts = { connect = 1, first_token = 3, answer = 5, idle = 3, total = 30 }\n",
         provider("openai", "openai", f"{url}/v1"), provider("proxied", "openai", f"{url}/region/eu/v1"),
         provider("bare", "openai_compatible", f"{url}/api"), provider("azure", "azure", f"{url}/openai/v1"),
         provider("anthropic", "anthropic", url), provider("gemini", "gemini", url),
         provider("translated", "litellm", url), aws, 'credential = { env = "AWS" }\n']
    )  # fmt: skip
    environ = {"SECRET": SECRET, "AWS": "AKIAUPSTREAM:aws-secret-of-the-gateway"}
    with running_gateway(tmp_path_factory.mktemp("wire"), config=config, environ=environ) as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.issue_key()


@pytest.fixture
def http(gateway: RunningGateway, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {key}"}, timeout=20) as client:
        yield client


def scoped_key(gateway: RunningGateway, **scopes: list[str]) -> str:
    answer = httpx.post(
        f"{gateway.url}/admin/v1/keys",
        headers={"authorization": f"Bearer {gateway.owner_token}"},
        json={"kind": "exploration", "owner": "ana", "scopes": scopes},
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


def row_of(gateway: RunningGateway, http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/me/calls").json()["data"][0]
    return found


# -- what goes upstream --------------------------------------------------------------------------------------------


def test_a_body_is_relayed_byte_for_byte(http: httpx.Client, upstream: Upstream) -> None:
    answer = http.post("/openai/v1/chat/completions", content=CHAT, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.content) == (200, b'{"ok": true}')
    assert upstream.seen[0].body == CHAT


def test_paths_stand_behind_the_prefix_of_the_base_url(http: httpx.Client, upstream: Upstream) -> None:
    for path in ("/openai/v1/models?limit=5", "/proxied/v1/models", "/bare/v1/models", "/azure/openai/v1/models",
                 "/anthropic/v1/models", "/gemini/v1beta/models"):  # fmt: skip
        assert http.get(path).status_code == 200, path
    assert [seen.path for seen in upstream.seen] == [
        "/v1/models?limit=5", "/region/eu/v1/models", "/api/v1/models", "/openai/v1/models", "/v1/models",
        "/v1beta/models",
    ]  # fmt: skip


def test_headers_pass_but_for_those_in_the_table(http: httpx.Client, upstream: Upstream, key: str) -> None:
    passing = {"openai-beta": "assistants=v2", "user-agent": "sdk/1", "x-stainless-lang": "python", "accept": "*/*"}
    stopped = {
        "x-api-key": key, "api-key": key, "x-goog-api-key": key, "cookie": "a=b", "x-forwarded-for": "1.2.3.4",
        "forwarded": "for=1.2.3.4", "x-workbench-tags": "team=menu", "x-http-method-override": "DELETE",
        "x-original-url": "/v1/organization", "openai-organization": "org-other", "origin": "http://evil.example",
        "connection": "keep-alive, x-secret-hop", "x-secret-hop": "1", "x-copy-of-key": f"it is {key}",
    }  # fmt: skip
    body = {"content-type": "application/json"}
    http.post("/openai/v1/chat/completions", content=CHAT, headers={**passing, **stopped, **body})
    saw = upstream.seen[0].headers
    assert {name: saw[name] for name in passing} == passing
    assert saw["authorization"] == f"Bearer {SECRET}"
    assert saw["host"] == urlsplit(upstream.url).netloc
    assert [name for name in stopped if name in saw and name != "connection"] == []
    assert "x-secret-hop" not in saw.get("connection", "")
    assert key not in str(saw)


def test_the_providers_headers_come_back_but_for_those_in_the_table(http: httpx.Client, upstream: Upstream) -> None:
    kept = {
        "request-id": "req_1",
        "x-ratelimit-remaining-requests": "9000",
        "anthropic-ratelimit-tokens-limit": "4000000",
    }
    ended = {"set-cookie": "a=b", "alt-svc": "h3", "location": "http://x.example", "openai-organization": "org",
             "x-echo": f"Bearer {SECRET}", "server": "nginx"}  # fmt: skip
    upstream.tell(200, {"content-type": "application/json", "x-request-id": "up-1", **kept, **ended}, b"{}")
    answer = http.post("/openai/v1/chat/completions", content=CHAT, headers={"content-type": "application/json"})
    assert {name: answer.headers[name] for name in kept} == kept
    assert [name for name in ended if name in answer.headers] == []
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["x-workbench-upstream-request-id"] == "up-1"


def test_an_error_of_the_provider_comes_back_as_it_is(http: httpx.Client, upstream: Upstream) -> None:
    for status in (400, 404, 409, 422, 429, 500, 503):
        body = b'{"error" : {"message":"as it came","odd":[1]}}'
        upstream.tell(status, {"content-type": "application/json", "retry-after": "1"}, body)
        answer = http.post("/openai/v1/chat/completions", content=CHAT, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.content, answer.headers["retry-after"]) == (status, body, "1")


def test_a_redirect_is_refused_and_never_followed(http: httpx.Client, upstream: Upstream) -> None:
    for status in (301, 302, 303, 307, 308):
        upstream.tell(status, {"location": f"{upstream.url}/elsewhere"}, b"")
        answer = http.post("/openai/v1/chat/completions", content=CHAT, headers={"content-type": "application/json"})
        assert answer.status_code == 502
        assert "redirect" in answer.json()["error"]["message"]
    assert {seen.path for seen in upstream.seen} == {"/v1/chat/completions"}


def test_a_web_page_is_no_answer(http: httpx.Client, upstream: Upstream) -> None:
    upstream.tell(200, {"content-type": "text/html"}, b"<html>login</html>")
    answer = http.get("/openai/v1/models")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "provider_error")


def test_an_answer_without_a_body_keeps_its_status(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.tell(204, {}, b"")
    spelt = scoped_key(gateway, paths=["/openai/v1/files*"])
    answer = httpx.delete(f"{gateway.url}/openai/v1/files/file-1", headers={"authorization": f"Bearer {spelt}"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers


def test_an_answer_that_is_no_json_is_passed_on_as_it_comes(http: httpx.Client, upstream: Upstream) -> None:
    sound = bytes(range(256)) * 4096
    upstream.tell(200, {"content-type": "audio/mpeg"}, sound)
    answer = http.post("/openai/v1/audio/speech", json={"model": "tts-1", "input": "hello", "voice": "alloy"})
    assert (answer.headers["content-type"], answer.content) == ("audio/mpeg", sound)


def test_an_answer_that_comes_packed_although_nobody_asked_is_passed_on_whole(
    gateway: RunningGateway, http: httpx.Client, upstream: Upstream
) -> None:
    sound = b"ID3" * 100_000
    upstream.tell(200, {"content-type": "audio/mpeg", "content-encoding": "gzip"}, gzip.compress(sound))
    answer = http.post("/openai/v1/audio/speech", json={"model": "tts-1", "input": "hello", "voice": "alloy"})
    assert answer.content == sound
    spelt = scoped_key(gateway, paths=["/openai/v1/files*"])
    answer = httpx.get(f"{gateway.url}/openai/v1/files/file-1/content", headers={"authorization": f"Bearer {spelt}"})
    assert answer.content == sound


def test_bytes_that_break_off_break_the_connection(http: httpx.Client, upstream: Upstream) -> None:
    upstream.tell(200, {"content-type": "audio/mpeg", "x-cut": "1"}, b"ID3" * 1000)
    with pytest.raises(httpx.RemoteProtocolError):
        http.post("/openai/v1/audio/speech", json={"model": "tts-1", "input": "hello", "voice": "alloy"})


def test_usage_of_a_stream_is_asked_for_without_another_byte_changed(http: httpx.Client, upstream: Upstream) -> None:
    frames = (
        b'data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: {"choices":[],"usage":{"prompt_tokens":3,'
        b'"completion_tokens":1}}\n\ndata: [DONE]\n\n'
    )
    upstream.tell(200, {"content-type": "text/event-stream"}, frames)
    body = b'{ "model":"gpt-4o-mini","messages":[],"stream":true}'
    answer = http.post("/openai/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert upstream.seen[0].body == body.replace(b"{ ", b'{"stream_options":{"include_usage":true}, ', 1)
    assert b"usage" not in answer.content
    asked = body.replace(b"true}", b'true,"stream_options":{"include_usage":true}}')
    answer = http.post("/openai/v1/chat/completions", content=asked, headers={"content-type": "application/json"})
    assert upstream.seen[1].body == asked
    assert answer.content == frames


# -- large bodies --------------------------------------------------------------------------------------------------


def form(*parts: tuple[str, bytes], boundary: bytes = b"xyz") -> bytes:
    pieces = [b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (boundary, h.encode(), b) for h, b in parts]
    return b"".join(pieces) + b"--%b--\r\n" % boundary


FORM = {"content-type": "multipart/form-data; boundary=xyz"}
LARGE = b"0123456789abcdef" * (1024 * 1024 * 20 // 16)


@pytest.mark.parametrize("model_first", [True, False])
def test_twenty_megabytes_pass_in_bounded_memory(
    gateway: RunningGateway, http: httpx.Client, upstream: Upstream, model_first: bool
) -> None:
    model, file = ('name="model"', b"whisper-1"), ('name="file"; filename="a.wav"', LARGE)
    body = form(model, file) if model_first else form(file, model)
    process = psutil.Process(gateway.process.pid)
    http.post("/openai/v1/audio/transcriptions", content=form(model), headers=FORM)
    before = process.memory_info().rss
    peak = [before]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        answer = http.post("/openai/v1/audio/transcriptions", content=iter_of(body), headers=FORM)
    finally:
        done.set()
        watcher.join()
    assert answer.status_code == 200, answer.text
    assert upstream.seen[-1].body == body
    assert row_of(gateway, http)["model"] == "openai/whisper-1"
    assert peak[0] - before < 12 * 1024 * 1024


def test_a_body_is_asked_for_only_where_it_is_wanted(gateway: RunningGateway, upstream: Upstream, key: str) -> None:
    body = form(('name="model"', b"whisper-1"), ('name="file"; filename="a"', b"x" * 1000))
    head = (
        f"HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nExpect: 100-continue\r\nConnection: close\r\n"
    )
    head += f"Content-Type: {FORM['content-type']}\r\nContent-Length: {len(body)}\r\n\r\n"
    place = urlsplit(gateway.url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=10) as line:
        line.sendall(f"POST /openai/v1/audio/transcriptions {head}".encode())
        assert line.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(body)
        assert line.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert upstream.seen[0].body == body
    status, _ = raw(gateway, f"POST /openai/v1/organization {head}")
    assert status == 403


def test_a_caller_who_leaves_in_the_middle_of_an_upload_leaves_a_row(
    gateway: RunningGateway, http: httpx.Client, upstream: Upstream, key: str
) -> None:
    start = form(('name="model"', b"whisper-1"), ('name="file"; filename="a"', b"x" * 300_000))[:-20]
    head = f"POST /openai/v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    head += f"Content-Type: {FORM['content-type']}\r\nContent-Length: 9000000\r\n\r\n"
    place = urlsplit(gateway.url)
    before = row_of(gateway, http)["request_id"]
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=10) as line:
        line.sendall(head.encode() + start)
    wait_until(lambda: row_of(gateway, http)["request_id"] != before, "no row came")
    row = row_of(gateway, http)
    assert (row["outcome"], row["status"]) == ("client_left", 499)


def test_a_head_is_answered_without_a_body(http: httpx.Client, upstream: Upstream) -> None:
    answer = http.head("/openai/v1/models")
    assert (answer.status_code, answer.content) == (200, b"")
    assert upstream.seen[0].method == "HEAD"
    told = {"content-type": "application/json"}
    answer = http.request("HEAD", "/openai/v1/models", content=b"{}", headers=told, timeout=10)
    assert (answer.status_code, answer.content) == (200, b"")


def iter_of(body: bytes) -> Iterator[bytes]:
    for at in range(0, len(body), 100_000):
        yield body[at : at + 100_000]


def test_a_body_over_the_limit_is_refused_while_it_comes(http: httpx.Client, upstream: Upstream) -> None:
    body = form(('name="model"', b"whisper-1"), ('name="file"; filename="a"', LARGE + LARGE))
    answer = http.post("/openai/v1/audio/transcriptions", content=body, headers=FORM)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")


def test_a_second_model_in_a_form_is_refused_and_the_first_is_not_answered(
    http: httpx.Client, upstream: Upstream
) -> None:
    body = form(('name="model"', b"whisper-1"), ('name="file"; filename="a"', b"x" * 10), ('name="model"', b"gpt-5"))
    answer = http.post("/openai/v1/audio/transcriptions", content=body, headers=FORM)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_multipart")
    assert [seen.body for seen in upstream.seen] in ([], [b""])


# -- what never goes upstream --------------------------------------------------------------------------------------

HOSTILE_PATHS = [
    "/openai/v1/../admin", "/openai/v1/%2e%2e/admin", "/openai/v1/.%2e/models", "/openai/v1/%2E%2E%2Fmodels",
    "/openai/..%2fv1/models", "/openai/v1/%252e%252e/models", "/openai/v1/models/%25%32%65", "/openai//v1/models",
    "/openai/v1//models", "//openai/v1/models", "/openai/v1/models\\..\\x", "/openai/v1/models%5c..%5cx",
    "/openai/v1;x=1/models", "/openai/v1/models;x=1", "/openai/v1/models%3bx", "/openai/v1/models%00",
    "/openai/v1/models%0d%0aX:1", "/openai/v1/models%23x", "/openai/v1/models%3Fx", "/openai/v1/mod%2fels",
    "/openai/v1/./models", "/openai/@evil.example/v1/models", "/openai/http://evil.example/v1/models",
    "/openai/v1/chat%2fcompletions", "/openai%2fv1/models", "/%6fpenai/v1/models", "/openai/v1/models%ff",
    "/bedrock/model/..%2f..%2fx/converse", "/openai/v1/models/", "/openai/v1/models?x=\\", "/openai/v1/organization",
    "/openai", "/openai/", "/gemini/v1beta/models/../../x:generateContent", "/gemini/v1beta/auth_tokens",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_a_path_that_could_mean_something_else_goes_nowhere(
    gateway: RunningGateway, upstream: Upstream, key: str, path: str
) -> None:
    rest = f"HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
    rest += "Content-Type: application/json\r\nContent-Length: 13\r\n\r\n" + '{"model":"x"}'
    for method in ("GET", "POST"):
        status, body = raw(gateway, f"{method} {path} {rest}")
        assert 400 <= status < 500, (status, body)
        assert b"request_id" in body
    assert upstream.seen == []


SMUGGLED = [
    ("Content-Length: 2\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    ("Content-Length: 2\r\nContent-Length: 3", "{}"),
    ("Content-Type: application/json\r\nContent-Type: text/plain", "{}"),
    ("Authorization: Bearer x", "{}"),
    ("Content-Encoding: gzip\r\nContent-Type: application/json", "{}"),
    ("Content-Type: text/plain", "{}"),
    ("Content-Type: application/json", "[]"),
    ("Content-Type: application/json", "{x"),
    ("Content-Type: application/json", "{}"),
    ("Content-Type: application/json", '{"model":1}'),
    ("Content-Type: application/json", '{"model":"a","model":"b"}'),
    ("Content-Type: application/json", '{"Model":"a","model":"b"}'),
    ("Content-Type: application/json", '{"mod\\u0065l":"a","model":"b"}'),
    ("Content-Type: application/json", '{"model":"a","x":"\udcff"}'),
    ("Content-Type: application/json", '{"model":"a","x":' + "[" * 300 + "]" * 300 + "}"),
    ("Content-Type: multipart/form-data", "{}"),
    ("Content-Type: multipart/form-data; boundary=x", "--x\r\n\r\n\r\n\r\n"),
    ("X-A: a\x00b", "{}"),
]


@pytest.mark.parametrize(("headers", "body"), SMUGGLED)
def test_a_request_that_two_readers_read_in_two_ways_goes_nowhere(
    gateway: RunningGateway, upstream: Upstream, key: str, headers: str, body: str
) -> None:
    head = f"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n{headers}"
    length = "" if "Length" in headers else f"\r\nContent-Length: {len(body)}"
    status, told = raw(gateway, f"{head}{length}\r\nConnection: close\r\n\r\n{body}")
    assert 400 <= status < 500, (status, told)
    assert upstream.seen == []


def test_an_absolute_target_goes_nowhere(gateway: RunningGateway, upstream: Upstream, key: str) -> None:
    for target in (f"{upstream.url}/v1/models", "http://127.0.0.1/openai/v1/models", "127.0.0.1:80", "*"):
        request = (
            f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
        )
        assert 400 <= raw(gateway, request)[0] < 500
    assert upstream.seen == []


def raw(gateway: RunningGateway, request: str) -> tuple[int, bytes]:
    place = urlsplit(gateway.url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=10) as line:
        line.sendall(request.encode("latin-1", "surrogateescape"))
        answer = b""
        while chunk := line.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


# -- who may ------------------------------------------------------------------------------------------------------


def test_what_is_the_whole_accounts_needs_a_scope_that_spells_it_out(
    gateway: RunningGateway, http: httpx.Client, upstream: Upstream
) -> None:
    shared = [
        "/openai/v1/files", "/openai/v1/files/file-1/content", "/openai/v1/batches", "/openai/v1/responses/resp_1",
        "/openai/v1/fine_tuning/jobs", "/anthropic/v1/messages/batches", "/gemini/v1beta/cachedContents",
    ]  # fmt: skip
    for path in shared:
        answer = http.get(path)
        assert answer.status_code == 403, path
        assert "scopes spell the path out" in answer.text
    wide = scoped_key(gateway, paths=["/openai/*", "/openai/v1/*"])
    assert httpx.get(f"{gateway.url}/openai/v1/files", headers={"authorization": f"Bearer {wide}"}).status_code == 403
    one = {"authorization": f"Bearer {scoped_key(gateway, paths=['*', '/openai/v1/files/file-1'])}"}
    assert httpx.get(f"{gateway.url}/openai/v1/files/file-2", headers=one).status_code == 403
    assert upstream.seen == []
    spelt = {"authorization": f"Bearer {scoped_key(gateway, paths=['*', '/openai/v1/files*'])}"}
    assert httpx.get(f"{gateway.url}/openai/v1/files", headers=spelt).status_code == 200
    assert httpx.get(f"{gateway.url}/openai/v1/files/file-1/content", headers=spelt).status_code == 200
    assert httpx.get(f"{gateway.url}/openai/v1/batches", headers=spelt).status_code == 403


def test_somebody_elses_answer_is_not_read_through_a_body(http: httpx.Client, upstream: Upstream) -> None:
    body = {"model": "gpt-4o-mini", "input": "and then?", "previous_response_id": "resp_of_somebody"}
    assert http.post("/openai/v1/responses", json=body).status_code == 403
    assert upstream.seen == []


def test_administration_is_nobodys(gateway: RunningGateway, http: httpx.Client, upstream: Upstream) -> None:
    for path in ("/openai/v1/organization/admin_api_keys", "/anthropic/v1/organizations/me",
                 "/openai/v1/realtime/client_secrets", "/openai/v1/projects"):  # fmt: skip
        answer = http.get(path)
        assert (answer.status_code, b"path_denied" in answer.content) == (403, True), path
    assert upstream.seen == []


def test_a_path_that_is_not_there_is_told_in_the_providers_shape(http: httpx.Client, upstream: Upstream) -> None:
    assert http.get("/openai/v1/nothing").json()["error"]["type"] == "not_found_error"
    assert http.get("/anthropic/v1/nothing").json()["error"]["type"] == "not_found_error"
    assert http.get("/gemini/v1beta/nothing").json()["error"]["status"] == "NOT_FOUND"
    answer = http.post("/bedrock/nothing")
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException")
    assert http.get("/openai/v1/chat/completions").status_code in (403, 405)
    assert http.get("/openai/v1/embeddings").status_code == 405
    told = http.get("/translated/v1/models")
    assert (told.status_code, "/v1" in told.text) == (404, True)
    assert http.get("/nobody/v1/models").status_code == 404
    assert upstream.seen == []


def test_a_scope_without_the_provider_or_the_model_is_refused_before_a_404(
    gateway: RunningGateway, upstream: Upstream
) -> None:
    def ask(scopes: dict[str, list[str]], path: str, model: str = "gpt-4o-mini") -> int:
        headers = {"authorization": f"Bearer {scoped_key(gateway, **scopes)}"}
        return httpx.post(f"{gateway.url}{path}", headers=headers, json={"model": model}).status_code

    assert ask({"providers": ["anthropic"]}, "/openai/v1/chat/completions") == 403
    assert ask({"providers": ["anthropic"]}, "/openai/v1/nothing") == 403
    assert ask({"paths": ["/anthropic/*"]}, "/openai/v1/nothing") == 403
    assert ask({"models": ["gpt-4o-mini"]}, "/openai/v1/chat/completions") == 403
    assert ask({"models": ["openai/gpt-4o*"]}, "/openai/v1/chat/completions", model="gpt-5") == 403
    assert upstream.seen == []
    assert ask({"models": ["openai/gpt-4o*"]}, "/openai/v1/chat/completions") == 200


# -- streams that end too soon -------------------------------------------------------------------------------------


def test_a_stream_without_its_terminal_event_ends_in_an_error_of_its_protocol(
    http: httpx.Client, upstream: Upstream
) -> None:
    sse = {"content-type": "text/event-stream"}
    upstream.tell(200, sse, b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n')
    answer = http.post("/openai/v1/chat/completions", json={"model": "m", "stream": True})
    assert json.loads(answer.content.split(b"data: ")[-1])["error"]["code"] == "stream_cut"

    upstream.tell(200, sse, b'event: content_block_delta\ndata: {"type":"content_block_delta"}\n\n')
    answer = http.post("/anthropic/v1/messages", json={"model": "m", "stream": True})
    assert b'event: error\ndata: {"type":"error"' in answer.content

    piece = b'{"candidates":[{"content":{"parts":[{"text":"x"}]}}]}'
    upstream.tell(200, sse, b"data: " + piece + b"\r\n\r\n")
    answer = http.post("/gemini/v1beta/models/m:streamGenerateContent?alt=sse", json={})
    assert json.loads(answer.content.split(b"data: ")[-1])["error"]["status"] == "INTERNAL"

    upstream.tell(200, {"content-type": "application/json"}, b"[" + piece)
    answer = http.post("/gemini/v1beta/models/m:streamGenerateContent", json={})
    assert [next(iter(one)) for one in answer.json()] == ["candidates", "error"]

    delta = event_stream.event("contentBlockDelta", b'{"delta":{"text":"x"}}')
    upstream.tell(200, {"content-type": event_stream.CONTENT_TYPE}, delta)
    answer = http.post("/bedrock/model/m/converse-stream", json={})
    first, second = event_stream.Splitter().feed(answer.content)
    assert first.raw == delta
    assert event_stream.read(second.raw).failed


def test_ollamas_lines_are_read_as_they_pass(gateway: RunningGateway, http: httpx.Client, upstream: Upstream) -> None:
    lines = b'{"message":{"content":"x"},"done":false}\n'
    last = b'{"done":true,"prompt_eval_count":3,"eval_count":4}\n'
    upstream.tell(200, {"content-type": "application/x-ndjson"}, lines + last)
    ask = {"model": "llama3.2", "messages": []}
    assert http.post("/bare/api/chat", json=ask).content == lines + last
    row = row_of(gateway, http)
    assert (row["model"], row["input_tokens"], row["output_tokens"]) == ("bare/llama3.2", 3, 4)
    upstream.tell(200, {"content-type": "application/x-ndjson"}, lines)
    told = http.post("/bare/api/chat", json=ask).content
    assert json.loads(told.splitlines()[-1])["error"]["code"] == "stream_cut"


def test_what_may_have_been_made_is_not_sent_once_more(
    gateway: RunningGateway, http: httpx.Client, upstream: Upstream
) -> None:
    def drop(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
        raise ConnectionAbortedError

    upstream.answer = drop
    spelt = {"authorization": f"Bearer {scoped_key(gateway, paths=['*', '/openai/v1/batches*'])}"}
    answer = httpx.post(f"{gateway.url}/openai/v1/batches", headers=spelt, json={"input_file_id": "file-1"})
    assert answer.status_code == 502
    assert len(upstream.seen) == 1


def test_a_row_is_left_by_each_of_them(gateway: RunningGateway, http: httpx.Client, upstream: Upstream) -> None:
    upstream.tell(200, {"content-type": "text/event-stream"}, b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n')
    http.post("/openai/v1/chat/completions", json={"model": "m", "stream": True})
    row = row_of(gateway, http)
    assert (row["outcome"], row["error_code"], row["path"]) == ("failed", "stream_cut", "/openai/v1/chat/completions")
    http.get("/openai/v1/organization")
    row = row_of(gateway, http)
    assert (row["outcome"], row["status"], row["path"]) == ("refused", 403, "/openai/v1/organization")
    http.get("/anthropic/v1/mess%5cages")
    row = row_of(gateway, http)
    assert (row["outcome"], row["error_code"], row["path"]) == ("refused", "bad_path", "/anthropic/v1/mess\\ages")
