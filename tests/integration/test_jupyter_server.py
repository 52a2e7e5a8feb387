"""A plain Jupyter server before a real gateway: what its pages may ask, what they never see, and who is refused."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.servers import free_port
from workbench.testing.simulator import SimulatedProviders
from workbench.wire.key_file import read_key_file

TOKEN = "token-of-the-jupyter-server"
KEY = re.compile(r"wb[xp]-\w+")
ELSEWHERE = {"Origin": "http://evil.example"}
ASK = {"model": "sim", "messages": [{"role": "user", "content": "hello"}]}
SIGNED = {"Authorization": f"token {TOKEN}"}


def eventually(look: Callable[[], Any], *, within: float = 120.0) -> Any:
    """Return what `look` returns as soon as it is true."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.05)
    return seen


@dataclass
class Wire:
    """Stands before the gateway and keeps every byte that goes to it."""

    target: tuple[str, int]
    sent: bytearray = field(default_factory=bytearray)
    url: str = ""
    extra: bytes = b""

    @contextlib.contextmanager
    def tapped(self) -> Iterator[Wire]:
        wire = self

        class Tap(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError), socket.create_connection(wire.target) as onward:
                    back = threading.Thread(target=pump, args=(onward, self.request, wire.answered), daemon=True)
                    back.start()
                    pump(self.request, onward, wire.seen)
                    back.join()

        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tap) as server:
            server.daemon_threads = True
            self.url = f"http://127.0.0.1:{server.server_address[1]}"
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield self
            server.shutdown()

    def seen(self, piece: bytes) -> bytes:
        self.sent += piece
        return piece

    def answered(self, piece: bytes) -> bytes:
        """Add headers that a gateway never sends, but a proxy before it may."""
        return piece.replace(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n" + self.extra, 1)


def pump(source: socket.socket, sink: socket.socket, look: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(look(piece))
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class Jupyter:
    """A Jupyter server process, asked as a script does."""

    def __init__(self, folder: Path, *options: str, **environ: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"jupyter-{self.port}.log"
        own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
                 f"--ServerApp.port={self.port}", f"--ServerApp.root_dir={folder}", *options],
                env={**os.environ, **own, "IPYTHONDIR": str(folder / "ipython"), "JUPYTER_TOKEN": TOKEN, **environ},
                cwd=folder, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            eventually(self._answers, within=180)
        except BaseException:
            self.process.kill()
            raise

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/api/status", headers=SIGNED).status_code == 200
        return False

    def ask(self, path: str, method: str = "GET", **how: Any) -> httpx.Response:
        return httpx.request(method, self.url + path, **{"headers": SIGNED, "timeout": 30, **how})

    def gateway(self) -> dict[str, Any]:
        return dict(self.ask("/workbench/api/status").json()["gateway"])

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(60) == 0, self.log.read_text()


@contextlib.contextmanager
def serving(folder: Path, *options: str, **environ: str) -> Iterator[Jupyter]:
    jupyter = Jupyter(folder, *options, **environ)
    try:
        yield jupyter
    finally:
        if jupyter.process.poll() is None:
            jupyter.process.kill()
            jupyter.process.wait()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, providers: SimulatedProviders) -> Iterator[RunningGateway]:
    config = (
        f'[providers.openai]\nkind = "openai"\nbase_url = "{providers.url}/v1"\ncredential = {{ env = "SECRET" }}\n'
        '[[models]]\nname = "sim"\n[[models.deployments]]\nprovider = "openai"\nmodel = "sim"\n'
        "[models.price]\ninput = 1000\noutput = 1000\n"
    )
    home = tmp_path_factory.mktemp("server") / "home"
    with running_gateway(home, config=config, environ={"SECRET": providers.credential}) as running:
        yield running


@pytest.fixture(scope="module")
def tap(gateway: RunningGateway) -> Iterator[Wire]:
    host, port = gateway.url.removeprefix("http://").split(":")
    with Wire((host, int(port))).tapped() as wire:
        yield wire


@pytest.fixture
def wire(tap: Wire) -> Iterator[Wire]:
    tap.sent.clear()
    yield tap
    tap.extra = b""


@pytest.fixture(scope="module")
def jupyter(gateway: RunningGateway, tap: Wire) -> Iterator[Jupyter]:
    environ = {"WORKBENCH_HOME": str(gateway.home), "WORKBENCH_GATEWAY_URL": tap.url}
    with serving(gateway.home.parent, "--WorkbenchExtension.max_body_bytes=100000", **environ) as server:
        eventually(lambda: server.gateway()["state"] == "ready")
        yield server


@pytest.fixture
def page(jupyter: Jupyter) -> Iterator[httpx.Client]:
    """A browser that signed in by the token once and keeps the cookies."""
    with httpx.Client(base_url=jupyter.url, timeout=30) as client:
        assert client.get("/login", params={"token": TOKEN}, follow_redirects=True).status_code < 400
        assert "_xsrf" in client.cookies
        yield client


def xsrf(page: httpx.Client) -> dict[str, str]:
    return {"X-XSRFToken": page.cookies["_xsrf"]}


def money_calls(providers: SimulatedProviders) -> int:
    return len(providers.requests)


# -- what a page may ask ---------------------------------------------------------------------------------------------


def test_a_page_sees_models_with_price_prompts_and_who_it_is_and_never_a_key(jupyter, page, gateway):
    owner = {"Authorization": f"Bearer {gateway.owner_token}"}
    for alias, version in (("staging", 2), ("production", 1)):
        body = {"version": version, "template": f"Say {version}: {{{{text}}}}", "reason": "better"}
        made = httpx.post(f"{gateway.url}/v1/prompts/greeting@{alias}", headers=owner, json=body)
        assert made.status_code == 201, made.text
    told = page.get("/workbench/api/catalogue")
    assert told.status_code == 200, told.text
    models = told.json()["data"]
    assert [model["catalogue"]["price"]["input"] for model in models if model["id"] == "sim"] == [1000]
    (prompt,) = page.get("/workbench/api/prompts").json()["data"]
    assert (prompt["name"], prompt["production"]["version"]) == ("greeting", 1)
    assert prompt["aliases"] == {"staging": 2, "production": 1}
    me = page.get("/workbench/api/me")
    assert me.json()["user"]["username"]
    assert me.json()["key"]["kind"] == "exploration"
    assert me.json()["key"]["expires_at"]
    assert not KEY.search(me.text)
    assert me.headers["cache-control"] == "no-store"


def test_what_a_kernel_and_a_page_spent_is_told_apart_and_together(jupyter, page, gateway):
    kernel = jupyter.ask("/api/kernels", "POST", json={"name": "python3"}).json()["id"]
    try:
        (path,) = eventually(lambda: list(gateway.home.glob(f"run/jupyter/*/{kernel}.json")))
        key = read_key_file(path)
        chat = f"{key.gateway_url}/v1/chat/completions"
        spent = httpx.post(chat, json=ASK, headers={"Authorization": f"Bearer {key.key}"})
        own = page.post("/workbench/v1/chat/completions", json=ASK, headers=xsrf(page))
        assert (spent.status_code, own.status_code) == (200, 200)
        calls = page.get("/workbench/api/calls?limit=2").json()["data"]
        assert [call["kernel_id"] for call in calls] == [None, kernel]
        assert all(call["cost_usd"] > 0 and call["model"] == "sim" for call in calls)
        (one,) = page.get(f"/workbench/api/calls?kernel_id={kernel}").json()["data"]
        assert one["request_id"] == spent.headers["x-request-id"]
        assert page.post(f"/workbench/api/keys/{kernel}/renew").status_code == 403  # no mark
        renewed = page.post(f"/workbench/api/keys/{kernel}/renew", headers=xsrf(page))
        assert renewed.status_code == 200, renewed.text
        assert read_key_file(path).expires_at == renewed.json()["expires_at"]
        assert read_key_file(path).key != key.key
        assert page.post("/workbench/api/keys/nobody/renew", headers=xsrf(page)).status_code == 404
        usage = page.get("/workbench/api/usage").json()
        by = {row["kernel_id"]: row for row in usage["by"]}
        assert by[kernel]["calls"] == 1
        assert usage["total"]["cost_usd"] == pytest.approx(sum(row["cost_usd"] for row in usage["by"]))
        assert not KEY.search(page.get("/workbench/api/calls").text + page.get("/workbench/api/usage").text)
    finally:
        jupyter.ask(f"/api/kernels/{kernel}", "DELETE")


def test_an_error_tells_what_who_and_how_with_its_status(page):
    for path, status, code in (
        ("/workbench/api/calls?limit=0", 400, "invalid_request"),
        ("/workbench/api/calls?limit=²", 400, "invalid_request"),
        ("/workbench/api/usage?kernel_id=nobody", 404, "not_found"),
    ):
        answer = page.get(path)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert set(answer.json()) == {"message", "hint", "code"}
    answer = page.put("/workbench/api/status", headers=xsrf(page))
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


# -- models, called from a page --------------------------------------------------------------------------------------


def test_an_sdk_in_a_page_calls_models_and_streams_by_the_cookie_alone(jupyter, page):
    client = openai.OpenAI(
        base_url=f"{jupyter.url}/workbench/v1", api_key="none", http_client=page, default_headers=xsrf(page)
    )
    # An SDK always sends its key: a page's is a placeholder, and it is the cookie that counts.
    whole = client.chat.completions.create(**ASK)
    assert whole.choices[0].message.content
    pieces = [chunk for chunk in client.chat.completions.create(**ASK, stream=True) if chunk.choices]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in pieces)


