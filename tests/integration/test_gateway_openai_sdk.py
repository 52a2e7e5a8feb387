"""The official openai client against the gateway: plain, streamed, asynchronous, errors by type, bad input."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders

HELLO: Any = [{"role": "user", "content": "hello wörld 😀"}]
ECHO = "echo: hello wörld 😀"


def configuration(url: str) -> str:
    return f"""
[gateway]
max_body_bytes = 1000000
[providers.acme]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[providers.claude]
kind = "anthropic"
base_url = "{url}"
credential = {{ env = "ACME_KEY" }}
[[models]]
name = "fast"
deployments = [{{ provider = "acme", model = "upstream-fast" }}]
price = {{ input = 1.0, output = 2.0 }}
[[models]]
name = "team/fast:latest"
deployments = [{{ provider = "acme", model = "upstream-fast" }}]
[[models]]
name = "vectors"
task = "embedding"
deployments = [{{ provider = "acme", model = "upstream-vectors" }}]
[[models]]
name = "sonnet"
deployments = [{{ provider = "claude", model = "claude-sonnet-4-5" }}]
"""


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("gateway")
    with running_gateway(
        home, config=configuration(providers.url), environ={"ACME_KEY": providers.credential}
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_left_over(providers: SimulatedProviders) -> None:
    providers.clear()


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.issue_key()


@pytest.fixture
def client(gateway: RunningGateway, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0) as made:
        yield made


@pytest.fixture
def http(gateway: RunningGateway, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {key}"}, timeout=30) as made:
        yield made


def row_of(http: httpx.Client, request_id: str) -> dict[str, Any]:
    (row,) = http.get("/me/calls", params={"request_id": request_id}).json()["data"]
    return dict(row)


def test_a_plain_answer_comes_whole_with_its_cost_and_a_row(client: openai.OpenAI, http: httpx.Client) -> None:
    answer = client.chat.completions.with_raw_response.create(
        model="fast", messages=HELLO, extra_headers={"x-workbench-tags": "team=menu,run=7"}
    )
    completion = answer.parse()
    assert completion.choices[0].message.content == ECHO
    assert completion.model_extra is not None
    assert completion.model_extra["x_simulator"] == "a field that no SDK knows"
    assert completion.usage is not None
    assert answer.headers["x-workbench-model"] == "fast"
    assert answer.headers["x-workbench-deployment"] == "acme/upstream-fast"
    assert answer.headers["x-workbench-upstream-request-id"] == "upstream-simulated"
    cost = (completion.usage.prompt_tokens * 1.0 + completion.usage.completion_tokens * 2.0) / 1e6
    assert float(answer.headers["x-workbench-cost-usd"]) == pytest.approx(cost)
    row = row_of(http, answer.headers["x-request-id"])
    assert (row["outcome"], row["status"], row["attempts"], row["stream"]) == ("ok", 200, 1, False)
    assert (row["input_tokens"], row["output_tokens"]) == (3, 4)
    assert row["cost_usd"] == pytest.approx(cost)
    assert row["cost_source"] == "settings"
    assert row["tags"] == {"team": "menu", "run": "7"}
    assert 0 < row["overhead_ms"] <= row["latency_ms"]


def test_only_model_and_credential_are_changed_on_the_way(
    client: openai.OpenAI, providers: SimulatedProviders, key: str
) -> None:
    client.chat.completions.create(model="fast", messages=HELLO, temperature=0.5, seed=3, extra_body={"new_field": [1]})
    (seen,) = providers.requests
    assert seen.body == {"model": "upstream-fast", "messages": HELLO, "temperature": 0.5, "seed": 3, "new_field": [1]}
    assert seen.headers["authorization"] == f"Bearer {providers.credential}"
    assert key not in json.dumps(seen.headers)


@pytest.mark.parametrize("asked", [True, False])
def test_a_stream_has_the_usage_frame_only_if_it_was_asked_for(
    client: openai.OpenAI, http: httpx.Client, providers: SimulatedProviders, asked: bool
) -> None:
    more: Any = {"stream_options": {"include_usage": True}} if asked else {}
    stream = client.chat.completions.create(model="fast", messages=HELLO, stream=True, **more)
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == ECHO
    assert [c.usage.total_tokens for c in chunks if c.usage] == ([7] if asked else [])
    assert [len(c.choices) for c in chunks].count(0) == int(asked)
    assert providers.requests[0].body["stream_options"] == {"include_usage": True}
    row = row_of(http, stream.response.headers["x-request-id"])
    assert (row["outcome"], row["stream"], row["input_tokens"], row["output_tokens"]) == ("ok", True, 3, 4)
    assert 0 < row["first_token_ms"] <= row["latency_ms"]
    assert row["cost_source"] == "settings"


def test_frames_of_a_stream_are_the_providers_own_bytes(http: httpx.Client, providers: SimulatedProviders) -> None:
    body = {"model": "fast", "messages": HELLO, "stream": True, "stream_options": {"include_usage": True}}
    through = http.post("/v1/chat/completions", json=body).content
    direct = httpx.post(
        f"{providers.url}/v1/chat/completions",
        json={**body, "model": "upstream-fast"},
        headers={"authorization": f"Bearer {providers.credential}"},
    ).content

    def without_time(raw: bytes) -> list[bytes]:
        return [b",".join(p for p in line.split(b",") if not p.startswith(b'"created"')) for line in raw.split(b"\n")]

    assert without_time(through) == without_time(direct)


async def test_the_asynchronous_client_streams_many_answers_without_mixing_them(
    gateway: RunningGateway, key: str
) -> None:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0) as client:

        async def ask(number: int) -> str:
            text = ""
            async for chunk in await client.chat.completions.create(
                model="fast", messages=[{"role": "user", "content": f"{number} " * 20}], stream=True
            ):
                text += chunk.choices[0].delta.content or ""
            return text

        answers = await asyncio.gather(*(ask(number) for number in range(50)))
    assert answers == ["echo: " + f"{number} " * 20 for number in range(50)]


def test_embeddings_come_as_floats_and_as_base64(client: openai.OpenAI, http: httpx.Client) -> None:
    packed = client.embeddings.create(model="vectors", input=["a", "b"])
    plain = client.embeddings.create(model="vectors", input=["a", "b"], encoding_format="float")
    assert len(packed.data) == 2
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding)
    assert packed.usage.prompt_tokens == 2


def test_a_name_may_hold_slashes_and_colons(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="team/fast:latest", messages=HELLO)
    assert answer.choices[0].message.content == ECHO
    assert client.models.retrieve("team/fast:latest").id == "team/fast:latest"


def test_the_catalogue_tells_what_each_model_is(client: openai.OpenAI, http: httpx.Client) -> None:
    assert [model.id for model in client.models.list()] == ["fast", "team/fast:latest", "vectors", "sonnet"]
    sonnet = http.get("/v1/models/sonnet").json()
    assert (sonnet["object"], sonnet["owned_by"]) == ("model", "claude")
    assert sonnet["catalogue"]["context_tokens"] == 200000
    assert sonnet["catalogue"]["price"] == {
        "input": 3.0, "output": 15.0, "cached_input": 0.3, "cache_write": 3.75, "cache_write_1h": 6.0, "query": 0.01,
        "source": "price_book",
        "version": sonnet["catalogue"]["price"]["version"],
    }  # fmt: skip
    assert http.get("/v1/models/fast").json()["catalogue"]["price"]["source"] == "settings"


def test_one_megabyte_passes_and_more_than_the_limit_does_not(client: openai.OpenAI) -> None:
    long: Any = [{"role": "user", "content": "x" * 900_000}]
    assert client.chat.completions.create(model="fast", messages=long).usage
    too_long: Any = [{"role": "user", "content": "x" * 1_000_001}]
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="fast", messages=too_long)
    assert caught.value.status_code == 413
    assert caught.value.code == "payload_too_large"


class TestTranslated:
    def test_a_plain_answer_has_openais_shape(self, client: openai.OpenAI, providers: SimulatedProviders) -> None:
        answer = client.chat.completions.create(
            model="sonnet", messages=[{"role": "system", "content": "Be short."}, *HELLO], max_tokens=50, temperature=0
        )
        assert answer.choices[0].message.content == ECHO
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 4)
        (seen,) = providers.requests
        assert seen.path == "/v1/messages"
        assert seen.headers["x-api-key"] == providers.credential
        assert (seen.body["model"], seen.body["max_tokens"]) == ("claude-sonnet-4-5", 50)
        assert seen.body["system"][0]["text"] == "Be short."

    @pytest.mark.parametrize("asked", [True, False])
    def test_a_stream_has_openais_shape(self, client: openai.OpenAI, http: httpx.Client, asked: bool) -> None:
        more: Any = {"stream_options": {"include_usage": True}} if asked else {}
        stream = client.chat.completions.create(model="sonnet", messages=HELLO, stream=True, **more)
        chunks = list(stream)
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == ECHO
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
        assert [c.usage.total_tokens for c in chunks if c.usage] == ([7] if asked else [])
        row = row_of(http, stream.response.headers["x-request-id"])
        assert (row["outcome"], row["output_tokens"], row["cost_source"]) == ("ok", 4, "price_book")

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_tool_is_called_by_the_name_that_the_caller_gave_it(self, client: openai.OpenAI, stream: bool) -> None:
        tools: Any = [{"type": "function", "function": {"name": "menu/find.dish", "parameters": {"type": "object"}}}]
        if not stream:
            choice = client.chat.completions.create(model="sonnet", messages=HELLO, tools=tools).choices[0]
            assert choice.message.tool_calls
            calls: list[Any] = [choice.message.tool_calls[0].function]
            finish = choice.finish_reason
        else:
            chunks = list(client.chat.completions.create(model="sonnet", messages=HELLO, tools=tools, stream=True))
            deltas = [call for c in chunks if c.choices for call in c.choices[0].delta.tool_calls or []]
            assert {delta.index for delta in deltas} == {0}
            calls = [delta.function for delta in deltas]
            finish = chunks[-1].choices[0].finish_reason
        assert [call.name for call in calls if call.name] == ["menu/find.dish"]
        assert json.loads("".join(call.arguments or "" for call in calls)) == {"text": ECHO}
        assert finish == "tool_calls"

    def test_a_cut_stream_is_an_error_here_too(self, client: openai.OpenAI, providers: SimulatedProviders) -> None:
        providers.fail("cut", frames=5)
        with pytest.raises(openai.APIError) as caught:
            list(client.chat.completions.create(model="sonnet", messages=HELLO, stream=True))
        assert caught.value.code == "stream_cut"

    @pytest.mark.parametrize(("status", "expected"), [(401, 502), (429, 429), (500, 502), (529, 503), (400, 400)])
    def test_errors_have_the_same_meaning_here(
        self, client: openai.OpenAI, providers: SimulatedProviders, status: int, expected: int
    ) -> None:
        providers.fail("status", status=status, message="the provider's words", times=0)
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(model="sonnet", messages=HELLO)
        assert caught.value.status_code == expected

    @pytest.mark.parametrize("field", [{"seed": 1}, {"n": 2}, {"logprobs": True}, {"extra_body": {"seed2": 1}}])
    def test_a_field_that_cannot_be_honoured_is_named(
        self, client: openai.OpenAI, providers: SimulatedProviders, field: dict[str, Any]
    ) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model="sonnet", messages=HELLO, **field)
        assert caught.value.param == next(iter(field.get("extra_body", field)))
        assert providers.requests == []

    def test_a_link_is_not_fetched(self, client: openai.OpenAI, providers: SimulatedProviders) -> None:
        image: Any = {"type": "image_url", "image_url": {"url": f"{providers.url}/secret.png"}}
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model="sonnet", messages=[{"role": "user", "content": [image]}])
        assert caught.value.code == "remote_media"
        assert providers.requests == []


class TestErrors:
    def test_each_error_has_the_sdks_own_type(
        self, client: openai.OpenAI, gateway: RunningGateway, providers: SimulatedProviders
    ) -> None:
        with pytest.raises(openai.NotFoundError, match="Did you mean 'fast'"):
            client.chat.completions.create(model="fsat", messages=HELLO)
        with pytest.raises(openai.AuthenticationError, match="Incorrect API key provided"):
            client.with_options(api_key="sk-wrong").chat.completions.create(model="fast", messages=HELLO)
        with pytest.raises(openai.BadRequestError, match="messages is empty"):
            client.chat.completions.create(model="fast", messages=[])
        with pytest.raises(openai.BadRequestError, match="for embedding"):
            client.chat.completions.create(model="vectors", messages=HELLO)
        assert providers.requests == []

    @pytest.mark.parametrize(("body", "status"), [
        (b"{", 400), (b"", 400), (b'{"model": "fast"}', 400), (b"[" * 100_000, 400), (b"\xff\xfe", 400),
        (b'{"model": "fast", "messages": [{"role": "user", "content": "\\ud800 x"}]}', 400),
        (b'{"model": "fast", "messages": [{"role": "user", "content": "a\x00b"}]}', 400),
        (b'{"model": "fast\\u0000", "messages": [{"role": "user", "content": "x"}]}', 404),
        (b'{"model": "fast", "messages": [{"role": "user", "content": 5}]}', 400),
    ])  # fmt: skip
    def test_bad_input_is_refused_recorded_and_sent_nowhere(
        self, http: httpx.Client, providers: SimulatedProviders, body: bytes, status: int
    ) -> None:
        answer = http.post("/v1/chat/completions", content=body)
        assert answer.status_code == status
        error = answer.json()["error"]
        assert error["actor"] == "caller"
        assert error["message"]
        row = row_of(http, error["request_id"])
        assert (row["outcome"], row["status"], row["attempts"], row["cost_usd"]) == ("refused", status, 0, 0)
        assert providers.requests == []

    def test_another_media_type_is_415(self, http: httpx.Client) -> None:
        answer = http.post("/v1/chat/completions", content=b"a=b", headers={"content-type": "text/plain"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")

    @pytest.mark.parametrize(("method", "path", "status", "recorded"), [
        ("GET", "/v1/chat/completions", 405, True), ("POST", "/v1/nothing", 404, True), ("GET", "/nothing", 404, False),
        ("DELETE", "/v1/models", 405, True), ("GET", "/v1/models/none", 404, False), ("POST", "/v1/%00", 404, True),
        ("GET", "/../etc/passwd", 404, False), ("POST", "/v1/chat/completions/", 404, True),
    ])  # fmt: skip
    def test_unknown_paths_and_methods_answer_in_the_envelope(
        self, http: httpx.Client, method: str, path: str, status: int, recorded: bool
    ) -> None:
        answer = http.request(method, path)
        assert answer.status_code == status
        error = answer.json()["error"]
        assert answer.headers["x-request-id"] == error["request_id"]
        rows = http.get("/me/calls", params={"request_id": error["request_id"]}).json()["data"]
        assert len(rows) == int(recorded)

    @pytest.mark.parametrize("tags", ["no equals sign", "k=" + "v" * 300, ",".join(f"k{n}=v" for n in range(17))])
    def test_tags_that_are_none_are_refused(self, http: httpx.Client, tags: str) -> None:
        answer = http.post(
            "/v1/chat/completions", json={"model": "fast", "messages": HELLO}, headers={"x-workbench-tags": tags}
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_tags")

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:8780", "127.0.0.1.evil.example", "169.254.169.254"])
    def test_a_page_with_a_rebound_name_is_refused(self, http: httpx.Client, host: str) -> None:
        for path in ("/me", "/healthz", "/v1/models", "/keys"):
            answer = http.get(path, headers={"host": host})
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == "host_not_allowed"

    def test_there_is_no_cors(self, http: httpx.Client) -> None:
        for method in ("OPTIONS", "GET", "POST"):
            answer = http.request(method, "/v1/chat/completions", headers={"origin": "http://evil.example"})
            assert not [name for name in answer.headers if name.startswith("access-control")]

    def test_a_huge_upload_is_refused_before_it_is_read(self, gateway: RunningGateway, key: str) -> None:
        address = urlsplit(gateway.url)
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as connection:
            connection.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "
                + key.encode()
                + b"\r\n"
                b"Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{"
            )
            assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")

    @pytest.mark.parametrize("raw", [
        b"GET /me HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\x00b\r\n\r\n", b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /me HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"nonsense\r\n\r\n",
    ])  # fmt: skip
    def test_what_is_no_http_ends_the_connection_and_not_the_gateway(
        self, gateway: RunningGateway, http: httpx.Client, raw: bytes
    ) -> None:
        address = urlsplit(gateway.url)
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as connection:
            connection.sendall(raw)
            assert connection.recv(4096).split(b" ")[1].startswith(b"4")
        assert http.get("/healthz").status_code == 200


def test_a_head_without_end_is_refused(gateway: RunningGateway, http: httpx.Client) -> None:
    address = urlsplit(gateway.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as connection:
        connection.sendall(b"GET /me HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Bomb: " + b"a" * 200_000)
        assert connection.recv(4096).startswith(b"HTTP/1.1 431 ")
    assert http.get("/me", headers={"x-long": "a" * 30_000}).status_code == 200


def test_nothing_secret_stands_in_home_or_log(gateway: RunningGateway, providers: SimulatedProviders, key: str) -> None:
    files = [path for path in gateway.home.rglob("*") if path.is_file()]
    assert files
    for path in files:
        raw = path.read_bytes()
        assert key.encode() not in raw, path
        assert providers.credential.encode() not in raw, path
        assert path.name in ("workbench.toml", "gateway.stderr") or path.stat().st_mode & 0o077 == 0, path


def test_the_log_is_empty_after_all_this(gateway: RunningGateway) -> None:
    assert "Traceback" not in Path(gateway.home / "gateway.stderr").read_text()
