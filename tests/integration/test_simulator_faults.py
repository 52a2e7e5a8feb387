"""Every fault, in every protocol's own shape; quotas and regions; and the command that serves them."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from workbench.errors import ProviderError
from workbench.testing.simulator import SimulatedProviders, simulated_providers
from workbench.wire import event_stream, json_array, sse

HTTP = httpx.Client(timeout=20)  # one for all: making its TLS context takes longer than a call
MESSAGES = [{"role": "user", "content": "one two three"}]
CONTENTS = {"contents": [{"parts": [{"text": "one two three"}]}]}
BLOCKS = {"messages": [{"role": "user", "content": [{"text": "one two three"}]}]}
VERTEX = "/v1/projects/p/locations/eu/publishers"


@dataclass(frozen=True)
class Asked:
    """A streamed request of one protocol, and how its answer is split and read."""

    path: str
    body: dict[str, Any]
    splitter: Callable[[], Any]
    error_of: Callable[[Any], Any]
    """The message of an error, plain or in mid-stream."""

    def send(self, providers: SimulatedProviders, *, region: str = "") -> httpx.Response:
        key = providers.google_token() if "/projects/" in self.path else providers.credential
        names = {"/openai/": "api-key", "/v1beta/": "x-goog-api-key"}
        name = next((name for start, name in names.items() if self.path.startswith(start)), None)
        headers = {name: key} if name else {"authorization": f"Bearer {key}"}
        prefix = f"/region/{region}" if region else ""
        return HTTP.post(f"{providers.url}{prefix}{self.path}", json=self.body, headers=headers)


class Lines:
    """A splitter of lines, as Ollama streams."""

    rest = b""

    def feed(self, raw: bytes) -> list[sse.Event]:
        return [sse.Event(raw=line, data=line) for line in raw.splitlines()]


def openai_error(body: dict[str, Any]) -> Any:
    return body["error"]["message"]


ANTHROPIC_BODY = {"model": "m", "messages": MESSAGES, "max_tokens": 9, "stream": True}
ASKED = {
    "openai": Asked(
        "/v1/chat/completions", {"model": "m", "messages": MESSAGES, "stream": True}, sse.Splitter, openai_error
    ),
    "responses": Asked(
        "/v1/responses",
        {"model": "m", "input": "one two three", "stream": True},
        sse.Splitter,
        lambda body: body["message"] if "message" in body else openai_error(body),
    ),
    "azure": Asked(
        "/openai/deployments/m/chat/completions?api-version=1",
        {"messages": MESSAGES, "stream": True},
        sse.Splitter,
        openai_error,
    ),
    "anthropic": Asked("/v1/messages", ANTHROPIC_BODY, sse.Splitter, openai_error),
    "gemini": Asked("/v1beta/models/m:streamGenerateContent?alt=sse", CONTENTS, sse.Splitter, openai_error),
    "gemini array": Asked(
        "/v1beta/models/m:streamGenerateContent",
        CONTENTS,
        json_array.Splitter,
        lambda body: openai_error(body[0] if isinstance(body, list) else body),
    ),
    "vertex": Asked(f"{VERTEX}/google/models/m:streamGenerateContent?alt=sse", CONTENTS, sse.Splitter, openai_error),
    "vertex claude": Asked(
        f"{VERTEX}/anthropic/models/m:streamRawPredict",
        {**ANTHROPIC_BODY, "anthropic_version": "vertex-2023-10-16"},
        sse.Splitter,
        openai_error,
    ),
    "bedrock": Asked("/model/m/converse-stream", BLOCKS, event_stream.Splitter, lambda body: body["message"]),
    "bedrock claude": Asked(
        "/model/anthropic.m/invoke-with-response-stream",
        {**ANTHROPIC_BODY, "anthropic_version": "bedrock-2023-05-31"},
        event_stream.Splitter,
        lambda body: body["message"],
    ),
    "ollama": Asked("/api/chat", {"model": "m", "messages": MESSAGES}, Lines, lambda body: body["error"]),
}


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatedProviders]:
    with simulated_providers() as providers:
        yield providers


@pytest.fixture
def providers(running: SimulatedProviders) -> SimulatedProviders:
    running.clear()
    return running


@pytest.fixture(params=ASKED)
def asked(request: pytest.FixtureRequest) -> Asked:
    return ASKED[request.param]


def events_of(asked: Asked, raw: bytes) -> list[sse.Event]:
    return [event for event in asked.splitter().feed(raw) if event.data]


def test_a_status_is_told_in_the_protocols_shape(providers: SimulatedProviders, asked: Asked) -> None:
    for status in (400, 429, 500, 503, 529):
        providers.fail("status", status=status, message="told so", headers={"retry-after": "7"})
        answer = asked.send(providers)
        assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
        assert asked.error_of(answer.json()) == "told so"
    assert asked.send(providers).status_code == 200


def test_an_error_comes_after_so_many_frames(providers: SimulatedProviders, asked: Asked) -> None:
    good = len(events_of(asked, asked.send(providers).content))
    providers.fail("error", frames=2, status=503, message="told so")
    answer = asked.send(providers)
    *before, last = events_of(asked, answer.content)
    assert len(before) == 2
    assert good > 3
    assert asked.error_of(json.loads(last.data)) == "told so"


def test_a_frame_can_be_one_that_no_reader_takes(providers: SimulatedProviders, asked: Asked) -> None:
    providers.fail("corrupt", frames=2)
    raw = asked.send(providers).content
    splitter = asked.splitter()
    try:
        events = [event for event in splitter.feed(raw) if event.data]
    except ProviderError:
        return  # a checksum says so
    with pytest.raises(ValueError):  # noqa: PT011 - any of json's
        json.loads(splitter.rest or events[-1].data)


def test_a_cut_ends_the_connection_in_mid_stream(providers: SimulatedProviders, asked: Asked) -> None:
    providers.fail("cut", frames=2)
    with pytest.raises(httpx.RemoteProtocolError):
        asked.send(providers)
    assert providers.requests[-1].frames == 2
    assert providers.requests[-1].ended == "broken"


def test_a_drip_gives_the_same_bytes_one_by_one(providers: SimulatedProviders, asked: Asked) -> None:
    whole = asked.send(providers)
    providers.fail("drip", seconds=0)
    dripped = asked.send(providers)
    if "responses" not in asked.path:  # their ids are new each time
        assert dripped.content == whole.content
    assert providers.requests[-1].frames == providers.requests[-2].frames


@pytest.mark.parametrize("kind", ["malformed", "html", "redirect", "mislabelled", "latency", "slow", "huge"])
def test_answers_that_are_none(providers: SimulatedProviders, kind: str) -> None:
    providers.fail(kind, seconds=0.1)
    started = time.monotonic()
    asked = ASKED["openai"]
    if kind == "huge":
        with HTTP.stream(
            "POST",
            f"{providers.url}{asked.path}",
            json=asked.body,
            headers={"authorization": f"Bearer {providers.credential}"},
        ) as answer:
            assert sum(map(len, answer.iter_raw())) > 256 * 1024 * 1024
        return
    answer = asked.send(providers)
    assert answer.status_code == (302 if kind == "redirect" else 200)
    match kind:
        case "malformed":
            with pytest.raises(json.JSONDecodeError):
                answer.json()
        case "html" | "mislabelled":
            assert answer.headers["content-type"] == {"html": "text/html"}.get(kind, "text/plain")
        case "latency" | "slow":
            assert time.monotonic() - started >= 0.1
            assert events_of(asked, answer.content)


@pytest.mark.parametrize("kind", ["hang", "stall", "reset"])
def test_silence_and_resets(providers: SimulatedProviders, kind: str) -> None:
    providers.fail(kind)
    asked = ASKED["openai"]
    with pytest.raises((httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError)):
        HTTP.post(
            f"{providers.url}{asked.path}",
            json=asked.body,
            headers={"authorization": f"Bearer {providers.credential}"},
            timeout=0.5,
        )
    ended = "broken" if kind == "reset" else "client_left"
    providers.wait_until(lambda requests: requests[-1].ended == ended)


def test_faults_are_laid_by_model_region_path_and_provider(providers: SimulatedProviders) -> None:
    chat, claude = ASKED["openai"], ASKED["anthropic"]
    for selector in ({"model": "m"}, {"region": "eu"}, {"path": "/v1/chat/*"}, {"provider": "openai"}):
        providers.fail("status", status=503, **selector)
        assert claude.send(providers).status_code == (503 if "model" in selector else 200)
        assert chat.send(providers, region="eu").status_code == (200 if "model" in selector else 503)
    providers.fail("status", status=503, region="us")
    assert chat.send(providers, region="eu").status_code == 200
    assert chat.send(providers, region="us").status_code == 503


def test_a_binary_answer_is_only_ever_cut(providers: SimulatedProviders) -> None:
    body = {"model": "m", "input": "one two three", "voice": "alloy"}
    headers = {"authorization": f"Bearer {providers.credential}"}
    for kind in ("cut", "error", "corrupt"):
        providers.fail(kind, frames=1)
        with pytest.raises(httpx.RemoteProtocolError):
            HTTP.post(f"{providers.url}/v1/audio/speech", json=body, headers=headers)


def test_each_region_has_a_quota_of_its_own(providers: SimulatedProviders) -> None:
    for region in ("eu", "us"):
        providers.limit(requests=2, seconds=60, region=region)
    told = [ASKED["openai"].send(providers, region=region) for region in ("eu", "us") * 3]
    assert [answer.status_code for answer in told] == [200] * 4 + [429] * 2
    assert told[0].headers["x-ratelimit-remaining-requests"] == "1"
    assert 1 <= int(told[-1].headers["retry-after"]) <= 60
    used = HTTP.get(f"{providers.url}/simulator/quotas").json()["data"]
    assert [quota["used"]["requests"] for quota in used] == [2, 2]
    assert ASKED["anthropic"].send(providers).status_code == 200


def test_each_credential_has_a_quota_of_its_own(providers: SimulatedProviders) -> None:
    providers.limit(tokens=20, credential=f"{providers.credential}-eu")
    statuses = []
    for name in ("eu", "eu", "eu", "us"):
        headers = {"authorization": f"Bearer {providers.credential}-{name}"}
        body = {"model": "m", "messages": MESSAGES}
        statuses.append(HTTP.post(f"{providers.url}/v1/chat/completions", json=body, headers=headers).status_code)
    assert statuses == [200, 200, 429, 200]  # seven tokens each


def test_the_protocols_tell_what_is_left(providers: SimulatedProviders) -> None:
    providers.limit(requests=5, tokens=1000)
    headers = ASKED["anthropic"].send(providers).headers
    assert headers["anthropic-ratelimit-requests-remaining"] == "4"
    assert int(headers["anthropic-ratelimit-tokens-remaining"]) < 1000
    headers = ASKED["openai"].send(providers).headers
    assert headers["x-ratelimit-limit-tokens"] == "1000"


def test_google_tells_in_its_error_how_long_to_wait(providers: SimulatedProviders) -> None:
    providers.fail("status", status=429, headers={"retry-after": "7"})
    details = ASKED["gemini"].send(providers).json()["error"]["details"]
    assert [detail["retryDelay"] for detail in details] == ["7s"]


def test_nonsense_is_refused_in_shape(providers: SimulatedProviders, asked: Asked) -> None:
    for body in ({}, {"model": 5, "messages": 5, "contents": 5, "input": 5}, {"model": "m", "messages": [5]}):
        answer = Asked(asked.path, body, asked.splitter, asked.error_of).send(providers)
        assert answer.status_code == 400
        assert asked.error_of(answer.json())


def test_everything_that_arrives_is_recorded_as_it_came(providers: SimulatedProviders) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n\xff\x00\r\n--b--\r\n'
    headers = {"authorization": "Bearer x", "content-type": "multipart/form-data; boundary=b", "X-Own": "1"}
    HTTP.post(f"{providers.url}/region/eu/v1/files?a=%2F&b=", content=body, headers=headers)
    HTTP.get(f"{providers.url}/no/such%2Fpath")
    first, second = providers.requests
    assert (first.method, first.path, first.query) == ("POST", "/region/eu/v1/files", "a=%2F&b=")
    assert (first.raw, first.body, first.region, first.provider) == (body, None, "eu", "openai")
    assert (first.headers["x-own"], first.status, first.ended) == ("1", 401, "answered")
    assert (second.path, second.status, second.provider) == ("/no/such%2Fpath", 404, "")
    told = HTTP.get(f"{providers.url}/simulator/requests").json()["data"]
    assert base64.b64decode(told[0]["raw"]) == body


# -- the command -----------------------------------------------------------------------------------------------------


def test_the_command_says_where_it_is_and_fails_as_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workbench.cli", "simulate", "--port", "0", "--folder", str(tmp_path / "s")]
    faults = ["--fail", "status:status=429,retry-after=7,model=m", "--limit", "requests=1,region=eu"]
    with subprocess.Popen([*command, *faults], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("workbench simulator ready at ").strip()
        key = (tmp_path / "s" / "simulated.key").read_text()
        headers = {"authorization": f"Bearer {key}"}
        body = {"model": "m", "messages": MESSAGES}
        answers = [HTTP.post(f"{url}/v1/chat/completions", json=body, headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [429, 200]
        assert answers[0].headers["retry-after"] == "7"
        eu = [HTTP.post(f"{url}/region/eu/v1/chat/completions", json=body, headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in eu] == [200, 429]
        process.terminate()


def test_the_command_speaks_tls_with_a_certificate_to_trust(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workbench.cli", "simulate", "--port", "0", "--folder", str(tmp_path), "--tls"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("workbench simulator ready at ").strip()
        assert url.startswith("https://")
        trusted = ssl.create_default_context(cafile=tmp_path / "simulator.crt")
        key = (tmp_path / "simulated.key").read_text()
        models = httpx.get(f"{url}/v1/models", headers={"authorization": f"Bearer {key}"}, verify=trusted)
        assert models.json()["data"]
        process.terminate()


def test_a_running_simulator_is_steered_by_http(providers: SimulatedProviders) -> None:
    def post(path: str, told: Any) -> int:
        return HTTP.post(f"{providers.url}/simulator/{path}", json=told).status_code

    assert post("faults", {"kind": "status", "status": 503, "region": "eu"}) == 204
    assert post("faults", {"kind": "gremlin"}) == 400
    assert [fault["status"] for fault in HTTP.get(f"{providers.url}/simulator/faults").json()["data"]] == [503]
    assert post("quotas", {"requests": 0, "path": "/v1/messages"}) == 204
    assert post("quotas", {"bananas": 1}) == 400
    assert ASKED["anthropic"].send(providers).status_code == 429
    token = providers.google_token()
    assert post("tokens/lifetimes", {"google": 0.5, "aws": 900}) == 204
    assert post("tokens/lifetimes", {"mars": 1}) == 400
    assert providers.simulator.state.issued.lifetimes["google"] == 0.5
    providers.tokens_last("google", 3600)
    assert HTTP.delete(f"{providers.url}/simulator/tokens").status_code == 204
    path = f"{providers.url}{VERTEX}/google/models/m:generateContent"
    assert HTTP.post(path, json=CONTENTS, headers={"authorization": f"Bearer {token}"}).status_code == 401
    assert HTTP.delete(f"{providers.url}/simulator").status_code == 204
    assert HTTP.get(f"{providers.url}/simulator/faults").json()["data"] == []


@pytest.mark.parametrize("wrong", ["gremlin", "status:status=many", "status:nonsense", "status:no=1"])
def test_a_fault_that_is_none_is_told(tmp_path: Path, wrong: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workbench.cli", "simulate", "--folder", str(tmp_path), "--fail", wrong],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--fail" in done.stderr