def test_an_answer_is_handed_over_piece_by_piece(page, providers):
    providers.fail("stall", frames=2)
    with page.stream(
        "POST", "/workbench/v1/chat/completions", json={**ASK, "stream": True}, headers=xsrf(page)
    ) as told:
        assert told.headers["content-type"].startswith("text/event-stream")
        assert b"data:" in next(told.iter_raw())  # while the provider is silent


def test_a_page_that_leaves_ends_the_call(page, providers):
    providers.clear()
    providers.fail("hang")
    with pytest.raises(httpx.ReadTimeout):
        page.post("/workbench/v1/chat/completions", json=ASK, headers=xsrf(page), timeout=1)
    providers.wait_until(lambda seen: bool(seen) and seen[0].ended == "client_left")


def test_an_answer_that_breaks_off_ends_in_an_error_and_not_in_silence(page, providers):
    providers.fail("cut", frames=2)
    answer = page.post("/workbench/v1/chat/completions", json={**ASK, "stream": True}, headers=xsrf(page))
    assert '"error"' in answer.text
    assert "[DONE]" not in answer.text


def test_nothing_that_signs_in_to_jupyter_reaches_the_gateway(jupyter, page, wire):
    secrets = [TOKEN, *page.cookies.values()]
    marked = {**xsrf(page), "X-Forwarded-For": "10.1.2.3", "Referer": f"{jupyter.url}/lab?x=secret-place"}
    page.post("/workbench/v1/chat/completions?tag=stays", json=ASK, headers=marked)
    signed = jupyter.ask(f"/workbench/v1/models?token={TOKEN}&_xsrf=1", headers={})
    assert signed.status_code == 200
    jupyter.ask("/workbench/v1/models")
    sent = bytes(wire.sent)
    assert b"POST /v1/chat/completions?tag=stays HTTP/1.1" in sent
    for secret in (*secrets, "secret-place", "10.1.2.3"):
        assert secret.encode() not in sent
    for name in (b"cookie:", b"x-xsrftoken:", b"referer:", b"origin:", b"token="):
        assert name not in sent.lower()
    assert b"authorization: token" not in sent.lower()


