"""A client against a real gateway before simulated providers."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openai
import pytest

from workbench.client import AsyncGateway, Gateway
from workbench.errors import (
    AuthenticationFailed,
    GatewayUnreachable,
    InvalidInput,
    LimitExceeded,
    NotFound,
    ProviderError,
    StreamCut,
)
from workbench.simulator.answer import vector_of
from workbench.testing.gateway import RunningGateway
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import SimulatedProviders
from workbench.wire.embedded import GatewayRecord, write_record
from workbench.wire.key_file import MountedKey, write_key_file


@pytest.fixture(scope="module")
def running(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("client") / "home"
    with simulated_gateway(home, providers) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def all_well(providers: SimulatedProviders, home: Path) -> Iterator[None]:
    yield
    providers.clear()


@pytest.fixture
def gateway(running: RunningGateway) -> Iterator[Gateway]:
    with Gateway(url=running.url, key=running.issue_key(), max_retries=0) as client:
        yield client


def test_a_chat_brings_its_text_its_cost_and_the_name_of_its_ledger_row(gateway: Gateway) -> None:
    answer = gateway.chat("one two three", model="chatty", temperature=0)
    assert answer.text == "echo: one two three"
    assert answer.usage.input_tokens == 3
    assert answer.cost_usd == pytest.approx((3 * 1.0 + answer.usage.output_tokens * 2.0) / 1e6)
    assert answer.finish_reason == "stop"
    assert answer.model == "chatty"
    assert isinstance(answer.raw, openai.types.chat.ChatCompletion)
    (row,) = gateway.calls(answer.request_id)
    assert row["output_tokens"] == answer.usage.output_tokens


def test_tags_arrive_in_the_ledger(gateway: Gateway) -> None:
    answer = gateway.chat("hello", model="chatty", tags={"experiment": "e-1", "cell": "3"})
    (row,) = gateway.calls(answer.request_id)
    tags = row["tags"] if isinstance(row["tags"], dict) else json.loads(row["tags"])
    assert tags == {"experiment": "e-1", "cell": "3"}


def test_messages_and_parameters_reach_the_provider(gateway: Gateway, providers: SimulatedProviders) -> None:
    gateway.chat(
        [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
        model="chatty",
        max_tokens=3,
        extra_body={"top_k": 5},
    )
    body = providers.requests[-1].body
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert (body["max_tokens"], body["top_k"]) == (3, 5)


def test_a_stream_gives_pieces_and_then_the_whole(gateway: Gateway) -> None:
    stream = gateway.stream("one two three", model="chatty")
    with pytest.raises(InvalidInput, match="not been read"):
        _ = stream.result
    pieces = list(stream)
    assert len(pieces) > 1
    whole = stream.result
    assert whole.text == "".join(pieces) == "echo: one two three"
    assert whole.first_token_ms is not None
    assert whole.first_token_ms <= whole.latency_ms
    assert whole.usage.output_tokens == len(pieces)
    assert whole.cost_usd == gateway.calls(whole.request_id)[0]["cost_usd"] is not None


def test_leaving_a_stream_early_ends_the_call_at_the_provider(gateway: Gateway, providers: SimulatedProviders) -> None:
    providers.fail("slow", seconds=0.2)
    words = " ".join(["word"] * 500)
    with gateway.stream(words, model="chatty") as stream:
        next(iter(stream))
    providers.wait_until(lambda seen: seen[-1].ended == "client_left")


def test_a_stream_that_breaks_is_no_answer(gateway: Gateway, providers: SimulatedProviders) -> None:
    providers.fail("cut", frames=3)
    stream = gateway.stream("a long enough question for many frames", model="chatty")
    with pytest.raises(ProviderError) as caught:
        list(stream)
    assert caught.value.error_code == StreamCut.code
    with pytest.raises(InvalidInput):
        _ = stream.result


def test_vectors_come_in_the_order_of_the_texts_across_batches(gateway: Gateway) -> None:
    texts = [f"text {number}" for number in range(7)]
    vectors = gateway.embed(texts, model="vectors", batch_size=3)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, [vector_of(text) for text in texts], atol=1e-6)


def test_no_texts_give_no_vectors_and_no_call(gateway: Gateway, providers: SimulatedProviders) -> None:
    assert gateway.embed([], model="vectors").shape == (0, 0)
    assert providers.requests == []


def test_the_catalogue_is_a_table_of_models(gateway: Gateway) -> None:
    assert set(gateway.models()["model"]) == {"chatty", "vectors"}


def test_a_caller_learns_when_its_key_expires(gateway: Gateway) -> None:
    assert gateway.me()["expires_at"] > "2020"


def test_an_unknown_model_is_not_found_and_its_neighbours_are_named(gateway: Gateway) -> None:
    with pytest.raises(NotFound, match="chatty") as caught:
        gateway.chat("hello", model="chaty")
    assert isinstance(caught.value.__cause__, openai.APIStatusError)


def test_a_wrong_key_is_told_as_one(running: RunningGateway) -> None:
    with Gateway(url=running.url, key="wbx-wrong") as client, pytest.raises(AuthenticationFailed):
        client.chat("hello", model="chatty")


def test_an_overloaded_provider_tells_how_long_to_wait(gateway: Gateway, providers: SimulatedProviders) -> None:
    providers.fail("status", status=429, times=0, headers={"retry-after": "7"})
    with pytest.raises(LimitExceeded) as caught:
        gateway.chat("hello", model="chatty")
    assert caught.value.retry_after == 7


def test_a_gateway_that_is_not_there_is_named(running: RunningGateway) -> None:
    with Gateway(url="http://127.0.0.1:9", key="wbx-any", max_retries=0) as client:
        with pytest.raises(GatewayUnreachable, match=r"127\.0\.0\.1:9") as caught:
            client.chat("hello", model="chatty")
        assert "workbench up" in str(caught.value)


def test_the_openai_client_is_configured(gateway: Gateway) -> None:
    completion = gateway.openai.chat.completions.create(model="chatty", messages=[{"role": "user", "content": "hello"}])
    assert completion.choices[0].message.content == "echo: hello"


def test_no_secret_shows_in_a_representation(running: RunningGateway) -> None:
    key = running.issue_key()
    client = Gateway(url=running.url, key=key)
    assert key not in f"{client!r} {client.openai!r} {client.openai.api_key} {vars(client)}"
    client.close()


def test_published_prompts_are_checked_and_their_history_kept(
    gateway: Gateway, running: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", running.owner_token)
    for version in (1, 2):
        gateway.publish(
            "greet", version, f"Hello {{{{name}}}} {version}", parameters={"model": "chatty"}, reason="test"
        )
    live = gateway.published("greet")
    assert (live.version, live.template) == (2, "Hello {{name}} 2")
    assert [record["version"] for record in gateway.history("greet")] == [2, 1]


def test_a_prompt_that_nobody_published_is_not_found(gateway: Gateway) -> None:
    with pytest.raises(NotFound):
        gateway.published("nothing")


def test_publishing_needs_an_identity(gateway: Gateway) -> None:
    with pytest.raises(AuthenticationFailed, match="who asks"):
        gateway.publish("greet", 1, "x", reason="test")


def test_feedback_on_ones_own_call_is_taken_and_on_anothers_is_not(gateway: Gateway, running: RunningGateway) -> None:
    answer = gateway.chat("hello", model="chatty")
    gateway.feedback(answer.request_id, 1, "good")
    gateway.feedback(answer.request_id, 0, "on second thought")
    with Gateway(url=running.url, key=running.issue_key(), max_retries=0) as other, pytest.raises(NotFound):
        other.feedback("00000000-0000-0000-0000-000000000000", 1)


# -- keys that are found -------------------------------------------------------------------------------------------


@pytest.fixture
def key_file(running: RunningGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "key.json"
    write_key_file(path, MountedKey(running.issue_key(), None, running.url))
    monkeypatch.setenv("WORKBENCH_KEY_FILE", str(path))
    return path


def test_a_mounted_key_is_found(key_file: Path) -> None:
    with Gateway() as client:
        assert client.chat("hello", model="chatty").text == "echo: hello"


def test_a_revoked_key_is_followed_by_the_one_that_was_mounted_since(key_file: Path, running: RunningGateway) -> None:
    with Gateway() as client:
        client.chat("hello", model="chatty")
        stat = key_file.stat()
        write_key_file(key_file, MountedKey(running.issue_key(), None, running.url))
        os.utime(key_file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert client.chat("again", model="chatty").text == "echo: again"


def test_a_refused_key_is_read_again_once_even_if_the_file_looks_the_same(
    key_file: Path, running: RunningGateway
) -> None:
    good = key_file.read_text()
    write_key_file(key_file, MountedKey("wbx-" + "0" * 40, None, running.url))
    with Gateway() as client:
        assert client.url == running.url
        stat = key_file.stat()
        with key_file.open("r+") as file:  # in place, so neither time nor inode tells
            file.truncate()
            file.write(good)
        os.utime(key_file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert client.chat("hello", model="chatty").text == "echo: hello"


def test_a_client_follows_its_gateway_to_another_port(key_file: Path, running: RunningGateway) -> None:
    good = key_file.read_text()
    write_key_file(key_file, MountedKey("wbx-any", None, "http://127.0.0.1:9"))
    with Gateway(max_retries=0) as client:
        with pytest.raises(GatewayUnreachable):
            client.chat("hello", model="chatty")
        key_file.unlink()
        key_file.write_text(good)
        assert client.chat("hello", model="chatty").text == "echo: hello"
        assert list(client.stream("hi", model="chatty"))
        assert client.me()["kind"] == "exploration"


def test_a_file_that_tells_why_there_is_no_key_is_heard(key_file: Path) -> None:
    with Gateway(max_retries=0) as client:
        key_file.write_text(json.dumps({"problem": "The gateway starts.", "hint": "Wait.", "code": "gateway_starting"}))
        with pytest.raises(GatewayUnreachable, match="The gateway starts") as caught:
            client.chat("hello", model="chatty")
        assert caught.value.error_code == "gateway_starting"


def test_outside_a_notebook_the_running_gateway_issues_a_key_and_it_ends_with_the_client(
    running: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(running.home))
    write_record(running.home, GatewayRecord(pid=running.process.pid, url=running.url))
    try:
        client = Gateway()
        assert client.chat("hello", model="chatty").text == "echo: hello"
        key = client._keys.current().key
        client.publish("outside", 1, "x", reason="by the owner of the home")
        client.close()
        with Gateway(url=running.url, key=key, max_retries=0) as other:
            with pytest.raises(AuthenticationFailed) as caught:
                other.me()
            assert caught.value.error_code == "revoked"
    finally:
        (running.home / "gateway.json").unlink()


def test_a_script_that_forgets_to_close_leaves_no_live_key(running: RunningGateway) -> None:
    write_record(running.home, GatewayRecord(pid=running.process.pid, url=running.url))
    script = "from workbench.client import Gateway\ng = Gateway()\ng.me()\nprint(g._keys.current().key)"
    environ = {**os.environ, "WORKBENCH_HOME": str(running.home)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", script], env=environ, capture_output=True, text=True, timeout=60, check=True
        )
    finally:
        (running.home / "gateway.json").unlink()
    with Gateway(url=running.url, key=done.stdout.strip(), max_retries=0) as other, pytest.raises(AuthenticationFailed):
        other.me()


# -- await ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_the_async_client_answers_the_same(key_file: Path) -> None:
    async with AsyncGateway() as client:
        answers = await asyncio.gather(*(client.chat(f"n {n}", model="chatty") for n in range(5)))
        assert [answer.text for answer in answers] == [f"echo: n {n}" for n in range(5)]
        stream = await client.stream("one two", model="chatty")
        assert "".join([piece async for piece in stream]) == "echo: one two"
        assert stream.result.cost_usd is not None
        assert (await client.embed(["a", "b"], model="vectors")).shape == (2, 8)
        assert set((await client.models())["model"]) == {"chatty", "vectors"}
        assert (await client.me())["kind"] == "exploration"
        assert await client.calls(answers[0].request_id)
        with pytest.raises(NotFound):
            await client.published("nothing")


@pytest.mark.anyio
async def test_the_async_client_follows_a_key_that_was_replaced(key_file: Path, running: RunningGateway) -> None:
    write_key_file(key_file, MountedKey("wbx-" + "0" * 40, None, running.url))
    async with AsyncGateway(max_retries=0) as client:
        with pytest.raises(AuthenticationFailed):
            await client.chat("hello", model="chatty")
        write_key_file(key_file, MountedKey(running.issue_key(), None, running.url))
        assert (await client.chat("hello", model="chatty")).text == "echo: hello"


@pytest.mark.anyio
async def test_leaving_an_async_stream_ends_the_call(key_file: Path, providers: SimulatedProviders) -> None:
    providers.fail("slow", seconds=0.2)
    async with AsyncGateway() as client:
        async with await client.stream(" ".join(["word"] * 500), model="chatty") as stream:
            async for _ in stream:
                break
        await asyncio.to_thread(providers.wait_until, lambda seen: seen[-1].ended == "client_left")