def test_nothing_that_a_gateway_would_have_a_browser_keep_or_allow_reaches_it(page, wire):
    wire.extra = (
        b"Set-Cookie: a=b\r\nAccess-Control-Allow-Origin: *\r\nStrict-Transport-Security: max-age=1\r\nServer: x\r\n"
    )
    answer = page.get("/workbench/v1/models")
    assert answer.status_code == 200
    assert not {"set-cookie", "access-control-allow-origin", "strict-transport-security"} & set(answer.headers)
    assert "sandbox" in answer.headers["content-security-policy"]  # should it be opened as a page
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_answer_tells_its_id_and_cost_and_no_key(page):
    answer = page.post("/workbench/v1/chat/completions", json=ASK, headers=xsrf(page))
    assert answer.headers["x-request-id"]
    assert float(answer.headers["x-workbench-cost-usd"]) > 0
    assert not KEY.search(answer.text + str(answer.headers))


def test_what_the_gateway_refuses_is_told_as_it_is(page):
    answer = page.post("/workbench/v1/chat/completions", json={**ASK, "model": "nobody"}, headers=xsrf(page))
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"


def test_no_path_leads_out_of_the_unified_api(jupyter, page, wire):
    for path in ("/workbench/v1/%2e%2e/me", "/workbench/v1/..%2fadmin/v1/keys", "/workbench/v1/../me"):
        line = HTTPConnection("127.0.0.1", jupyter.port, timeout=30)
        line.request("GET", path, headers=SIGNED)
        assert line.getresponse().status == 404
        line.close()
    assert b" /me" not in wire.sent
    assert b"admin" not in wire.sent


def test_a_body_that_is_too_large_is_refused_with_the_name_of_the_limit(page, wire):
    body = json.dumps({**ASK, "padding": "x" * 200_000})
    answer = page.post("/workbench/v1/chat/completions", content=body, headers=xsrf(page))
    assert answer.status_code == 413
    assert "max_body_bytes" in answer.json()["error"]["message"]
    assert b"xxxxxx" not in wire.sent


# -- who is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["status", "me", "catalogue", "prompts", "usage", "calls"])
def test_nothing_is_told_to_who_is_not_signed_in(jupyter, path):
    answer = jupyter.ask(f"/workbench/api/{path}", headers={})
    assert (answer.status_code, answer.json()["code"]) == (403, "no_user")
    assert jupyter.ask(f"/workbench/api/{path}", headers={"Authorization": "token wrong"}).status_code == 403


def refused(answer: httpx.Response, code: str) -> None:
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert (error["code"], bool(error["message"])) == (code, True)


def test_no_money_is_spent_for_another_page_a_stranger_or_who_shows_no_mark(jupyter, page, providers):
    providers.clear()
    chat = "/workbench/v1/chat/completions"
    refused(jupyter.ask(chat, "POST", json=ASK, headers={}), "no_user")
    refused(page.post(chat, json=ASK), "xsrf")
    refused(page.post(chat, json=ASK, headers=ELSEWHERE), "origin_not_allowed")
    refused(page.post(chat, json=ASK, headers={**xsrf(page), **ELSEWHERE}), "origin_not_allowed")
    refused(page.post(chat, json=ASK, headers={**xsrf(page), "Origin": "null"}), "origin_not_allowed")
    # A form of another page, as plain as a browser sends one without asking first.
    refused(page.post(chat, content=json.dumps(ASK), headers={**ELSEWHERE, "Content-Type": "text/plain"}),
            "origin_not_allowed")  # fmt: skip
    assert page.get("/workbench/v1/models", headers=ELSEWHERE).status_code == 403
    assert page.get("/workbench/api/me", headers=ELSEWHERE).status_code == 403
    assert jupyter.ask(chat, "POST", json=ASK, headers={**SIGNED, "Host": "evil.example"}).status_code == 403
    assert not providers.requests


def test_a_cookie_that_another_server_gave_is_nobodys_here(jupyter, page, tmp_path, providers):
    providers.clear()
    cookies = {name: value[:-4] + "AAAA" if "username" in name else value for name, value in page.cookies.items()}
    with httpx.Client(base_url=jupyter.url, cookies=cookies) as other:
        told = other.post("/workbench/v1/chat/completions", json=ASK, headers=xsrf(page))
    refused(told, "no_user")
    # The mark of one user with the cookie of another is no mark.
    with httpx.Client(base_url=jupyter.url) as second:
        second.get("/login", params={"token": TOKEN}, follow_redirects=True)
        refused(second.post("/workbench/v1/chat/completions", json=ASK, headers=xsrf(page)), "xsrf")
    assert not providers.requests


# -- live conversations ----------------------------------------------------------------------------------------------


def live_url(jupyter: Jupyter, query: str = "") -> str:
    return f"ws://127.0.0.1:{jupyter.port}/workbench/live/openai/v1/realtime?model=gpt-realtime{query}"


def cookies_of(page: httpx.Client) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in page.cookies.items())}


def test_a_live_conversation_passes_both_ways_with_the_servers_own_key(jupyter, page, wire):
    offered: Any = ["realtime", "openai-insecure-api-key.sk-of-a-page"]
    with connect(
        live_url(jupyter), additional_headers=cookies_of(page), origin=jupyter.url, subprotocols=offered
    ) as line:
        assert json.loads(line.recv(timeout=20))["type"] == "session.created"
        line.send(json.dumps({"type": "session.update", "session": {"type": "realtime", "instructions": "short"}}))
        assert json.loads(line.recv(timeout=20))["type"] == "session.updated"
    sent = bytes(wire.sent)
    assert b"sk-of-a-page" not in sent
    assert b"cookie:" not in sent.lower()
    assert b"authorization: bearer wbx-" in sent.lower()


def test_a_live_conversation_is_refused_to_another_page_and_to_a_stranger(jupyter, page, wire):
    for headers, origin in ((cookies_of(page), "http://evil.example"), ({}, jupyter.url), (cookies_of(page), "null")):
        with pytest.raises(InvalidStatus) as refusal:
            connect(live_url(jupyter), additional_headers=headers, origin=origin)
        assert refusal.value.response.status_code == 403
    assert b"realtime" not in wire.sent


def test_a_conversation_that_the_gateway_does_not_have_is_refused_with_its_status(jupyter, page):
    with pytest.raises(InvalidStatus) as refusal:
        connect(live_url(jupyter).replace("/openai/", "/nobody/"), additional_headers=cookies_of(page))
    assert refusal.value.response.status_code == 404


def test_a_conversation_ends_with_its_key(jupyter, page, gateway):
    with connect(live_url(jupyter), additional_headers=cookies_of(page), open_timeout=30) as line:
        assert line.recv(timeout=20)
        for key in live_keys(gateway):
            revoke(gateway, key)
        with pytest.raises(ConnectionClosed):
            list(line)


# -- through the lives of server and gateway -------------------------------------------------------------------------


def live_keys(gateway: RunningGateway) -> list[str]:
    owner = {"Authorization": f"Bearer {gateway.owner_token}"}
    keys = httpx.get(f"{gateway.url}/keys", headers=owner).json()["data"]
    return [key["id"] for key in keys if key["revoked_at"] is None and "own pages" in (key["note"] or "")]


def revoke(gateway: RunningGateway, key_id: str) -> None:
    owner = {"Authorization": f"Bearer {gateway.owner_token}"}
    assert httpx.delete(f"{gateway.url}/keys/{key_id}", headers=owner).status_code == 200


def test_a_key_that_is_no_longer_good_is_replaced_within_the_same_call(page, gateway):
    assert page.get("/workbench/v1/models").status_code == 200
    (before,) = live_keys(gateway)
    revoke(gateway, before)
    eventually(lambda: before not in live_keys(gateway))
    assert page.post("/workbench/v1/chat/completions", json=ASK, headers=xsrf(page)).status_code == 200
    (after,) = live_keys(gateway)
    revoke(gateway, after)
    assert page.get("/workbench/api/me").status_code == 200


def test_the_servers_own_key_ends_with_it_also_where_it_was_killed(gateway):
    environ = {"WORKBENCH_HOME": str(gateway.home), "WORKBENCH_GATEWAY_URL": gateway.url}
    others = set(live_keys(gateway))
    with serving(gateway.home.parent, **environ) as killed:
        eventually(lambda: killed.ask("/workbench/v1/models").status_code == 200)
        assert set(live_keys(gateway)) > others
    with serving(gateway.home.parent, **environ) as stopped:
        eventually(lambda: set(live_keys(gateway)) == others)
        eventually(lambda: stopped.ask("/workbench/v1/models").status_code == 200)
        assert set(live_keys(gateway)) > others
        stopped.stop()
        assert set(live_keys(gateway)) == others


def test_a_gateway_that_hangs_or_is_gone_is_told_with_a_hint_within_three_seconds(home):
    config = "[gateway]\n"
    with running_gateway(home, config=config) as gateway:
        environ = {"WORKBENCH_HOME": str(home), "WORKBENCH_GATEWAY_URL": gateway.url}
        with serving(home.parent, **environ) as server:
            eventually(lambda: server.gateway()["state"] == "ready")
            gateway.process.send_signal(signal.SIGSTOP)
            hung = httpx.get(f"{server.url}/workbench/api/status", headers=SIGNED, timeout=3 + 7).json()["gateway"]
            gateway.process.send_signal(signal.SIGCONT)
            assert hung["state"] == "failed"
            eventually(lambda: server.gateway()["state"] == "ready")
            gateway.process.kill()
            gateway.process.wait()
            gone = server.gateway()
            assert gone["state"] == "failed"
            assert "WORKBENCH_GATEWAY_URL" in gone["problem"]["hint"]
            answer = server.ask("/workbench/v1/models")
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "gateway_unreachable")


def test_the_embedded_gateway_is_told_to_start_again_and_the_page_goes_on(home):
    with serving(home.parent, WORKBENCH_HOME=str(home)) as server:
        eventually(lambda: server.gateway()["state"] == "ready")
        assert server.ask("/workbench/v1/models").status_code == 200
        pid = json.loads((home / "gateway.json").read_text())["pid"]
        os.kill(pid, signal.SIGKILL)
        gone = server.gateway()
        assert gone["state"] == "restarting"
        assert "neither the kernel nor Jupyter has to be restarted" in gone["problem"]["hint"]
        eventually(lambda: server.gateway()["state"] == "ready")
        assert server.ask("/workbench/v1/models").status_code == 200
        server.stop()
